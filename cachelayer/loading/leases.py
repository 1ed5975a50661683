"""Leases: who may load a key, and whether what was loaded may still be stored.

A loader holds a token in Redis. Storing compares the token in the same script that sets the value, and an
invalidation takes the token away: a value that was loaded before an invalidation can never be stored after it.
The lease of a loader that died expires by itself. (The scheme is that of the leases in Nishtala et al.,
"Scaling Memcache at Facebook", NSDI 2013.)
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced, value_key

_STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_READ_OR_ACQUIRE = """
local value = redis.call('GET', KEYS[1])
if value then
  return {value, 0}
end
return {false, redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0}
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""


@dataclass(slots=True)
class LeaseCounts:
    """What became of this process's wishes to load.

    Attributes:
        granted: leases received.
        refused: leases that others held.
        stored: values stored under a lease.
        outdated: values that were not stored, because an invalidation had taken the lease, or its time was over.
    """

    granted: int = 0
    refused: int = 0
    stored: int = 0
    outdated: int = 0


counts = LeaseCounts()
_MOST_GIVEN = 1_000
_given: dict[str, str] = {}
"""Tokens by key under which no thread of this process has begun to load."""


def _count(granted: object) -> None:
    # Threads may lose a count to each other; that costs less than a lock on the way of every load.
    if granted:
        counts.granted += 1
    else:
        counts.refused += 1


def lease_key(key: str) -> str:
    """Return the key of the lease on ``key``, as stored: in the hash slot of ``key`` itself in a Redis Cluster."""
    return namespaced(f"lease:{{{value_key(key)}}}")


def acquire(key: str, *, seconds: float) -> str | None:
    """Return a token if nobody else is loading ``key``, else ``None``; raise ``RedisUnavailable``."""
    token = secrets.token_hex(8)
    granted = door.run(lambda client: client.set(lease_key(key), token, nx=True, px=int(seconds * 1000)), name="lease")
    _count(granted)
    return token if granted else None


def read_or_acquire(key: str, *, seconds: float) -> bytes | None:
    """Return the stored value; where there is none, ask for the lease in the same round trip.

    The lease is for this process, whichever of its threads gets to load: :func:`take_given` returns it.
    """
    token = secrets.token_hex(8)
    names, arguments = [value_key(key), lease_key(key)], [token, int(seconds * 1000)]
    value, granted = door.run(lambda client: _eval(client, _READ_OR_ACQUIRE, names, arguments))
    if value is None:
        _count(granted)
    if granted:
        if len(_given) >= _MOST_GIVEN:
            _given.clear()  # Their threads have died; the leases expire by themselves.
        _given[key] = token
    found: bytes | None = value
    return found


def take_given(key: str) -> str | None:
    """Return the token that this process was given for ``key`` and has not used yet."""
    return _given.pop(key, None)


def acquire_and_read(key: str, *, seconds: float) -> tuple[str | None, bytes | None]:
    """Ask for the lease and for the stored value in one round trip; return the token, if granted, and the value."""
    token = secrets.token_hex(8)

    def ask(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        pipeline.set(lease_key(key), token, nx=True, px=int(seconds * 1000))
        pipeline.get(value_key(key))
        answers: list[Any] = pipeline.execute()
        return answers

    granted, value = door.run(ask, name="lease")
    _count(granted)
    return (token if granted else None), value


def acquire_and_read_many(keys: Sequence[str], *, seconds: float) -> dict[str, tuple[str | None, bytes | None]]:
    """Do the same for several keys in one round trip; return token and value by key."""
    tokens = {key: secrets.token_hex(8) for key in keys}

    def ask(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for key, token in tokens.items():
            pipeline.set(lease_key(key), token, nx=True, px=int(seconds * 1000))
            pipeline.get(value_key(key))
        answers: list[Any] = pipeline.execute()
        return answers

    answers = door.run(ask, name="lease")
    for granted in answers[::2]:
        _count(granted)
    asked = zip(tokens.items(), answers[::2], answers[1::2], strict=True)
    return {key: (token if granted else None, value) for (key, token), granted, value in asked}


def store(key: str, token: str, value: bytes, *, ttl_ms: int) -> bool:
    """Store ``value`` if ``token`` still holds, and give the lease back; tell whether it was stored."""
    stored = door.run(lambda client: _eval(client, _STORE, [value_key(key), lease_key(key)], [token, value, ttl_ms]))
    if stored:
        counts.stored += 1
    else:
        counts.outdated += 1
    return bool(stored)


def release(key: str, token: str) -> None:
    """Give a lease back without storing anything; where Redis is away it expires by itself."""
    try:
        door.run(lambda client: _eval(client, _RELEASE, [lease_key(key)], [token]), name="lease")
    except RedisUnavailable:
        return


def _eval(client: Any, script: str, keys: list[str], arguments: list[Any]) -> Any:
    return client.eval(script, len(keys), *keys, *arguments)
