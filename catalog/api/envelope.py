"""The envelope around every answer of the API: where it came from and how long it took."""

from __future__ import annotations

from typing import Any

import orjson

from cachelayer.engine import Cached
from cachelayer.trace import current_trace


def time_fields(elapsed_ms: float) -> dict[str, Any]:
    """Return the two forms of the time: for people, and in milliseconds."""
    return {"time": f"{elapsed_ms:.1f}ms", "time_ms": round(elapsed_ms, 3)}


def elapsed_ms() -> float:
    """Return the milliseconds since the request came in; 0 outside of a traced request."""
    trace = current_trace()
    return trace.elapsed_ms() if trace is not None else 0.0


def envelope(*, source: str, cached: bool, count: int, data: Any, **more: Any) -> dict[str, Any]:
    """Build the envelope; ``more`` goes between ``count`` and ``data``."""
    return {"source": source, **time_fields(elapsed_ms()), "cached": cached, "count": count, **more, "data": data}


def spliced(answer: Cached, *, is_object: bool) -> bytes:
    """Return the whole answer as JSON without decoding the value: what :func:`single` or :func:`listing` would give.

    Args:
        answer: a cached value.
        is_object: whether it goes under ``data`` as one object, or brings its own ``count`` and ``data``.
    """
    head = orjson.dumps({"source": answer.source, **time_fields(elapsed_ms()), "cached": answer.outcome.is_hit})[:-1]
    if is_object:
        return b"".join((head, b',"count":1,"data":', answer.payload, b"}"))
    return b"".join((head, b",", memoryview(answer.payload)[1:]))


def single(answer: Cached) -> dict[str, Any]:
    """Wrap one cached object, without decoding it."""
    return envelope(source=answer.source, cached=answer.outcome.is_hit, count=1, data=orjson.Fragment(answer.payload))


def listing(answer: Cached) -> dict[str, Any]:
    """Wrap a cached object that has ``count``, ``data`` and perhaps more, such as a page of results."""
    return envelope(source=answer.source, cached=answer.outcome.is_hit, **answer.value)
