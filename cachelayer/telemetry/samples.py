"""One request as it is kept, and how it is made of a finished trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import zstandard

from cachelayer.trace import Lookup, Span, Trace

_MAX_STEPS = 60
_MAX_READS = 30
_MAX_COMMAND_LENGTH = 2000
_MAX_COMMANDS_LENGTH = 4000
"""Of all commands of a request together; what does not fit is kept without its text."""
_COMPRESS_ABOVE = 1024
_MAX_DECOMPRESSED = 1024 * 1024
_JSON_BEGINS = b"{"
_PATH_LENGTH = 200
_READ_SAMPLES = 256
"""So many that were read are kept decoded, some five times what the first page of the dashboard shows."""


class Finished(NamedTuple):
    """A request that has just ended; all that the request's own thread takes down."""

    at: float
    trace: Trace
    route: str
    method: str
    path: str
    status: int
    elapsed_ms: float
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A span of a kept request; times in ms, ``documents`` is -1 where it is not known."""

    name: str
    start_ms: float
    duration_ms: float
    self_ms: float
    detail: str = ""
    documents: int = -1
    command: str = ""


@dataclass(frozen=True, slots=True)
class KeptRead:
    """A cached read of a kept request; expiries in milliseconds since the epoch, 0 where they are not known."""

    key: str
    outcome: str
    source: str
    age_seconds: float
    load_ms: float = 0.0
    soft_ms: int = 0
    hard_ms: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as it is kept.

    Attributes:
        at: when it ended, seconds since the epoch.
        route: the URL pattern's name, bounded in number, unlike paths.
        elapsed_ms: time from the first middleware to the finished response.
        outcome: the least favourable :class:`~cachelayer.outcomes.Outcome` of the request's cached reads, or empty.
        source: where that read's answer came from, or empty.
        key: the cache key of that read, or empty.
        spans: self time by step, in ms.
        steps: the spans in full, in order of their end.
        reads: every cached read.
        generated: whether a replay made the request, rather than a visitor.
        id: its place in the log; empty until it is read from there.
    """

    at: float
    route: str
    method: str
    path: str
    status: int
    elapsed_ms: float
    outcome: str
    source: str
    key: str
    spans: dict[str, float]
    steps: list[Step] = field(default_factory=list)
    reads: list[KeptRead] = field(default_factory=list)
    generated: bool = False
    id: str = ""

    @property
    def saved_ms(self) -> float:
        """What the caches spared this request, going by what loading the values had cost."""
        return sum(read.load_ms for read in self.reads if is_hit(read.outcome))


_HITS = frozenset({"l1_hit", "redis_hit", "negative_hit", "stale", "stale_on_error"})


def is_hit(outcome: str) -> bool:
    """Tell whether an outcome, given by its value, is an answer of a cache."""
    return outcome in _HITS


def speaking_read(trace: Trace) -> Lookup | None:
    """Return the read that best explains the request: of several, the least favourable."""
    lookups = trace.lookups
    if len(lookups) < 2:
        return lookups[0] if lookups else None
    outcome = trace.outcome
    return next((lookup for lookup in lookups if lookup.outcome is outcome), None)


def sample_of(finished: Finished, *, generated: bool = False) -> Sample:
    """Condense a finished request."""
    trace = finished.trace
    read = speaking_read(trace)
    return Sample(
        at=finished.at,
        route=finished.route,
        method=finished.method,
        path=finished.path[:_PATH_LENGTH],
        status=finished.status,
        elapsed_ms=round(finished.elapsed_ms, 3),
        outcome=read.outcome.value if read else "",
        source=read.source if read else "",
        key=read.key if read else "",
        spans={name: round(ms, 3) for name, ms in trace.self_ms_by_name().items()},
        steps=_steps(_shown(trace.spans)),
        reads=[_kept(lookup) for lookup in trace.lookups[:_MAX_READS]],
        generated=generated or finished.generated,
    )


@lru_cache(maxsize=_READ_SAMPLES)
def sample_of_json(raw: bytes, *, identifier: str) -> Sample:
    """Read what :func:`json_of_sample` wrote; whoever watches reads most of the newest requests again."""
    if not raw.startswith(_JSON_BEGINS):
        raw = zstandard.ZstdDecompressor().decompress(raw, max_output_size=_MAX_DECOMPRESSED)
    fields: dict[str, Any] = orjson.loads(raw)
    fields["steps"] = [Step(**step) for step in fields["steps"]]
    fields["reads"] = [KeptRead(**read) for read in fields["reads"]]
    return Sample(**{**fields, "id": identifier})


def json_of_sample(sample: Sample) -> bytes:
    """Return the stored form: JSON, and compressed where it is long, because many are kept."""
    text = orjson.dumps(sample)
    return text if len(text) <= _COMPRESS_ABOVE else zstandard.ZstdCompressor(level=1).compress(text)


def _shown(spans: Sequence[Span]) -> Sequence[Span]:
    # The last span is the one around all others; of too many, the first are as good as any.
    return spans if len(spans) <= _MAX_STEPS else [*spans[: _MAX_STEPS - 1], spans[-1]]


def _steps(spans: Sequence[Span]) -> list[Step]:
    room = _MAX_COMMANDS_LENGTH
    steps = []
    for span in spans:
        text = _command_text(span.command)
        if len(text) > min(room, _MAX_COMMAND_LENGTH):
            text = ""
        room -= len(text)
        steps.append(_step(span, text))
    return steps


def _step(span: Span, command: str) -> Step:
    return Step(
        span.name,
        round(span.start_ms, 3),
        round(span.duration_ms, 3),
        round(span.self_ms, 3),
        span.detail,
        span.documents,
        command,
    )


def _command_text(command: Callable[[], str] | None) -> str:
    try:
        return command() if command is not None else ""
    except (TypeError, ValueError):
        return ""  # A value that cannot be told as text makes no plan impossible but this one.


def _kept(lookup: Lookup) -> KeptRead:
    return KeptRead(
        lookup.key[:_PATH_LENGTH],
        lookup.outcome.value,
        lookup.source,
        round(lookup.age_seconds, 3),
        round(lookup.load_ms, 3),
        lookup.soft_ms,
        lookup.hard_ms,
        lookup.size,
    )
