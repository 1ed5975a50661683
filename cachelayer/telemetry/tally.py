"""Counting finished requests: by second for the dashboard, and since the start of the process for Prometheus.

Both are bounded: seconds that are too old to be shown are dropped, and so are series beyond a number that the
project's routes and sources do not reach.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from time import time
from typing import Any

from cachelayer.telemetry.histogram import bucket_of
from cachelayer.telemetry.samples import Finished, is_hit, speaking_read

MAX_SERIES = 64
OTHER = "other|"
SECONDS_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of Prometheus's histogram, in seconds."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Slots of time of one length, kept for a while; times in seconds."""

    seconds: int
    keep_seconds: int


RESOLUTIONS = (
    Resolution(1, 120),
    Resolution(15, 20 * 60),
    Resolution(60, 65 * 60),
    Resolution(900, 25 * 3600),
)
Slot = tuple[int, int]
"""Length of a slot in seconds and its number: the slot of the time ``t`` is ``t // length``."""


@dataclass(slots=True)
class Tally:
    """What was counted and is not in Redis yet.

    Attributes:
        latencies: counts by slot, series and bucket. A series is ``route|source``.
        sums: amounts by slot and name; names are ``outcome|…``, ``hits|<kind>``, ``saved_us|<kind>`` and the like.
    """

    latencies: dict[tuple[Slot, str], dict[int, int]] = field(default_factory=dict)
    sums: dict[Slot, dict[str, int]] = field(default_factory=dict)
    _series: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.latencies)

    def add(self, batch: list[Finished], *, generated: bool = False) -> list[dict[str, int]]:
        """Count requests; return the amounts, which :class:`Totals` adds as well."""
        cells: dict[tuple[int, str, int], int] = defaultdict(int)
        sums: dict[int, dict[str, int]] = {}
        for finished in batch:
            second = int(finished.at)
            amounts = sums.get(second)
            if amounts is None:
                amounts = sums[second] = defaultdict(int)
            source = _add_amounts(amounts, finished)
            cells[second, self._known(f"{finished.route}|{source}"), bucket_of(finished.elapsed_ms)] += 1
            if generated or finished.generated:
                amounts["generated"] += 1
        for resolution in RESOLUTIONS:
            length = resolution.seconds
            for (second, series, bucket), count in cells.items():
                row = self.latencies.setdefault(((length, second // length), series), {})
                row[bucket] = row.get(bucket, 0) + count
            for second, amounts in sums.items():
                into = self.sums.setdefault((length, second // length), {})
                for name, amount in amounts.items():
                    into[name] = into.get(name, 0) + amount
        return list(sums.values())

    def _known(self, series: str) -> str:
        if series in self._series:
            return series
        if len(self._series) >= MAX_SERIES - 1:
            return OTHER
        self._series.add(series)
        return series

    def drop_old(self) -> None:
        """Forget what is too old to be shown, as when Redis stays away for long."""
        now = time()
        oldest = {each.seconds: (now - each.keep_seconds) // each.seconds for each in RESOLUTIONS}
        for key in [key for key in self.latencies if key[0][1] < oldest[key[0][0]]]:
            del self.latencies[key]
        for slot in [slot for slot in self.sums if slot[1] < oldest[slot[0]]]:
            del self.sums[slot]

    def clear(self) -> None:
        """Forget everything, because Redis has it."""
        self.latencies.clear()
        self.sums.clear()


def kind_of(key: str) -> str:
    """Return the kind of a cached value: what its key begins with."""
    return key.partition(":")[0]


def _add_amounts(amounts: dict[str, int], finished: Finished) -> str:
    """Count what is not a latency; return the request's source."""
    trace = finished.trace
    read = speaking_read(trace)
    if finished.status >= 500:
        amounts["errors"] += 1
    if read is not None:
        amounts[f"outcome|{read.outcome.value}"] += 1
    for lookup in trace.lookups:
        kind = kind_of(lookup.key)
        load_us = int(lookup.load_ms * 1000)
        if is_hit(lookup.outcome.value):
            amounts[f"hits|{kind}"] += 1
            amounts[f"saved_us|{kind}"] += load_us
        else:
            amounts[f"loads|{kind}"] += 1
            amounts[f"load_us|{kind}"] += load_us
            amounts[f"documents|{kind}"] += lookup.documents
    for span in trace.spans:
        if span.name == "mongodb":
            amounts["mongodb|commands"] += 1
            amounts["mongodb|us"] += int(span.self_ms * 1000)
            amounts["mongodb|documents"] += max(span.documents, 0)
    return read.source if read is not None else ""


@dataclass(slots=True)
class Totals:
    """Counters since the start of a process, for Prometheus.

    Attributes:
        requests: by route and status.
        buckets: for a route and a source, how many requests fell under each of :data:`SECONDS_BOUNDS`, and above.
        seconds: summed time by route and source.
        sums: outcomes, hits, loads and saved time by kind of value, MongoDB commands, and the like; see
            :class:`Tally`.
    """

    requests: dict[str, int] = field(default_factory=dict)
    buckets: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def add(self, batch: list[Finished], amounts: list[dict[str, int]]) -> None:
        """Count requests; ``amounts`` is what :meth:`Tally.add` returned for them."""
        for each in amounts:
            for name, amount in each.items():
                self.sums[name] = self.sums.get(name, 0) + amount
        for finished in batch:
            read = speaking_read(finished.trace)
            series = f"{finished.route}|{read.source if read else ''}"
            counted = f"{finished.route}|{finished.status}"
            self.requests[counted] = self.requests.get(counted, 0) + 1
            seconds = finished.elapsed_ms / 1000
            row = self.buckets.setdefault(series, [0] * (len(SECONDS_BOUNDS) + 1))
            row[bisect_left(SECONDS_BOUNDS, seconds)] += 1
            self.seconds[series] = self.seconds.get(series, 0.0) + seconds

    def merge(self, other: dict[str, Any]) -> None:
        """Add the counters of another process, as :func:`orjson.dumps` wrote them."""
        for name in ("requests", "seconds", "sums"):
            mine: dict[str, Any] = getattr(self, name)
            for label, value in other[name].items():
                mine[label] = mine.get(label, 0) + value
        for series, row in other["buckets"].items():
            into = self.buckets.setdefault(series, [0] * len(row))
            self.buckets[series] = [left + right for left, right in zip(into, row, strict=True)]
