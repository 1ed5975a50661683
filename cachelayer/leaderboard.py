"""What is asked for most, lately: counters with exponential decay in one sorted set, updated by one script."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from time import time

from cachelayer.memory.local import LocalCache
from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced

# Scores grow with time instead of decaying: a vote now weighs 2^((now - epoch) / half-life), so that old votes fade
# in comparison and no job has to walk over the set. The exponent is kept small by an epoch stored beside the set:
# when it has moved far, all scores are scaled back once.
_VOTE = """
local board, epoch_key, mark, member = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local now, half_life, ttl, size = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('SET', mark, '1', 'NX', 'EX', tonumber(ARGV[6])) == false then
  return 0
end
local epoch = tonumber(redis.call('GET', epoch_key))
if not epoch then
  epoch = now
end
local age = (now - epoch) / half_life
if age > 32 then
  redis.call('ZUNIONSTORE', board, 1, board, 'WEIGHTS', tostring(2 ^ -age))
  epoch, age = now, 0
end
redis.call('SET', epoch_key, tostring(epoch), 'EX', ttl)
redis.call('ZINCRBY', board, tostring(2 ^ age), member)
redis.call('ZREMRANGEBYRANK', board, 0, -size - 1)
redis.call('EXPIRE', board, ttl)
return 1
"""


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A bounded ranking of strings.

    Attributes:
        key: the sorted set's key, without prefix.
        half_life_seconds: after this long without votes a member counts half.
        repeat_seconds: a voter's second vote for the same member within this time does not count.
        size: how many members are kept.
        ttl_seconds: how long the ranking outlives the last vote.
    """

    key: str
    half_life_seconds: int = 3600
    repeat_seconds: int = 600
    size: int = 1000
    ttl_seconds: int = 7 * 86_400

    def vote(self, member: str, *, voter: str) -> bool:
        """Count ``member`` once for ``voter``; false where the vote was a repetition or Redis is away."""
        digest = hashlib.blake2b(f"{voter}\0{member}".encode(), digest_size=12).hexdigest()
        if self._seen_lately(digest):
            return False
        board = namespaced(self.key)
        # Braces around the board's whole key put its companions into the board's hash slot of a Redis Cluster.
        keys = [board, self._epoch_key(), namespaced(f"{self.key}:voted:{{{board}}}:{digest}")]
        arguments = [member, repr(time()), self.half_life_seconds, self.ttl_seconds, self.size, self.repeat_seconds]
        try:
            counted = door.run(lambda client: client.eval(_VOTE, 3, *keys, *arguments), name="trending")
        except RedisUnavailable:
            return False
        return bool(counted)

    def top(self, limit: int) -> list[str] | None:
        """Return the members that lead, best first; ``None`` while Redis is away."""
        try:
            members = door.run(lambda client: client.zrevrange(namespaced(self.key), 0, limit - 1), name="trending")
        except RedisUnavailable:
            return None
        return [member.decode() for member in members]

    def clear(self) -> None:
        """Forget the ranking."""
        board = namespaced(self.key)
        forget_votes()
        door.run(lambda client: client.unlink(board, self._epoch_key()))

    def _epoch_key(self) -> str:
        return namespaced(f"{self.key}:epoch:{{{namespaced(self.key)}}}")

    def _seen_lately(self, digest: str) -> bool:
        # Spares Redis the repetitions that this process has sent before; Redis stays the judge over all processes.
        mark = f"{self.key}:{digest}"
        if _seen.get(mark):
            return True
        _seen.put(mark, True, size=1, ttl_seconds=self.repeat_seconds)
        return False


_seen: LocalCache[bool] = LocalCache(max_bytes=10_000)


def forget_votes() -> None:
    """Forget which votes this process has sent; they are then judged by Redis alone."""
    _seen.clear()
