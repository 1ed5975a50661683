"""Requests that have just ended, for tests of the telemetry."""

from __future__ import annotations

from time import time

from cachelayer.outcomes import Outcome
from cachelayer.telemetry import Finished
from cachelayer.trace import Lookup, Span, Trace


def finished(
    elapsed_ms: float = 1.0,
    *,
    at: float | None = None,
    route: str = "catalog:search",
    path: str = "/search?q=mouse",
    status: int = 200,
    outcome: str = "redis_hit",
    source: str = "REDIS_CACHE",
    key: str = "search:mouse",
    load_ms: float = 0.0,
    documents: int = 0,
    spans: tuple[Span, ...] = (),
) -> Finished:
    """Return a request; without ``outcome`` one that read nothing through the cache."""
    trace = Trace(spans=[*spans])
    if outcome:
        trace.lookups.append(Lookup(key, Outcome(outcome), source, 1.0, load_ms, documents=documents))
    return Finished(time() if at is None else at, trace, route, "GET", path, status, elapsed_ms)
