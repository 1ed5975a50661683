"""Cache-aside reads: L1, then Redis, then the loader; and invalidation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter, time
from typing import Any

import orjson
from django.conf import settings

from cachelayer import redis as redis_door
from cachelayer.envelope import Envelope, NotAnEnvelope
from cachelayer.local import LocalCache
from cachelayer.outcomes import Outcome
from cachelayer.redis import RedisUnavailable, namespaced
from cachelayer.trace import Lookup, current_trace, span

L1_BYTES = 16 * 1024 * 1024


class Stored:
    """A value with its envelope; decoded at most once, whoever asks.

    The decoded value is shared between threads: treat it as read-only.
    """

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope

    @property
    def payload(self) -> bytes:
        return self.envelope.payload

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


_local: LocalCache[Stored] = LocalCache(L1_BYTES)


def get_or_load(key: str, *, ttl_seconds: int, loader: Callable[[], Any], origin: str = "MONGODB") -> Cached:
    """Return the value of ``key``, loading and storing it when no cache holds it.

    Args:
        key: the key without prefix, such as ``product:507f1f77bcf86cd799439011``.
        ttl_seconds: how long the value may be served from Redis.
        loader: returns a value that JSON can express; ``None`` is a value like any other.
        origin: the ``source`` to tell when the loader had to be asked.

    Raises:
        Exception: whatever the loader raises; nothing is stored then.
    """
    stored = _local.get(key)
    if stored is not None:
        return _answer(key, Outcome.L1_HIT, origin, stored)
    try:
        stored = _read(key)
        outcome = Outcome.REDIS_HIT if stored is not None else Outcome.MISS
    except RedisUnavailable:
        outcome = Outcome.BYPASS
    if stored is None:
        stored = _load(loader, ttl_seconds)
        if outcome is Outcome.MISS:
            _store(key, stored, ttl_seconds)
    _keep_locally(key, stored)
    return _answer(key, outcome, origin, stored)


def peek_local(key: str) -> Cached | None:
    """Return the value if this process holds it in L1; asks nobody else."""
    stored = _local.get(key)
    return None if stored is None else _answer(key, Outcome.L1_HIT, "", stored)


def invalidate(*keys: str) -> None:
    """Forget values in this process and in Redis."""
    for key in keys:
        _local.discard(key)
    try:
        redis_door.run(lambda client: client.unlink(*(namespaced(key) for key in keys)))
    except RedisUnavailable:
        # Other processes may serve the old value until its TTL ends: the documented bound of this fault.
        return


def clear_local() -> None:
    """Forget what this process holds in L1."""
    _local.clear()


def _read(key: str) -> Stored | None:
    raw = redis_door.run(lambda client: client.get(namespaced(key)))
    if raw is None:
        return None
    try:
        envelope = Envelope.decode(raw)
    except NotAnEnvelope:
        return None
    return Stored(envelope) if envelope.expires_ms > time() * 1000 else None


def _load(loader: Callable[[], Any], ttl_seconds: int) -> Stored:
    started = perf_counter()
    with span("load"):
        payload = orjson.dumps(loader())
    now_ms = int(time() * 1000)
    return Stored(
        Envelope(
            payload=payload,
            created_ms=now_ms,
            expires_ms=now_ms + ttl_seconds * 1000,
            load_ms=(perf_counter() - started) * 1000,
        )
    )


def _store(key: str, stored: Stored, ttl_seconds: int) -> None:
    encoded = stored.envelope.encode()
    try:
        redis_door.run(lambda client: client.set(namespaced(key), encoded, ex=ttl_seconds))
    except RedisUnavailable:
        return  # The answer is right all the same; the next reader loads again.


def _keep_locally(key: str, stored: Stored) -> None:
    left_seconds = stored.envelope.expires_ms / 1000 - time()
    ttl_seconds = min(float(settings.CACHE_L1_SECONDS), left_seconds)
    if ttl_seconds > 0:
        _local.put(key, stored, size=len(stored.payload), ttl_seconds=ttl_seconds)


def _answer(key: str, outcome: Outcome, origin: str, stored: Stored) -> Cached:
    answer = Cached(outcome=outcome, source=outcome.source(origin), stored=stored)
    trace = current_trace()
    if trace is not None:
        trace.lookups.append(Lookup(key=key, outcome=outcome, source=answer.source, age_seconds=answer.age_seconds))
    return answer
