"""One request in full: its waterfall, the keys it touched, the commands it sent, and what a hit would have saved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

import orjson

from cachelayer.dashboard.plans import Plan, PlanUnknown, explain, route_of
from cachelayer.outcomes import Outcome
from cachelayer.server.door import RedisUnavailable
from cachelayer.telemetry import KeptRead, Sample, Step, store
from cachelayer.telemetry.samples import is_hit
from cachelayer.web.presentation import (
    format_age,
    format_bytes,
    format_ms,
    heat_label,
    heat_of,
    source_label,
    step_label,
)

_ID = re.compile(r"\d{1,20}-\d{1,20}\Z")
_NARROWEST = 0.4
_TICKS = 5


@dataclass(frozen=True, slots=True)
class WaterfallBar:
    """A step; ``x`` and ``width`` in percent of the request, ``label_x`` where its text begins."""

    label: str
    detail: str
    tone: str
    start: str
    duration: str
    self_time: str
    x: str
    width: str
    label_end: bool
    documents: str
    depth: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis."""

    x: str
    label: str


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A cached read in words."""

    key: str
    outcome: str
    heat: str
    source: str
    age: str
    soft: str
    hard: str
    load: str
    size: str


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A MongoDB command, with its plan where it was asked for.

    Attributes:
        route: which shards it asks, or would ask in a cluster.
    """

    number: int
    label: str
    duration: str
    documents: str
    text: str
    route: str
    plan: Plan | None
    problem: str


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Everything of one request."""

    id: str
    title: str
    at: str
    age: str
    route: str
    status: int
    elapsed: str
    heat: str
    outcome: str
    source: str
    generated: bool
    verdict: str
    bars: tuple[WaterfallBar, ...]
    ticks: tuple[Tick, ...]
    covered: str
    summary: str
    reads: tuple[ReadRow, ...]
    commands: tuple[CommandRow, ...]


class RequestGone(Exception):
    """The request is not in the log, any more or at all, or the log cannot be read."""


def read_request(identifier: str) -> Sample:
    """Return a kept request; raise :class:`RequestGone`."""
    if not _ID.fullmatch(identifier):
        raise RequestGone(identifier)
    try:
        found = store.read_log(before=identifier, after=identifier, limit=1)
    except RedisUnavailable as error:
        raise RequestGone(str(error)) from error
    if not found:
        raise RequestGone(identifier)
    return found[0]


def build_request_page(sample: Sample, *, explained: bool) -> RequestPage:
    """Prepare the page; ``explained`` asks the database for the plans of the commands."""
    heat = heat_of(Outcome(sample.outcome) if sample.outcome else None)
    now = time()
    covered = sum(sample.spans.values()) / sample.elapsed_ms * 100 if sample.elapsed_ms else 100.0
    steps = sorted(sample.steps, key=lambda step: (step.start_ms, -step.duration_ms))
    return RequestPage(
        id=sample.id,
        title=f"{sample.method} {sample.path}",
        at=f"{datetime.fromtimestamp(sample.at, UTC):%d %b %Y, %H:%M:%S} UTC",
        age=format_age(max(now - sample.at, 0)),
        route=sample.route,
        status=sample.status,
        elapsed=format_ms(sample.elapsed_ms),
        heat=heat.value,
        outcome=heat_label(heat),
        source=source_label(sample.source) if sample.source else "no cached read",
        generated=sample.generated,
        verdict=_verdict(sample),
        bars=_bars(steps, max(sample.elapsed_ms, 0.001)),
        ticks=tuple(
            Tick(f"{100 * place / _TICKS:g}%", format_ms(sample.elapsed_ms * place / _TICKS))
            for place in range(_TICKS + 1)
        ),
        covered=f"{min(covered, 100):.1f} %",
        summary=_summary(sample),
        reads=tuple(_read_row(read, now) for read in sample.reads),
        commands=tuple(
            _command_row(number, step, explained=explained)
            for number, step in enumerate((step for step in steps if step.name == "mongodb"), start=1)
        ),
    )


def _verdict(sample: Sample) -> str:
    """Say what the caches saved, or what a hit would have saved."""
    if not sample.reads:
        return "This request read nothing through the cache."
    loaded = [read for read in sample.reads if not is_hit(read.outcome)]
    if loaded:
        cost_ms = sum(step.duration_ms for step in sample.steps if step.name == "load") or sum(
            read.load_ms for read in loaded
        )
        rest_ms = max(sample.elapsed_ms - cost_ms, 0.0)
        return (
            f"A hit would have saved about {format_ms(cost_ms)} of {format_ms(sample.elapsed_ms)}: "
            f"the loading. The other {format_ms(rest_ms)} are spent either way."
        )
    return (
        f"Answered by a cache. Loading these values had cost {format_ms(sample.saved_ms)}, "
        f"which this request did not spend."
    )


def _bars(steps: Sequence[Step], total_ms: float) -> tuple[WaterfallBar, ...]:
    bars = []
    open_until: list[float] = []
    for step in steps:
        end = step.start_ms + step.duration_ms
        # A step that begins before another has ended lies inside of it; clocks of driver and server differ a little.
        while open_until and step.start_ms >= open_until[-1] - 0.005:
            open_until.pop()
        width = max(step.duration_ms / total_ms * 100, _NARROWEST)
        x = min(max(step.start_ms / total_ms * 100, 0.0), 100 - width)
        bars.append(
            WaterfallBar(
                label=step_label(step.name),
                detail=step.detail,
                tone=_tone(step.name),
                start=format_ms(max(step.start_ms, 0.0)),
                duration=format_ms(step.duration_ms),
                self_time=format_ms(step.self_ms),
                x=f"{max(x, 0):.2f}%",
                width=f"{min(width, 100):.2f}%",
                label_end=x > 70,
                documents=f"{step.documents:,}" if step.documents >= 0 else "",
                depth=min(len(open_until), 6),
            )
        )
        open_until.append(end)
    return tuple(bars)


_TONES = {
    "mongodb": "cold",
    "redis": "hot",
    "ratelimit": "hot",
    "trending": "hot",
    "lease": "stale",
    "lease-wait": "stale",
    "load": "cold",
}


def _tone(name: str) -> str:
    return _TONES.get(name, "none")


def _summary(sample: Sample) -> str:
    longest = sorted(sample.spans.items(), key=lambda item: -item[1])[:3]
    steps = ", ".join(f"{step_label(name)} {format_ms(ms)}" for name, ms in longest)
    return f"Waterfall of {len(sample.steps)} steps in {format_ms(sample.elapsed_ms)}; most time went into {steps}."


def _read_row(read: KeptRead, now: float) -> ReadRow:
    outcome = Outcome(read.outcome)
    return ReadRow(
        key=read.key,
        outcome=read.outcome.replace("_", " "),
        heat=heat_of(outcome).value,
        source=source_label(read.source),
        age=format_age(read.age_seconds),
        soft=_expiry(read.soft_ms, now),
        hard=_expiry(read.hard_ms, now),
        load=format_ms(read.load_ms),
        size=format_bytes(read.size),
    )


def _expiry(moment_ms: int, now: float) -> str:
    if not moment_ms:
        return "–"
    left = moment_ms / 1000 - now
    return f"in {format_age(left)}" if left >= 0 else f"{format_age(-left)} ago"


def _command_row(number: int, step: Step, *, explained: bool) -> CommandRow:
    plan, problem = None, ""
    if explained and step.command:
        try:
            plan = explain(step.command)
        except PlanUnknown as error:
            problem = str(error)
    return CommandRow(
        number=number,
        label=step.detail,
        duration=format_ms(step.duration_ms),
        documents=f"{step.documents:,}" if step.documents >= 0 else "–",
        text=_pretty(step.command),
        route=plan.shards if plan and plan.shards else route_of(step.command),
        plan=plan,
        problem=problem,
    )


def _pretty(text: str) -> str:
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode() if text else ""
    except orjson.JSONDecodeError:
        return text
