"""What happened in a window of time: percentiles by route and source, the course of time, hits and saved work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from time import time

from cachelayer.server.door import RedisUnavailable
from cachelayer.telemetry import store
from cachelayer.telemetry.histogram import Histogram, number_of_counts, number_of_row
from cachelayer.telemetry.recorder import recorder
from cachelayer.telemetry.samples import Sample, is_hit
from cachelayer.telemetry.tally import Slot, Tally


@dataclass(frozen=True, slots=True)
class WindowSize:
    """A window of time as ``columns`` slots of ``seconds`` each."""

    name: str
    label: str
    seconds: int
    columns: int

    @property
    def length_seconds(self) -> int:
        """Return the length of the whole window."""
        return self.seconds * self.columns


WINDOWS = {
    each.name: each
    for each in (
        WindowSize("1m", "1 minute", 1, 60),
        WindowSize("15m", "15 minutes", 15, 60),
        WindowSize("1h", "1 hour", 60, 60),
        WindowSize("24h", "24 hours", 900, 96),
    )
}


class Window:
    """What was counted in a window.

    Attributes:
        started: its beginning, in seconds since the epoch; ``ended`` its end.
        all: latencies of all series.
        columns: the same slot by slot, oldest first.
        series: latencies by route and source.
        sums: amounts by name, see :class:`~cachelayer.telemetry.tally.Tally`; ``column_sums`` the same by slot.
        covers_all: whether all workers are in it, rather than this one alone.
    """

    def __init__(self, size: WindowSize, *, started: float, ended: float, covers_all: bool) -> None:
        self.size = size
        self.started = started
        self.ended = ended
        self.covers_all = covers_all
        self.columns: list[Histogram] = []
        self.all = Histogram.of_number(0)
        self.series: dict[tuple[str, str], Histogram] = {}
        self.sums: Mapping[str, int] = {}
        self.column_sums: list[dict[str, int]] = []

    @property
    def counted_seconds(self) -> float:
        """How long there has been something to count: from the first slot with a request until now."""
        first = next((place for place, column in enumerate(self.columns) if any(column.counts)), 0)
        return max(self.ended - self.started - first * self.size.seconds, 1.0)

    def outcomes(self) -> dict[str, int]:
        """Return the requests with cached reads by outcome."""
        return {name.partition("|")[2]: count for name, count in self.sums.items() if name.startswith("outcome|")}

    def amounts(self, group: str) -> dict[str, int]:
        """Return amounts of one group by kind of value, such as ``hits``."""
        return {name.partition("|")[2]: amount for name, amount in self.sums.items() if name.startswith(f"{group}|")}


def read_window(name: str, *, now: float | None = None) -> Window:
    """Return what was counted in the window of this name (of :data:`WINDOWS`) that ends now."""
    size = WINDOWS[name]
    moment = time() if now is None else now
    last = int(moment // size.seconds)
    slots = [(size.seconds, number) for number in range(last - size.columns + 1, last + 1)]
    started = float(slots[0][1] * size.seconds)
    try:
        series = store.read_series(started)
        rows, sums = store.read_slots(slots, series)
        numbers = [number_of_row(row) if row else 0 for row in rows]
        window = Window(size, started=started, ended=moment, covers_all=True)
    except RedisUnavailable:
        series, numbers, sums = _of_this_process(slots)
        window = Window(size, started=started, ended=moment, covers_all=False)
    width = len(series)
    window.columns = [
        Histogram.of_number(sum(numbers[place * width : (place + 1) * width])) for place in range(len(slots))
    ]
    for place, label in enumerate(series):
        total = sum(numbers[place::width])
        if total:
            route, _, source = label.partition("|")
            window.series[route, source] = Histogram.of_number(total)
    window.all = Histogram.of_number(sum(numbers))
    window.column_sums = sums
    window.sums = _added(sums)
    return window


def _of_this_process(slots: list[Slot]) -> tuple[list[str], list[int], list[dict[str, int]]]:
    rows: dict[tuple[Slot, str], dict[int, int]] = {}
    sums: list[dict[str, int]] = []

    def read(tally: Tally) -> None:
        wanted = set(slots)
        rows.update({key: dict(counts) for key, counts in tally.latencies.items() if key[0] in wanted})
        sums.extend(dict(tally.sums.get(slot, {})) for slot in slots)

    recorder.peek(read)
    series = sorted({label for _, label in rows})
    return series, [number_of_counts(rows.get((slot, label), {})) for slot in slots for label in series], sums


def _added(sums: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for row in sums:
        for name, amount in row.items():
            total[name] += amount
    return dict(total)


def recent_samples(limit: int) -> tuple[list[Sample], bool]:
    """Return the newest requests, newest first, and whether they cover all workers (false while Redis is away)."""
    try:
        # Workers write in turn, so that the log's order is not quite that of time.
        return sorted(store.read_log(limit=limit), key=lambda sample: -sample.at), True
    except RedisUnavailable:
        return recorder.recent_of_this_process(limit), False


def hit_ratio(outcomes: Mapping[str, int]) -> float | None:
    """Return the share of requests with cached reads that a cache answered; ``None`` of none."""
    total = sum(outcomes.values())
    return sum(count for outcome, count in outcomes.items() if is_hit(outcome)) / total if total else None
