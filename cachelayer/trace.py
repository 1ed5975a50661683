"""One trace for each request: where its milliseconds went, and how each cached read was answered.

The middleware opens the trace, every layer adds spans, and the response carries it out as ``Server-Timing``.
A span's ``self_ms`` excludes the spans inside it, so that the spans of a request add up to its time instead of
counting a nested step twice. What no span covers is closed as a span of its own, so nothing goes missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType

from cachelayer.outcomes import Outcome, least_favourable


@dataclass(slots=True)
class Span:
    """A named step: its start since the request's start, its duration, and the part not spent in inner spans (ms).

    Attributes:
        detail: what was done, in a word or two.
        documents: how many documents a database command returned; -1 where that is not known.
        command: gives a database command in full, for whoever wants to ask how it is executed.
    """

    name: str
    start_ms: float
    duration_ms: float = 0.0
    self_ms: float = 0.0
    detail: str = ""
    documents: int = -1
    command: Callable[[], str] | None = None


@dataclass(slots=True)
class Lookup:
    """One cached read.

    Attributes:
        load_ms: what loading the value cost when it was loaded: what a hit saves, in milliseconds.
        soft_ms: until when the value is fresh, in milliseconds since the epoch; 0 where that is not known.
        hard_ms: when it must no longer be served.
        size: bytes of its JSON.
        documents: how many documents a database returned while this request loaded the value.
    """

    key: str
    outcome: Outcome
    source: str
    age_seconds: float
    load_ms: float = 0.0
    soft_ms: int = 0
    hard_ms: int = 0
    size: int = 0
    documents: int = 0


class _Timing:
    """Times a step of a trace; a class of its own, because a generator would cost a request three times as much."""

    __slots__ = ("_span", "_trace")

    def __init__(self, trace: Trace, name: str, detail: str) -> None:
        self._trace = trace
        self._span = Span(name, 0.0, detail=detail)

    def __enter__(self) -> Span:
        trace, span = self._trace, self._span
        trace._inner_ms.append(0.0)
        span.start_ms = (perf_counter() - trace.started) * 1000
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        trace, span = self._trace, self._span
        duration_ms = (perf_counter() - trace.started) * 1000 - span.start_ms
        trace._close(span, duration_ms, trace._inner_ms.pop())


class _NoTiming:
    """Stands in for a timing outside of a request."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


_NO_TIMING = _NoTiming()


@dataclass(slots=True)
class Trace:
    """What is known of one request so far."""

    started: float = field(default_factory=perf_counter)
    spans: list[Span] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    redis_failed: bool = False
    """Redis failed once in this request, so it is not asked again: one timeout a request is the limit."""
    recorded: bool = True
    """Whether telemetry keeps this request; a page's pictures would crowd out the page itself."""
    _inner_ms: list[float] = field(default_factory=lambda: [0.0])

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the request came in."""
        return (perf_counter() - self.started) * 1000

    @property
    def outcome(self) -> Outcome | None:
        """The least favourable outcome of the request's cached reads."""
        lookups = self.lookups
        if len(lookups) == 1:
            return lookups[0].outcome
        return least_favourable([lookup.outcome for lookup in lookups])

    def span(self, name: str, detail: str = "") -> _Timing:
        """Time a step."""
        return _Timing(self, name, detail)

    def add_finished(
        self,
        name: str,
        duration_ms: float,
        detail: str = "",
        *,
        documents: int = -1,
        command: Callable[[], str] | None = None,
    ) -> None:
        """Add a step that someone else timed and that ended just now, such as a database command."""
        start_ms = self.elapsed_ms() - duration_ms
        span = Span(name, start_ms=start_ms, detail=detail, documents=documents, command=command)
        self._close(span, duration_ms, 0.0)

    def close_rest(self, name: str) -> float:
        """Add the time that no span covers as a span of this name; return the total in ms. To be called last."""
        total_ms = self.elapsed_ms()
        rest_ms = max(total_ms - self._inner_ms[0], 0.0)
        self.spans.append(Span(name, start_ms=0.0, duration_ms=total_ms, self_ms=rest_ms))
        self._inner_ms[0] = total_ms
        return total_ms

    def _close(self, span: Span, duration_ms: float, inner_ms: float) -> None:
        span.duration_ms = duration_ms
        span.self_ms = max(duration_ms - inner_ms, 0.0)
        self._inner_ms[-1] += duration_ms
        self.spans.append(span)

    def documents_since(self, place: int) -> int:
        """Return how many documents the database commands have returned after the first ``place`` spans."""
        return sum(max(span.documents, 0) for span in self.spans[place:])

    def self_ms_by_name(self) -> dict[str, float]:
        """Return the summed ``self_ms`` of the spans, by name, in the order in which the names first ended."""
        totals: dict[str, float] = {}
        for span in self.spans:
            totals[span.name] = totals.get(span.name, 0.0) + span.self_ms
        return totals

    def server_timing(self, total_ms: float | None = None) -> str:
        """Return the value of the ``Server-Timing`` header (durations in ms)."""
        parts = [f"{name};dur={total:.2f}" for name, total in self.self_ms_by_name().items()]
        return ", ".join([*parts, f"total;dur={self.elapsed_ms() if total_ms is None else total_ms:.2f}"])


_current: ContextVar[Trace | None] = ContextVar("speedscale_trace", default=None)


def current_trace() -> Trace | None:
    """Return the trace of the running request; ``None`` outside of one, as in a command."""
    return _current.get()


@contextmanager
def tracing() -> Iterator[Trace]:
    """Open a trace for the duration of the block."""
    trace = Trace()
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def span(name: str, detail: str = "") -> _Timing | _NoTiming:
    """Time a step of the running request, as a context manager; does nothing outside of one."""
    trace = _current.get()
    return _NO_TIMING if trace is None else _Timing(trace, name, detail)
