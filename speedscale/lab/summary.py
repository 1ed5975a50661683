"""The figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speedscale.lab.runs import Run
from speedscale.lab.statistics import Interval, median_interval, percentile

_RESAMPLES_LIVE = 200
LATE_MS = 20.0
_LATE_SHARE = 0.1
COLD_LABELS = {
    "redis": "not in Redis, MongoDB warm",
    "mongodb": "not in Redis, MongoDB restarted (its own cache empty, the system's file cache not)",
}
HOT_LABELS = {"redis": "in Redis, not in the process", "l1": "in the process (L1)"}


@dataclass(frozen=True, slots=True)
class Side:
    """Percentiles of one side, in ms."""

    label: str
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Both sides and the ratio of each query's two latencies; ``ratio`` is ``None`` without a pair.

    Attributes:
        late: pairs that waited for a free thread for more than :data:`LATE_MS` when they were due.
    """

    pairs: int
    discarded: int
    late: int
    cold: Side
    hot: Side
    ratio: Interval | None
    log_hash: str

    @property
    def is_overloaded(self) -> bool:
        """Whether so many pairs were late that waiting, and not caching, decides about the figures."""
        return self.late > _LATE_SHARE * self.pairs


def overload_text(summary: Summary, rate: float) -> str:
    """Return what people should know of a run that was overloaded; nothing where it was not."""
    if not summary.is_overloaded:
        return ""
    return (
        f"{summary.late:,} of {summary.pairs:,} pairs waited for more than {LATE_MS:.0f} ms before they could begin: "
        f"this machine does not keep up with {rate:g} pairs a second, and the figures tell more about waiting than "
        "about caches. Choose a lower rate."
    )


def summarise(run: Run) -> Summary:
    """Return the figures of a run, as far as it has come."""
    cold, hot = [pair.cold_ms for pair in run.pairs], [pair.hot_ms for pair in run.pairs]
    ratios = [pair.cold_ms / max(pair.hot_ms, 0.001) for pair in run.pairs]
    return Summary(
        pairs=len(run.pairs),
        discarded=sum(run.discarded.values()),
        late=sum(pair.late_ms > LATE_MS for pair in run.pairs),
        cold=_side("cold", cold),
        hot=_side("hot", hot),
        ratio=_interval(run, ratios),
        log_hash=run.log_hash,
    )


def ratio_of(run: Run) -> list[float]:
    """Return the median ratio with its interval as they are stored; empty without a pair."""
    ratios = [pair.cold_ms / max(pair.hot_ms, 0.001) for pair in run.pairs]
    if not ratios:
        return []
    interval = median_interval(ratios, seed=run.plan.seed)
    return [interval.value, interval.low, interval.high]


def _interval(run: Run, ratios: Sequence[float]) -> Interval | None:
    if run.ratio:
        return Interval(*run.ratio)
    # While it runs, a page asks each second: fewer draws tell enough.
    return median_interval(ratios, seed=run.plan.seed, resamples=_RESAMPLES_LIVE) if ratios else None


def _side(label: str, values: Sequence[float]) -> Side:
    if not values:
        return Side(label, 0.0, 0.0, 0.0, 0.0)
    return Side(label, *(round(percentile(values, percent), 3) for percent in (50, 90, 95, 99)))
