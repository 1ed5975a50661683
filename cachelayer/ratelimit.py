"""A rate limit for each client, counted atomically in Redis, or in the process while Redis is away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from time import time
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter

from cachelayer import redis as redis_door
from cachelayer.redis import RedisUnavailable, namespaced


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass.

    Attributes:
        limit: requests allowed in a window.
        remaining: requests left in this window.
        reset_seconds: seconds until the window starts anew.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the response headers that tell the client where it stands."""
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }
        if not self.allowed:
            headers["Retry-After"] = str(self.reset_seconds)
        return headers


def check(rate: str, *, scope: str, client: str) -> Verdict | None:
    """Count one request of ``client`` and tell whether it may pass; ``None`` where ``rate`` is empty, the limit off.

    While Redis is away each worker counts for itself: a client may then pass up to once per worker and allowance,
    which is the price of neither refusing everybody nor letting everybody through.
    """
    if not rate:
        return None
    item = _item(rate)
    identifiers = (scope, client)
    try:
        return redis_door.run(
            lambda client: _hit(_shared_through(client.connection_pool), item, identifiers), name="ratelimit"
        )
    except RedisUnavailable:
        return _hit(_of_this_process(), item, identifiers)


def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, identifiers: tuple[str, str]) -> Verdict:
    allowed = limiter.hit(item, *identifiers)
    window = limiter.get_window_stats(item, *identifiers)
    return Verdict(
        allowed=allowed,
        limit=item.amount,
        remaining=max(window.remaining, 0),
        reset_seconds=max(int(window.reset_time - time()) + 1, 1),
    )


@lru_cache(maxsize=16)
def _item(rate: str) -> RateLimitItem:
    return parse(rate)


@lru_cache(maxsize=4)
def _shared_through(pool: Any) -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix=namespaced("rate")))


@lru_cache(maxsize=1)
def _of_this_process() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())
