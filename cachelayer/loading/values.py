"""Cached values as callers see them, and what state they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from time import time
from typing import Any

import orjson

from cachelayer.invalidation.announcements import EVERYTHING
from cachelayer.loading.envelope import Envelope, NotAnEnvelope
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy
from cachelayer.trace import span

SERVED_AFTER_WRITE_MS = 5_000
"""How long after a write of one of its tags an older value may be served while it is refreshed."""

_MEMORY_FACTOR = 6
_MEMORY_BYTES = 800


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded value with its tags.

    Attributes:
        value: what JSON can express.
        tags: what the value depends on; it turns stale when one of them is invalidated.
        fresh_seconds: how long it counts as fresh where that is shorter than the policy says, as for an answer that
            is not complete because time ran out; ``None`` leaves it to the policy.
    """

    value: Any
    tags: tuple[str, ...] = ()
    fresh_seconds: float | None = None


class Stored:
    """A value with its envelope; decoded at most once, whoever asks.

    The decoded value is shared between threads: treat it as read-only.
    """

    __slots__ = ("__dict__", "envelope")

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope

    @property
    def payload(self) -> bytes:
        return self.envelope.payload

    @property
    def memory(self) -> int:
        """What the value takes in this process, in bytes: its JSON, and the decoded objects beside it.

        Decoded, lists and objects take three to four and a half times their JSON, which stays; undecoded, it is less.
        """
        return _MEMORY_BYTES + _MEMORY_FACTOR * len(self.envelope.payload)

    @cached_property
    def value(self) -> Any:
        with span("decode"):
            return orjson.loads(self.envelope.payload)


@dataclass(frozen=True, slots=True)
class Cached:
    """The answer of a cached read.

    Attributes:
        outcome: how it was found.
        source: the ``source`` to tell the client.
        stored: the value, as JSON bytes (``payload``) and decoded (``value``).
    """

    outcome: Outcome
    source: str
    stored: Stored

    @property
    def value(self) -> Any:
        """The decoded value; read-only."""
        return self.stored.value

    @property
    def payload(self) -> bytes:
        """The value as JSON bytes."""
        return self.stored.payload

    @property
    def age_seconds(self) -> float:
        """Seconds since the value was loaded."""
        return max(time() - self.stored.envelope.created_ms / 1000, 0.0)


class State(Enum):
    FRESH = "fresh"
    STALE = "stale"
    SUPERSEDED = "superseded"
    """Everything was invalidated since: good for nothing but an answer when the loader fails."""
    DEAD = "dead"


def now_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return int(time() * 1000)


def state_of(envelope: Envelope, generations: Mapping[str, int]) -> State:
    """Tell what a value is good for, now and under the current generations of its tags."""
    moment = now_ms()
    if moment >= envelope.hard_ms:
        return State.DEAD
    stale = moment >= envelope.soft_ms
    for tag, generation in envelope.generations.items():
        current = generations.get(tag, 0)
        if current != generation:
            # A generation is the time of the write. Right after it, the value before is served once more while it is
            # refreshed; later that would surprise, because nobody asked for it in between.
            if tag == EVERYTHING or moment - current > SERVED_AFTER_WRITE_MS:
                return State.SUPERSEDED
            stale = True
    return State.STALE if stale else State.FRESH


def wrapped(loaded: Any, policy: Policy, generations: Mapping[str, int], *, load_ms: float) -> tuple[Stored, bool]:
    """Wrap what a loader returned; tell beside it whether it is small enough to be stored.

    Args:
        loaded: a value or a :class:`Loaded`.
        generations: those from before the loader ran.
        load_ms: what loading cost, in milliseconds.
    """
    result = loaded if isinstance(loaded, Loaded) else Loaded(loaded)
    payload = orjson.dumps(result.value)
    moment = now_ms()
    soft_ms, hard_ms = policy.expiries_ms(moment)
    if result.fresh_seconds is not None:
        soft_ms = min(soft_ms, moment + int(result.fresh_seconds * 1000))
    envelope = Envelope(
        payload=payload,
        created_ms=moment,
        soft_ms=soft_ms,
        hard_ms=hard_ms,
        load_ms=load_ms,
        generations={tag: generations.get(tag, 0) for tag in (EVERYTHING, *result.tags)},
    )
    return Stored(envelope), len(payload) <= policy.max_bytes


@dataclass(slots=True)
class Counter:
    """A number that only grows."""

    count: int = 0


undecodable = Counter()
"""Stored values, read by this process, that were of another version or key, truncated, or not ours."""


def unwrapped(raw: bytes | None, key: str) -> Stored | None:
    """Return the value that Redis held under ``key``, or ``None`` where it held none that can be read."""
    if raw is None:
        return None
    try:
        return Stored(Envelope.decode(raw, key))
    except NotAnEnvelope:
        undecodable.count += 1
        return None
