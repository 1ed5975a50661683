"""The one door to Redis: every command passes :func:`run`, which bounds the wait and keeps failures inside.

Connections come from django-redis, so that the cache configuration of Django is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.core.cache import caches
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted

from cachelayer.server.breaker import CircuitBreaker
from cachelayer.server.connections import AWAY
from cachelayer.trace import current_trace

T = TypeVar("T")

breaker = CircuitBreaker()
_READ_ONLY = "READONLY"
_NEEDS_ESCAPE = frozenset("{}%")


class RedisUnavailable(Exception):
    """Redis did not answer in time or refused the command; callers go on without it.

    Attributes:
        is_away: whether no server answered, so that asking again in the same request would only cost another wait.
    """

    def __init__(self, reason: str, *, is_away: bool = False) -> None:
        super().__init__(reason)
        self.is_away = is_away


def namespaced(key: str) -> str:
    """Return ``key`` under the project's prefix and schema version, as it is stored in Redis."""
    return str(caches["default"].make_key(key))


def value_key(key: str) -> str:
    """Return ``key`` as the value's key is stored.

    Braces would choose the hash slot in a Redis Cluster, and a key may hold what a visitor has typed; so they are
    escaped, and the percent sign that does it.
    """
    if not _NEEDS_ESCAPE.isdisjoint(key):
        key = key.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    return namespaced(key)


def client() -> Any:
    """Return redis-py's client of Django's default cache; raise ``redis.RedisError`` where none can be made."""
    try:
        return get_redis_connection("default")
    except ConnectionInterrupted as error:
        raise redis.ConnectionError(str(error.__cause__ or error)) from error


def run(operation: Callable[[Any], T], *, name: str = "redis") -> T:
    """Run commands on Redis as one timed step.

    Args:
        operation: receives the client and sends one command, one pipeline or one script.
        name: the span under which the time is shown.

    Raises:
        RedisUnavailable: Redis is down, hung, refuses the command, or has failed before in this request.
    """
    trace = current_trace()
    if trace is not None and trace.redis_failed:
        raise RedisUnavailable("Redis has already failed in this request")
    if not breaker.allows():
        raise RedisUnavailable(breaker.reason)
    try:
        if trace is None:
            result = operation(client())
        else:
            with trace.span(name):
                result = operation(client())
    except AWAY as error:
        breaker.record_failure(_reason(error))
        if trace is not None:
            trace.redis_failed = True
        raise RedisUnavailable(_reason(error), is_away=True) from error
    except redis.RedisError as error:
        # The server is there but refuses (out of memory, read-only): this call fails, the circuit stays.
        if _READ_ONLY in str(error):
            _leave_former_master()
        raise RedisUnavailable(_reason(error)) from error
    breaker.record_success()
    return result


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _leave_former_master() -> None:
    # A script tells so in an error of its own, by which redis-py does not know that another is the master now.
    pool = getattr(client(), "connection_pool", None)
    if pool is not None:
        pool.disconnect(inuse_connections=False)


def ping() -> None:
    """Ask for a sign of life whatever the circuit says; raise :class:`RedisUnavailable` without one."""
    try:
        client().ping()
    except (redis.RedisError, *AWAY) as error:
        breaker.record_failure(_reason(error))
        raise RedisUnavailable(_reason(error)) from error
    breaker.record_success()
