"""What the dashboard shows, computed from telemetry and health alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import time

from cachelayer.dashboard.charts import (
    SLOTS,
    GridLine,
    LatencyChart,
    Strip,
    decades_of,
    latency_chart,
    latency_strip,
    scale_lines,
)
from cachelayer.dashboard.topology import Topology, build_topology
from cachelayer.health import Health, ServerHealth
from cachelayer.outcomes import Outcome
from cachelayer.presentation import format_age, format_ms, heat_label, heat_of, source_label
from cachelayer.telemetry import Sample


@dataclass(frozen=True, slots=True)
class HitRatio:
    """The share of cached reads that a cache answered, in a window of time.

    Attributes:
        percent: such as ``93.4``, or ``–`` where nothing was counted.
        share: 0 to 100, for the drawing of it.
        counts: the numbers behind it, in words.
        parts: outcome in words, heat, and count.
    """

    window: str
    percent: str
    share: float
    counts: str
    parts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Percentiles of the shown requests that one source answered."""

    label: str
    heat: str
    count: int
    p50: str
    p95: str
    slowest: str
    strip: Strip


@dataclass(frozen=True, slots=True)
class ServerRow:
    """The health of a server in words."""

    name: str
    label: str
    up: bool
    state: str
    since: str
    detail: str


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request in the table."""

    age: str
    request: str
    status: int
    failed: bool
    elapsed: str
    heat: str
    outcome: str
    source: str
    key: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything the dashboard shows.

    Attributes:
        covers_all: whether all workers' requests are shown, rather than this one's.
        scope: the same in words.
        verdict: state of the whole service in words; ``status`` names its look.
    """

    status: str
    verdict: str
    updated: str
    covers_all: bool
    scope: str
    chart: LatencyChart
    ratios: tuple[HitRatio, ...]
    sources: tuple[SourceRow, ...]
    scale: tuple[GridLine, ...]
    servers: tuple[ServerRow, ...]
    topology: Topology
    requests: tuple[RequestRow, ...]
    sample_count: int


_SERVER_LABELS = {"mongodb": "MongoDB", "redis": "Redis"}
_VERDICTS = {
    "healthy": "All servers answer this worker",
    "degraded": "Working, but not with everything",
    "unhealthy": "Cold pages cannot be answered",
}


def build_dashboard(
    *,
    samples: Sequence[Sample],
    covers_all: bool,
    five_minutes: Mapping[str, int],
    one_hour: Mapping[str, int],
    health: Health,
) -> Dashboard:
    """Prepare the dashboard.

    Args:
        samples: recent requests, newest first.
        covers_all: whether they come from all workers.
        five_minutes: outcomes counted in the last 5 minutes.
        one_hour: the same for the last hour.
    """
    shown = list(samples[:SLOTS])
    now = time()
    decades = decades_of([sample.elapsed_ms for sample in shown])
    return Dashboard(
        status=health.status.value,
        verdict=_VERDICTS[health.status.value],
        updated=f"{health.at:%H:%M:%S} UTC",
        covers_all=covers_all,
        scope="Requests of all workers" if covers_all else "Requests of this worker only",
        chart=latency_chart(shown, now=now),
        ratios=(_ratio("Last 5 minutes", five_minutes), _ratio("Last hour", one_hour)),
        sources=_by_source(shown, decades),
        scale=scale_lines(decades),
        servers=tuple(_server(server, health.at) for server in health.servers),
        topology=build_topology(shown, health),
        requests=tuple(_row(sample, now) for sample in shown),
        sample_count=len(shown),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of at least one value."""
    ranked = sorted(values)
    return ranked[max(math.ceil(percent / 100 * len(ranked)), 1) - 1]


def _ratio(window: str, counts: Mapping[str, int]) -> HitRatio:
    total = sum(counts.values())
    hits = sum(count for name, count in counts.items() if Outcome(name).is_hit)
    share = 100 * hits / total if total else 0.0
    parts = (
        (_OUTCOME_LABELS[outcome], heat_of(outcome).value, f"{counts[outcome.value]:,}")
        for outcome in Outcome
        if counts.get(outcome.value)
    )
    return HitRatio(
        window=window,
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


def _by_source(samples: Sequence[Sample], decades: int) -> tuple[SourceRow, ...]:
    groups: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        heat = heat_of(Outcome(sample.outcome) if sample.outcome else None)
        groups.setdefault((sample.source, heat.value), []).append(sample.elapsed_ms)
    ranked = sorted(groups.items(), key=lambda item: percentile(item[1], 50))
    return tuple(_source(source, heat, values, decades) for (source, heat), values in ranked)


def _source(source: str, heat: str, values: Sequence[float], decades: int) -> SourceRow:
    p50, p95 = percentile(values, 50), percentile(values, 95)
    return SourceRow(
        label=source_label(source) if source else "No cached read",
        heat=heat,
        count=len(values),
        p50=format_ms(p50),
        p95=format_ms(p95),
        slowest=format_ms(max(values)),
        strip=latency_strip(values, decades=decades, p50=p50, p95=p95),
    )


def _server(server: ServerHealth, at: datetime) -> ServerRow:
    return ServerRow(
        name=server.name,
        label=_SERVER_LABELS.get(server.name, server.name),
        up=server.up,
        state="Up" if server.up else "Down",
        since=f"since {_moment(server.since, at)}",
        detail=f"ping {format_ms(server.ping_ms)}" if server.ping_ms is not None else server.reason,
    )


def _moment(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC" if moment.date() == now.date() else f"{moment:%d %b %Y, %H:%M} UTC"


def _row(sample: Sample, now: float) -> RequestRow:
    outcome = Outcome(sample.outcome) if sample.outcome else None
    heat = heat_of(outcome)
    return RequestRow(
        age=format_age(max(now - sample.at, 0)),
        request=f"{sample.method} {sample.path}",
        status=sample.status,
        failed=sample.status >= 500,
        elapsed=format_ms(sample.elapsed_ms),
        heat=heat.value,
        outcome=heat_label(heat),
        source=source_label(sample.source) if sample.source else "–",
        key=sample.key or "–",
    )
