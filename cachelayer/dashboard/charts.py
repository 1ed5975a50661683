"""Geometry of the latency chart: bars on a logarithmic scale, in percent of a drawing that any width can hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from time import time

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from cachelayer.outcomes import Outcome
from cachelayer.telemetry import Sample
from cachelayer.web.presentation import format_age, format_ms, heat_label, heat_of, source_label

SLOTS = 50
FLOOR_MS = 0.1
_LEAST_DECADES = 3
_LOWEST_BAR = 1.5
_BAR_SHARE = 0.68


@dataclass(frozen=True, slots=True)
class Bar:
    """A request as a bar; places and sizes are percentages, written for SVG."""

    heat: str
    x: str
    width: str
    y: str
    height: str
    slot_x: str
    slot_width: str
    title: str
    id: str


@dataclass(frozen=True, slots=True)
class GridLine:
    """A line of the scale: ``y`` where the scale rises, ``x`` where it runs to the right."""

    y: str
    x: str
    label: str


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """The last requests, oldest first, so that the newest stands at the right."""

    bars: tuple[Bar, ...]
    lines: tuple[GridLine, ...]
    summary: str

    @property
    def drawn(self) -> SafeString:
        """The bars as SVG, each a link to its request; the newest is where the Tab key enters the chart."""
        newest = len(self.bars) - 1
        # Titles, which hold what visitors typed, are escaped by _drawn; all else is of our own making.
        return mark_safe("".join(_drawn(bar, place == newest) for place, bar in enumerate(self.bars)))  # noqa: S308


@dataclass(frozen=True, slots=True)
class Span:
    """Three percentiles on one line; places are percentages of the scale's width."""

    p50: str
    p95: str
    p99: str
    width: str


def latency_chart(samples: Sequence[Sample], *, now: float | None = None) -> LatencyChart:
    """Draw up to :data:`SLOTS` samples, given newest first."""
    shown = list(samples[:SLOTS])
    moment = time() if now is None else now
    decades = decades_of([sample.elapsed_ms for sample in shown])
    first_slot = SLOTS - len(shown)
    bars = (_bar(sample, first_slot + place, decades, moment) for place, sample in enumerate(reversed(shown)))
    return LatencyChart(
        bars=tuple(bars), lines=scale_lines(decades), summary=_summary([sample.elapsed_ms for sample in shown], shown)
    )


def percentile_span(p50: float, p95: float, p99: float, *, decades: int) -> Span:
    """Draw three percentiles, in ms, along a logarithmic scale."""
    first, second, third = (height_percent(value, decades) for value in (p50, p95, p99))
    return Span(_percent(first), _percent(second), _percent(third), _percent(max(third - first, 0.0)))


def decades_of(values: Sequence[float]) -> int:
    """Return how many powers of ten above :data:`FLOOR_MS` a scale needs for all values."""
    slowest = max(values, default=FLOOR_MS)
    return max(_LEAST_DECADES, math.ceil(math.log10(max(slowest, FLOOR_MS) / FLOOR_MS)))


def scale_lines(decades: int) -> tuple[GridLine, ...]:
    """Return the lines of a scale, from :data:`FLOOR_MS` up, one for each power of ten."""
    return tuple(
        GridLine(
            y=_percent(100 - 100 * decade / decades),
            x=_percent(100 * decade / decades),
            label=_decade_label(FLOOR_MS * 10**decade),
        )
        for decade in range(decades + 1)
    )


def height_percent(elapsed_ms: float, decades: int) -> float:
    """Return how high a bar is on a scale that begins at :data:`FLOOR_MS` and spans ``decades`` powers of ten."""
    if elapsed_ms <= FLOOR_MS:
        return _LOWEST_BAR
    return min(max(math.log10(elapsed_ms / FLOOR_MS) / decades * 100, _LOWEST_BAR), 100.0)


def _bar(sample: Sample, slot: int, decades: int, now: float) -> Bar:
    heat = heat_of(Outcome(sample.outcome) if sample.outcome else None)
    height = height_percent(sample.elapsed_ms, decades)
    where = f" from {source_label(sample.source)}" if sample.source else ""
    key = f", key {sample.key}" if sample.key else ""
    return Bar(
        heat=heat.value,
        x=_BAR_PLACES[slot],
        width=_BAR_WIDTH,
        y=_percent(100 - height),
        height=_percent(height),
        slot_x=_SLOT_PLACES[slot],
        slot_width=_SLOT_WIDTH,
        id=sample.id,
        title=(
            f"{format_ms(sample.elapsed_ms)}{where} ({heat_label(heat)}): "
            f"{sample.method} {sample.path}{key}, {format_age(max(now - sample.at, 0))} ago"
        ),
    )


def _drawn(bar: Bar, is_newest: bool) -> str:
    href = f' href="{request_address(bar.id)}"' if bar.id else ""
    return (
        f'<a class="bar bar--{bar.heat}"{href} tabindex="{0 if is_newest else -1}"><title>{escape(bar.title)}</title>'
        f'<rect class="bar__slot" x="{bar.slot_x}" width="{bar.slot_width}" height="100%"/>'
        f'<rect class="bar__body" x="{bar.x}" y="{bar.y}" width="{bar.width}" height="{bar.height}" rx="2"/></a>'
    )


_ANY_ID = "0-0"


@cache
def _any_address() -> str:
    return reverse("dashboard:request", args=[_ANY_ID])


def request_address(identifier: str) -> str:
    """Return the address of a kept request's page; a page of the dashboard holds many of them."""
    return _any_address().replace(_ANY_ID, identifier)


def _summary(values: Sequence[float], shown: Sequence[Sample]) -> str:
    if not shown:
        return "No request has been recorded yet."
    hits = sum(1 for sample in shown if sample.outcome and Outcome(sample.outcome).is_hit)
    return (
        f"Bar chart on a logarithmic scale of the last {len(shown)} requests: {hits} answered by a cache; "
        f"fastest {format_ms(min(values))}, slowest {format_ms(max(values))}. The table below holds the same figures."
    )


def _decade_label(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:g} s"
    return f"{milliseconds:g} ms"


def _percent(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"


_SLOT_WIDTH = _percent(100 / SLOTS)
_SLOT_PLACES = tuple(_percent(slot * 100 / SLOTS) for slot in range(SLOTS))
_BAR_WIDTH = _percent(100 / SLOTS * _BAR_SHARE)
_BAR_PLACES = tuple(_percent((slot + (1 - _BAR_SHARE) / 2) * 100 / SLOTS) for slot in range(SLOTS))
