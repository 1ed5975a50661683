"""What is asked for, whether there was any, and what was chosen: counters with exponential decay, bounded in number.

Each kind of event is one script, so a query costs one round trip, and none at all where this process has sent the same
one before. Clients are known by keyed digests only, which differ from query to query.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from time import time
from typing import Any

from django.conf import settings

from cachelayer.memory.local import LocalCache
from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced

_DIGEST = 12
"""Characters of a digest that tell the clients of one query apart."""

# Scores grow with time instead of decaying: an event now weighs 2^((now - epoch) / half-life), so that old ones fade
# in comparison and no job has to walk over the sets. The exponent is kept small by an epoch stored beside the sets:
# when it has moved far, all scores are scaled back once.
_WEIGHT = """
local function weight(epoch_key, now, half_life, ttl, sets)
  local epoch = tonumber(redis.call('GET', epoch_key)) or now
  local age = (now - epoch) / half_life
  if age > 32 then
    for _, set in ipairs(sets) do
      redis.call('ZUNIONSTORE', set, 1, set, 'WEIGHTS', tostring(2 ^ -age))
    end
    epoch, age = now, 0
  end
  redis.call('SET', epoch_key, tostring(epoch), 'EX', ttl)
  return 2 ^ age
end
"""

# The public ranking holds only what enough different clients have asked for; those before the last of them are counted
# with it. The private one holds everything, and what leaves it leaves nothing behind.
_ASK = (
    _WEIGHT
    + """
local mark, public, public_epoch, all, epoch_key, missed, chosen, places, clients = unpack(KEYS)
local member, client, now, found = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local needed, size, kept, ttl = tonumber(ARGV[6]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
if redis.call('SET', mark, '1', 'NX', 'EX', ARGV[5]) == false then
  return 0
end
local known = redis.call('HGET', clients, member) or ''
local enough = needed * #client
if #known < enough and not string.find(known, client, 1, true) then
  known = known .. client
  redis.call('HSET', clients, member, known)
end
if found and needed > 0 and #known >= enough then
  local points = weight(public_epoch, now, tonumber(ARGV[7]), ttl, {public})
  if not redis.call('ZSCORE', public, member) then
    points = points * needed
  end
  redis.call('ZINCRBY', public, tostring(points), member)
  redis.call('ZREMRANGEBYRANK', public, 0, -size - 1)
  redis.call('EXPIRE', public, ttl)
end
local points = weight(epoch_key, now, tonumber(ARGV[8]), ttl, {all, missed, chosen, places})
redis.call('ZINCRBY', all, tostring(points), member)
if found then
  redis.call('ZREM', missed, member)
else
  redis.call('ZINCRBY', missed, tostring(points), member)
end
local gone = redis.call('ZRANGEBYSCORE', all, '-inf', '(' .. tostring(points / 16), 'LIMIT', 0, 100)
local over = redis.call('ZCARD', all) - kept
if over > #gone then
  gone = redis.call('ZRANGE', all, 0, over - 1)
end
for _, each in ipairs(gone) do
  for _, set in ipairs({all, missed, chosen, places}) do
    redis.call('ZREM', set, each)
  end
  redis.call('HDEL', clients, each)
end
for _, key in ipairs({all, missed, chosen, places, clients}) do
  redis.call('EXPIRE', key, ttl)
end
return 1
"""
)
# The mark of a query turns from asked to chosen, so that each counted query counts at most one choice.
_CHOOSE = (
    _WEIGHT
    + """
local mark, all, epoch_key, missed, chosen, places = unpack(KEYS)
local member, ttl = ARGV[1], tonumber(ARGV[5])
if redis.call('GET', mark) ~= '1' or not redis.call('ZSCORE', all, member) then
  return 0
end
redis.call('SET', mark, '2', 'KEEPTTL')
local points = weight(epoch_key, tonumber(ARGV[3]), tonumber(ARGV[4]), ttl, {all, missed, chosen, places})
redis.call('ZINCRBY', chosen, tostring(points), member)
redis.call('ZINCRBY', places, tostring(points * tonumber(ARGV[2])), member)
for _, key in ipairs({chosen, places}) do
  redis.call('EXPIRE', key, ttl)
end
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with what became of it; the numbers fade with their half-life.

    Attributes:
        times: how often it was asked for, repetitions of a client left out.
        chosen: after how many of these something was chosen.
        mean_place: of what was chosen, from 1; 0 where nothing was.
        is_missed: whether nothing was found when it was asked for last.
    """

    member: str
    times: float
    chosen: float
    mean_place: float
    is_missed: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """Bounded counters of what is asked for.

    Attributes:
        key: the key of the public ranking, without prefix.
        half_life_seconds: after this long a vote in the public ranking counts half.
        kept_half_life_seconds: the same for the private counters.
        repeat_seconds: a client's repetition within this time does not count; a choice counts within it.
        size: how many members the public ranking has at most.
        kept: how many members are counted at most.
        ttl_seconds: how long everything outlives the last event.
    """

    key: str
    half_life_seconds: int = 3600
    kept_half_life_seconds: int = 7 * 86_400
    repeat_seconds: int = 1800
    size: int = 1000
    kept: int = 2000
    ttl_seconds: int = 30 * 86_400

    def ask(self, member: str, *, voter: str, found: bool = True, voters_needed: int = 1) -> bool:
        """Count ``member`` once for ``voter``; false where this was a repetition or Redis is away.

        Args:
            voter: who asks; kept only as a digest.
            found: whether there was any.
            voters_needed: how many different clients make a member public; 0 for a member that never is.
        """
        digest = _digest(voter, member)
        if self._seen_lately(digest):
            return False
        companions = ("all", "all-epoch", "missed", "chosen", "places", "clients")
        keys = [self._mark(digest), namespaced(self.key), self._beside("epoch"), *map(self._beside, companions)]
        arguments = [member, digest[:_DIGEST], repr(time()), int(found), self.repeat_seconds, voters_needed]
        arguments += [self.half_life_seconds, self.kept_half_life_seconds, self.size, self.kept, self.ttl_seconds]
        return self._run(_ASK, keys, arguments)

    def choose(self, member: str, *, voter: str, place: int) -> bool:
        """Count that ``voter``, who has asked for ``member`` lately, chose what was at ``place``; at most once."""
        companions = ("all", "all-epoch", "missed", "chosen", "places")
        keys = [self._mark(_digest(voter, member)), *map(self._beside, companions)]
        arguments = [member, place, repr(time()), self.kept_half_life_seconds, self.ttl_seconds]
        return self._run(_CHOOSE, keys, arguments)

    def top(self, limit: int) -> list[str] | None:
        """Return the public members that lead, best first; ``None`` while Redis is away."""
        return self._leaders(namespaced(self.key), limit)

    def top_of_all(self, limit: int) -> list[str] | None:
        """Return the members that lead, public or not, best first; ``None`` while Redis is away."""
        return self._leaders(self._beside("all"), limit)

    def asked(self) -> tuple[Asked, ...] | None:
        """Return all that is counted, the most asked for first; ``None`` while Redis is away."""

        def read(client: Any) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            pipeline.get(self._beside("all-epoch"))
            for name in ("all", "missed", "chosen", "places"):
                pipeline.zrevrange(self._beside(name), 0, -1, withscores=True)
            return list(pipeline.execute())

        try:
            epoch, every, missed, chosen, places = door.run(read, name="trending")
        except RedisUnavailable:
            return None
        age = (time() - float(epoch)) / self.kept_half_life_seconds if epoch else 0.0
        without, choices, sums = dict(missed), dict(chosen), dict(places)
        unit = 2.0**age
        return tuple(
            Asked(
                member=member.decode(),
                times=score / unit,
                chosen=min(choices.get(member, 0.0), score) / unit,
                mean_place=sums.get(member, 0.0) / choices[member] if choices.get(member) else 0.0,
                is_missed=member in without,
            )
            for member, score in every
        )

    def forget(self, member: str) -> bool:
        """Remove everything about ``member``; false while Redis is away."""

        def remove(client: Any) -> None:
            pipeline = client.pipeline(transaction=False)
            pipeline.zrem(namespaced(self.key), member)
            for name in ("all", "missed", "chosen", "places"):
                pipeline.zrem(self._beside(name), member)
            pipeline.hdel(self._beside("clients"), member)
            pipeline.execute()

        try:
            door.run(remove, name="trending")
        except RedisUnavailable:
            return False
        return True

    def _leaders(self, key: str, limit: int) -> list[str] | None:
        try:
            members = door.run(lambda client: client.zrevrange(key, 0, limit - 1), name="trending")
        except RedisUnavailable:
            return None
        return [member.decode() for member in members]

    def _run(self, script: str, keys: list[str], arguments: list[Any]) -> bool:
        try:
            return bool(door.run(lambda client: client.eval(script, len(keys), *keys, *arguments), name="trending"))
        except RedisUnavailable:
            return False

    def _mark(self, digest: str) -> str:
        return self._beside("voted", f":{digest}")

    def _beside(self, name: str, end: str = "") -> str:
        # Braces around the ranking's whole key put its companions into the ranking's hash slot of a Redis Cluster.
        return namespaced(f"{self.key}:{name}:{{{namespaced(self.key)}}}{end}")

    def _seen_lately(self, digest: str) -> bool:
        # Spares Redis the repetitions that this process has sent before; Redis stays the judge over all processes.
        mark = f"{self.key}:{digest}"
        if _seen.get(mark):
            return True
        _seen.put(mark, True, size=1, ttl_seconds=self.repeat_seconds)
        return False


_seen: LocalCache[bool] = LocalCache(max_bytes=10_000)


def forget_votes() -> None:
    """Forget which events this process has sent; they are then judged by Redis alone."""
    _seen.clear()


def _digest(voter: str, member: str) -> str:
    # Without the key, the few billion addresses that there are could be tried out.
    digest = _keyed(settings.SECRET_KEY).copy()
    digest.update(f"{voter}\0{member}".encode())
    return digest.hexdigest()


@lru_cache(maxsize=2)
def _keyed(secret: str) -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=12, key=hashlib.blake2b(secret.encode(), person=b"demand").digest())
