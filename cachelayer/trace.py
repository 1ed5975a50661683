"""One trace for each request: where its milliseconds went, and how each cached read was answered.

The middleware opens the trace, every layer adds spans, and the response carries it out as ``Server-Timing``.
A span's ``self_ms`` excludes the spans inside it, so that the spans of a request add up to its time instead of
counting a nested step twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter

from cachelayer.outcomes import Outcome, least_favourable


@dataclass(slots=True)
class Span:
    """A named step: its start since the request's start, its duration, and the part not spent in inner spans (ms)."""

    name: str
    start_ms: float
    duration_ms: float = 0.0
    self_ms: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One cached read."""

    key: str
    outcome: Outcome
    source: str
    age_seconds: float


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
        return least_favourable([lookup.outcome for lookup in self.lookups])

    @contextmanager
    def span(self, name: str, detail: str = "") -> Iterator[Span]:
        """Time a step."""
        span = Span(name, start_ms=self.elapsed_ms(), detail=detail)
        self._inner_ms.append(0.0)
        try:
            yield span
        finally:
            self._close(span, self.elapsed_ms() - span.start_ms, self._inner_ms.pop())

    def add_finished(self, name: str, duration_ms: float, detail: str = "") -> None:
        """Add a step that someone else timed and that ended just now, such as a database command."""
        self._close(Span(name, start_ms=self.elapsed_ms() - duration_ms, detail=detail), duration_ms, 0.0)

    def _close(self, span: Span, duration_ms: float, inner_ms: float) -> None:
        span.duration_ms = duration_ms
        span.self_ms = max(duration_ms - inner_ms, 0.0)
        self._inner_ms[-1] += duration_ms
        self.spans.append(span)

    def self_ms_by_name(self) -> dict[str, float]:
        """Return the summed ``self_ms`` of the spans, by name, in the order in which the names first ended."""
        totals: dict[str, float] = {}
        for span in self.spans:
            totals[span.name] = totals.get(span.name, 0.0) + span.self_ms
        return totals

    def server_timing(self) -> str:
        """Return the value of the ``Server-Timing`` header (durations in ms)."""
        parts = [f"{name};dur={total:.2f}" for name, total in self.self_ms_by_name().items()]
        return ", ".join([*parts, f"total;dur={self.elapsed_ms():.2f}"])


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


@contextmanager
def span(name: str, detail: str = "") -> Iterator[None]:
    """Time a step of the running request; does nothing outside of one."""
    trace = _current.get()
    if trace is None:
        yield
        return
    with trace.span(name, detail):
        yield
