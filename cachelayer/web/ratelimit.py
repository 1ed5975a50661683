"""A rate limit for each client, counted atomically in Redis, or in the process while Redis is away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from time import time
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage

from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced

_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return count
"""


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

    Windows are aligned to the clock, so that one atomic increment is all that a request costs.

    While Redis is away each worker counts for itself: a client may then pass up to once per worker and allowance,
    which is the price of neither refusing everybody nor letting everybody through.
    """
    if not rate:
        return None
    item = _item(rate)
    period = item.get_expiry()
    now = time()
    key = f"{scope}:{client}:{int(now // period)}"
    try:
        count = door.run(lambda client: _count(client, key, period), name="ratelimit")
    except RedisUnavailable:
        count = _of_this_process().incr(key, period)
    return Verdict(
        allowed=count <= item.amount,
        limit=item.amount,
        remaining=max(item.amount - count, 0),
        reset_seconds=max(ceil(period - now % period), 1),
    )


@lru_cache(maxsize=16)
def _item(rate: str) -> RateLimitItem:
    return parse(rate)


def _count(client: Any, key: str, period: int) -> int:
    # The client's own script rather than a storage of the library, which has another one for each way to run Redis.
    return int(client.eval(_COUNT, 1, namespaced(f"rate:{key}"), period))


@lru_cache(maxsize=1)
def _of_this_process() -> MemoryStorage:
    return MemoryStorage()
