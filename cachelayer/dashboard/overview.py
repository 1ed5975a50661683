"""What the first page of the dashboard shows, computed from telemetry, health and what the servers tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time

from django.utils.safestring import SafeString, mark_safe

from cachelayer.dashboard.charts import (
    SLOTS,
    GridLine,
    LatencyChart,
    Span,
    decades_of,
    latency_chart,
    percentile_span,
    request_address,
    scale_lines,
)
from cachelayer.dashboard.heatmap import Heatmap, build_heatmap
from cachelayer.dashboard.topology import Gateway, Topology, build_topology
from cachelayer.describing import Description
from cachelayer.health import Health
from cachelayer.invalidation.watch_state import WatchState
from cachelayer.outcomes import Outcome
from cachelayer.telemetry import WINDOWS, Sample, Window, hit_ratio
from cachelayer.telemetry.histogram import Histogram
from cachelayer.telemetry.samples import is_hit
from cachelayer.web.presentation import (
    format_age,
    format_long,
    format_ms,
    format_rate,
    heat_label,
    heat_of,
    heat_of_source,
    source_label,
)

DEFAULT_WINDOW = "15m"
_TABLE_ROWS = 20


@dataclass(frozen=True, slots=True)
class HitRatio:
    """The share of cached reads that a cache answered.

    Attributes:
        percent: such as ``93.4``, or ``–`` where nothing was counted.
        share: 0 to 100, for the drawing of it.
        counts: the numbers behind it, in words.
        parts: outcome in words, heat, and count.
    """

    percent: str
    share: float
    counts: str
    parts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what it means."""

    label: str
    value: str
    unit: str
    note: str


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """Rate and percentiles of one route as one source answered it; ``strip`` is the drawing of the percentiles."""

    route: str
    source: str
    heat: str
    count: str
    rate: str
    p50: str
    p95: str
    p99: str
    strip: SafeString
    href: str


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request in a table; ``address`` is empty where it cannot be looked up."""

    address: str
    age: str
    clock: str
    request: str
    route: str
    status: int
    failed: bool
    elapsed: str
    heat: str
    outcome: str
    source: str
    key: str
    generated: bool


@dataclass(frozen=True, slots=True)
class WindowTab:
    """A choice of the window of time."""

    name: str
    label: str
    current: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the first page shows.

    Attributes:
        covers_all: whether all workers' requests are shown, rather than this one's.
        scope: the same in words.
        verdict: state of the whole service in words; ``status`` names its look.
        generated: how many requests of the window were generated, in words; empty for none.
    """

    status: str
    verdict: str
    updated: str
    covers_all: bool
    scope: str
    window: str
    window_label: str
    figures: tuple[Figure, ...]
    chart: LatencyChart
    heatmap: Heatmap
    ratio: HitRatio
    series: tuple[SeriesRow, ...]
    scale: tuple[GridLine, ...]
    topology: Topology
    requests: tuple[RequestRow, ...]
    generated: str


def window_tabs(chosen: str) -> tuple[WindowTab, ...]:
    """Return the windows of time to choose from."""
    return tuple(WindowTab(each.name, each.label, each.name == chosen) for each in WINDOWS.values())


_VERDICTS = {
    "healthy": "All servers answer",
    "degraded": "Working, but not with everything",
    "unhealthy": "Cold pages cannot be answered",
}


def build_overview(
    *,
    samples: Sequence[Sample],
    window: Window,
    health: Health,
    gateway: Gateway,
    descriptions: Mapping[str, Description | None],
    watch: WatchState | None = None,
) -> Overview:
    """Prepare the page.

    Args:
        samples: recent requests, newest first.
        watch: what the watcher of the database last said; ``None`` where nothing is heard of it.
    """
    now = time()
    decades = decades_of([histogram.percentile(99) for histogram in window.series.values()])
    return Overview(
        status=health.status.value,
        verdict=_VERDICTS[health.status.value],
        updated=f"{health.at:%H:%M:%S} UTC",
        covers_all=window.covers_all,
        scope="Requests of all workers" if window.covers_all else "Requests of this worker only",
        window=window.size.name,
        window_label=window.size.label,
        figures=_figures(window),
        chart=latency_chart(samples[:SLOTS], now=now),
        heatmap=build_heatmap(window),
        ratio=_ratio(window.outcomes()),
        series=_series(window, decades),
        scale=scale_lines(decades),
        topology=build_topology(samples, health, gateway, descriptions, watch),
        requests=tuple(request_row(sample, now) for sample in samples[:_TABLE_ROWS]),
        generated=_generated_text(window),
    )


def _generated_text(window: Window) -> str:
    count, total = window.sums.get("generated", 0), window.all.total
    if not count:
        return ""
    return "All requests" if count >= total else f"{count:,} of {total:,} requests"


def _figures(window: Window) -> tuple[Figure, ...]:
    everything = window.all
    total = everything.total
    seconds = window.counted_seconds
    saved_s = sum(window.amounts("saved_us").values()) / 1e6
    spent_s = window.sums.get("mongodb|us", 0) / 1e6
    percentiles = tuple(
        Figure(f"p{percent}", *_split(format_ms(everything.percentile(percent)) if total else "–"), note)
        for percent, note in ((50, "half were quicker"), (95, "1 of 20 was slower"), (99, "1 of 100 was slower"))
    )
    errors = window.sums.get("errors", 0)
    return (
        Figure("Requests", *_split(format_rate(total / seconds)), f"{total:,} in {format_age(seconds)}"),
        *percentiles,
        Figure(
            "Loading saved", *_split(format_long(saved_s)), f"by hits; MongoDB took {format_long(spent_s)} for the rest"
        ),
        Figure("Errors", f"{errors:,}", "", "answers with status 500 and above"),
    )


def _split(text: str) -> tuple[str, str]:
    number, _, unit = text.partition(" ")
    return number, unit


def _ratio(counts: Mapping[str, int]) -> HitRatio:
    total = sum(counts.values())
    share = 100 * (hit_ratio(counts) or 0.0)
    hits = sum(count for name, count in counts.items() if is_hit(name))
    parts = (
        (_OUTCOME_LABELS[outcome], heat_of(outcome).value, f"{counts[outcome.value]:,}")
        for outcome in Outcome
        if counts.get(outcome.value)
    )
    return HitRatio(
        percent=f"{share:.1f}" if total else "–",
        share=round(share, 1),
        counts=f"{hits:,} of {total:,} requests with a cached read" if total else "Nothing counted",
        parts=tuple(parts),
    )


_OUTCOME_LABELS = {
    Outcome.L1_HIT: "Process memory",
    Outcome.REDIS_HIT: "Redis",
    Outcome.NEGATIVE_HIT: "Known absent",
    Outcome.STALE: "Stale copy",
    Outcome.STALE_ON_ERROR: "Stale, loader failed",
    Outcome.WAITED: "Waited",
    Outcome.MISS: "Miss",
    Outcome.BYPASS: "Bypass",
}


def _series(window: Window, decades: int) -> tuple[SeriesRow, ...]:
    ranked = sorted(window.series.items(), key=lambda item: (item[0][0], item[1].percentile(50)))
    grid = "".join(
        f'<line class="chart__line" x1="{x}" x2="{x}" y1="0" y2="100%"/>'
        for x in (line.x for line in scale_lines(decades))
    )
    return tuple(_series_row(route, source, histogram, window, decades, grid) for (route, source), histogram in ranked)


def _series_row(route: str, source: str, histogram: Histogram, window: Window, decades: int, grid: str) -> SeriesRow:
    p50, p95, p99 = (histogram.percentile(percent) for percent in (50, 95, 99))
    heat = heat_of_source(source).value
    return SeriesRow(
        route=route,
        source=source_label(source) if source else "No cached read",
        heat=heat,
        count=f"{histogram.total:,}",
        rate=format_rate(histogram.total / window.counted_seconds),
        p50=format_ms(p50),
        p95=format_ms(p95),
        p99=format_ms(p99),
        strip=_strip(heat, grid, percentile_span(p50, p95, p99, decades=decades)),
        href=f"route={route}&source={source or 'none'}",
    )


def _strip(heat: str, grid: str, span: Span) -> SafeString:
    # Places and names of our own making only, so there is nothing to escape.
    return mark_safe(  # noqa: S308
        f'<svg class="strip strip--{heat}" aria-hidden="true">{grid}'
        f'<rect class="strip__span" x="{span.p50}" width="{span.width}" y="42%" height="16%"/>'
        f'<circle class="strip__dot" cx="{span.p50}" cy="50%" r="5.5"/>'
        f'<line class="strip__p95" x1="{span.p95}" x2="{span.p95}" y1="20%" y2="80%"/>'
        f'<line class="strip__p99" x1="{span.p99}" x2="{span.p99}" y1="28%" y2="72%"/></svg>'
    )


def request_row(sample: Sample, now: float) -> RequestRow:
    """Return a request as a row of a table."""
    outcome = Outcome(sample.outcome) if sample.outcome else None
    heat = heat_of(outcome)
    return RequestRow(
        address=request_address(sample.id) if sample.id else "",
        age=format_age(max(now - sample.at, 0)),
        clock=clock_text(sample.at),
        request=f"{sample.method} {sample.path}",
        route=sample.route,
        status=sample.status,
        failed=sample.status >= 500,
        elapsed=format_ms(sample.elapsed_ms),
        heat=heat.value,
        outcome=heat_label(heat),
        source=source_label(sample.source) if sample.source else "–",
        key=sample.key or "–",
        generated=sample.generated,
    )


def clock_text(moment: float) -> str:
    """Return a time of day in UTC with milliseconds."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S.%f}"[:-3]
