"""What happened in a window of time: percentiles by route and source, the course of time, hits and saved work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
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


@dataclass(frozen=True, slots=True)
class _Column:
    """What one slot holds: latencies by series, as numbers that can be added up, and sums by name."""

    numbers: Mapping[str, int]
    sums: Mapping[str, int]
    histogram: Histogram


_SETTLED_SECONDS = 5.0
"""A slot that ended so long ago changes no more, unless a worker tells late what it counted while Redis was away."""
_REREAD_SECONDS = 20
_settled: dict[tuple[bytes | None, Slot], tuple[float, _Column]] = {}
_MOST_SETTLED = 2 * sum(size.columns for size in WINDOWS.values())


def forget() -> None:
    """Read every slot anew."""
    _settled.clear()


def read_window(name: str, *, now: float | None = None) -> Window:
    """Return what was counted in the window of this name (of :data:`WINDOWS`) that ends now.

    Slots that are long over are read again after some :data:`_REREAD_SECONDS` only.
    """
    size = WINDOWS[name]
    moment = time() if now is None else now
    last = int(moment // size.seconds)
    slots = [(size.seconds, number) for number in range(last - size.columns + 1, last + 1)]
    started = float(slots[0][1] * size.seconds)
    try:
        columns, covers_all = _read_columns(slots, moment), True
    except RedisUnavailable:
        columns, covers_all = _columns_of_this_process(slots), False
    window = Window(size, started=started, ended=moment, covers_all=covers_all)
    window.columns = [column.histogram for column in columns]
    numbers: dict[str, int] = defaultdict(int)
    for column in columns:
        for label, number in column.numbers.items():
            numbers[label] += number
    for label, number in numbers.items():
        route, _, source = label.partition("|")
        window.series[route, source] = Histogram.of_number(number)
    window.all = Histogram.of_number(sum(numbers.values()))
    window.column_sums = [dict(column.sums) for column in columns]
    window.sums = _added(window.column_sums)
    return window


def _read_columns(slots: list[Slot], moment: float) -> list[_Column]:
    labels, epoch = store.read_series(float(slots[0][0] * slots[0][1]))
    kept = ((slot, _settled.get((epoch, slot), (0.0, None))) for slot in slots)
    known = {slot: column for slot, (until, column) in kept if column is not None and until > moment}
    missing = [slot for slot in slots if slot not in known]
    rows, sums = store.read_slots(missing, labels)
    width = len(labels)
    for place, slot in enumerate(missing):
        found = zip(labels, rows[place * width : (place + 1) * width], strict=True)
        known[slot] = column = _column({label: number_of_row(row) for label, row in found if row}, sums[place])
        if moment - slot[0] * (slot[1] + 1) > _SETTLED_SECONDS:
            # Not all at one time: each reading takes a few of them up again.
            _settled[epoch, slot] = (moment + _REREAD_SECONDS + slot[1] % _REREAD_SECONDS, column)
    if len(_settled) > _MOST_SETTLED:
        for key in [key for key, (until, _) in list(_settled.items()) if until <= moment]:
            _settled.pop(key, None)
    return [known[slot] for slot in slots]


def _column(numbers: dict[str, int], sums: Mapping[str, int]) -> _Column:
    return _Column(numbers, sums, Histogram.of_number(sum(numbers.values())))


def _columns_of_this_process(slots: list[Slot]) -> list[_Column]:
    numbers: dict[Slot, dict[str, int]] = defaultdict(dict)
    sums: dict[Slot, dict[str, int]] = {}

    def read(tally: Tally) -> None:
        wanted = set(slots)
        for (slot, label), counts in tally.latencies.items():
            if slot in wanted:
                numbers[slot][label] = number_of_counts(counts)
        sums.update({slot: dict(tally.sums.get(slot, {})) for slot in slots})

    recorder.peek(read)
    return [_column(numbers[slot], sums[slot]) for slot in slots]


def _added(sums: Iterable[Mapping[str, int]]) -> dict[str, int]:
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
