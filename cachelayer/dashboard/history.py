"""The access log: kept requests by filter, a page at a time, and as CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from time import time
from urllib.parse import urlencode

from cachelayer.dashboard.overview import RequestRow, request_row
from cachelayer.outcomes import Outcome
from cachelayer.server.door import RedisUnavailable
from cachelayer.telemetry import LOG_LENGTH, Sample, read_window, recorder, store
from cachelayer.web.presentation import format_ms, source_label

PAGE_ROWS = 50
_CHUNK = 500
_ID = re.compile(r"\d{1,20}(-\d{1,20})?\Z")
_CSV_HEAD = (
    *("id", "at", "route", "method", "path", "status", "elapsed_ms", "outcome", "source", "key"),
    *("saved_ms", "generated", "spans"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OUTCOMES = tuple(outcome.value for outcome in Outcome)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which requests are wanted; empty and ``None`` mean any.

    Attributes:
        slower_ms: only those that took at least as long.
        faster_ms: only those that took less.
        start: seconds since the epoch from which on they ended, ``end`` until when.
        before: the id to begin below.
    """

    route: str = ""
    source: str = ""
    outcome: str = ""
    slower_ms: float | None = None
    faster_ms: float | None = None
    start: float | None = None
    end: float | None = None
    before: str = ""

    def matches(self, sample: Sample) -> bool:
        """Tell whether a request is wanted."""
        return (
            (not self.route or sample.route == self.route)
            and (not self.source or (sample.source or "none") == self.source)
            and (not self.outcome or sample.outcome == self.outcome)
            and (self.slower_ms is None or sample.elapsed_ms >= self.slower_ms)
            and (self.faster_ms is None or sample.elapsed_ms < self.faster_ms)
            and (self.start is None or sample.at >= self.start)
            and (self.end is None or sample.at < self.end)
        )

    def query(self) -> str:
        """Return them as the query of an address."""
        named = {
            "route": self.route,
            "source": self.source,
            "outcome": self.outcome,
            "min": "" if self.slower_ms is None else f"{self.slower_ms:g}",
            "max": "" if self.faster_ms is None else f"{self.faster_ms:g}",
            "from": "" if self.start is None else f"{self.start:.0f}",
            "to": "" if self.end is None else f"{self.end:.0f}",
            "before": self.before,
        }
        return urlencode({name: value for name, value in named.items() if value})


def parse_filters(given: Mapping[str, str]) -> Filters:
    """Read filters from an address; what makes no sense is no filter."""
    before = given.get("before", "")
    return Filters(
        route=given.get("route", "")[:100],
        source=given.get("source", "")[:40],
        outcome=given.get("outcome", "") if given.get("outcome") in _OUTCOMES else "",
        slower_ms=_number(given.get("min", "")),
        faster_ms=_number(given.get("max", "")),
        start=_number(given.get("from", "")),
        end=_number(given.get("to", "")),
        before=before if _ID.fullmatch(before) else "",
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e13 else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a filter."""

    value: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True)
class History:
    """A page of the log.

    Attributes:
        between: the chosen time and latency in words, as a cell of the heatmap gives them; or empty.
        older: query of the next page; empty on the last.
        covers_all: false while Redis is away, when the log cannot be read.
        kept: how many requests the log holds.
    """

    rows: tuple[RequestRow, ...]
    routes: tuple[Choice, ...]
    sources: tuple[Choice, ...]
    outcomes: tuple[Choice, ...]
    slower_ms: str
    between: str
    filters: str
    older: str
    covers_all: bool
    kept: int
    limit: int = LOG_LENGTH


def read_history(filters: Filters) -> History:
    """Return a page of the requests that match."""
    covers_all, kept = True, 0
    try:
        found = _first(matching(filters, store_reader), PAGE_ROWS + 1)
        kept = store.log_length()
    except RedisUnavailable:
        covers_all = False
        found = [sample for sample in recorder.recent_of_this_process(_CHUNK) if filters.matches(sample)][:PAGE_ROWS]
    shown = found[:PAGE_ROWS]
    now = time()
    series = read_window("24h").series
    older = replace(filters, before=shown[-1].id).query() if len(found) > PAGE_ROWS else ""
    return History(
        rows=tuple(request_row(sample, now) for sample in shown),
        routes=_choices({route: route for route, _ in series}, filters.route),
        sources=_choices({s or "none": source_label(s) if s else "No cached read" for _, s in series}, filters.source),
        outcomes=_choices({value: value.replace("_", " ") for value in _OUTCOMES}, filters.outcome),
        slower_ms="" if filters.slower_ms is None else f"{filters.slower_ms:g}",
        between=_between(filters),
        filters=replace(filters, before="").query(),
        older=older,
        covers_all=covers_all,
        kept=kept,
    )


Reader = Callable[[str, str, int], list[Sample]]


def store_reader(before: str, after: str, limit: int) -> list[Sample]:
    """Read a portion of the log from Redis."""
    return store.read_log(before=before, after=after, limit=limit)


def matching(filters: Filters, read: Reader) -> Iterator[Sample]:
    """Yield the requests of the log that match, newest first, reading a portion at a time."""
    # An id tells when a request was written, which is at most some seconds after it ended.
    before = f"({filters.before}" if filters.before else "+"
    after = "-"
    if filters.end is not None and not filters.before:
        before = f"{int((filters.end + 10) * 1000)}"
    if filters.start is not None:
        after = f"{int(max(filters.start - 1, 0) * 1000)}"
    while True:
        portion = read(before, after, _CHUNK)
        yield from (sample for sample in portion if filters.matches(sample))
        if len(portion) < _CHUNK:
            return
        before = f"({portion[-1].id}"


def as_csv(filters: Filters) -> Iterator[str]:
    """Yield the log's matching requests as lines of CSV; text that a spreadsheet would execute is quoted."""
    yield _csv_line(_CSV_HEAD)
    for sample in matching(replace(filters, before=""), store_reader):
        spans = " ".join(f"{name}={ms:g}" for name, ms in sample.spans.items())
        yield _csv_line(
            (
                *(sample.id, f"{sample.at:.3f}", sample.route, sample.method, sample.path, str(sample.status)),
                *(f"{sample.elapsed_ms:.3f}", sample.outcome, sample.source, sample.key),
                *(f"{sample.saved_ms:.3f}", str(sample.generated).lower(), spans),
            )
        )


def _csv_line(values: tuple[str, ...]) -> str:
    sink = StringIO()
    csv.writer(sink).writerow([f"'{value}" if value.startswith(_FORMULA) else value for value in values])
    return sink.getvalue()


def _first(samples: Iterator[Sample], limit: int) -> list[Sample]:
    return [sample for sample, _ in zip(samples, range(limit), strict=False)]


def _choices(known: Mapping[str, str], chosen: str) -> tuple[Choice, ...]:
    values = dict(sorted(known.items()))
    if chosen and chosen not in values:
        values[chosen] = chosen
    return tuple(Choice(value, label, value == chosen) for value, label in values.items())


def _between(filters: Filters) -> str:
    parts = []
    if filters.faster_ms is not None:
        parts.append(f"{format_ms(filters.slower_ms or 0)} to {format_ms(filters.faster_ms)}")
    if filters.start is not None and filters.end is not None:
        parts.append(f"{clock(filters.start)} to {clock(filters.end)} UTC")
    return ", ".join(parts)


def clock(moment: float) -> str:
    """Return a time of day in UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S}"
