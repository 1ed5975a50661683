"""The one door to Redis: every command passes :func:`run`, which bounds the wait and keeps failures inside.

Connections come from django-redis, so that the cache configuration of Django is the only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import redis
from django.core.cache import caches
from django_redis import get_redis_connection

from cachelayer.breaker import CircuitBreaker
from cachelayer.trace import current_trace

T = TypeVar("T")

breaker = CircuitBreaker()


class RedisUnavailable(Exception):
    """Redis did not answer in time or refused the command; callers go on without it."""


def namespaced(key: str) -> str:
    """Return ``key`` under the project's prefix and schema version, as it is stored in Redis."""
    return str(caches["default"].make_key(key))


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
            result = operation(get_redis_connection("default"))
        else:
            with trace.span(name):
                result = operation(get_redis_connection("default"))
    except (redis.ConnectionError, redis.TimeoutError) as error:
        breaker.record_failure(_reason(error))
        if trace is not None:
            trace.redis_failed = True
        raise RedisUnavailable(_reason(error)) from error
    except redis.RedisError as error:
        # The server is there but refuses (out of memory, read-only, loading): this call fails, the circuit stays.
        raise RedisUnavailable(_reason(error)) from error
    breaker.record_success()
    return result


def _reason(error: redis.RedisError) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def ping() -> None:
    """Ask for a sign of life whatever the circuit says; raise :class:`RedisUnavailable` without one."""
    try:
        get_redis_connection("default").ping()
    except redis.RedisError as error:
        breaker.record_failure(_reason(error))
        raise RedisUnavailable(_reason(error)) from error
    breaker.record_success()
