"""What is told when something has become old: the keys and tags, the script that tells them, and who is asked.

Everything that the script touches lies in one hash slot. The values themselves are removed before, each with its
lease, wherever they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import Any

import orjson
import redis

from cachelayer.loading.leases import lease_key
from cachelayer.server.connections import is_cluster
from cachelayer.server.door import namespaced, value_key

EVERYTHING = "*"
"""The tag that every value carries; values of another generation are not served unless their loader fails."""
_TTL_SECONDS = 30 * 86_400

# KEYS: running number, generations. ARGV: keys as JSON, TTL, channel, milliseconds now, then the tags. Generations
# and the first number are times in milliseconds: when Redis loses its memory, no earlier number can come back.
_ANNOUNCE = """
local now = tonumber(ARGV[4])
local moved = {}
for index = 5, #ARGV do
  local current = tonumber(redis.call('HGET', KEYS[2], ARGV[index]) or '0')
  local generation = math.max(current + 1, now)
  redis.call('HSET', KEYS[2], ARGV[index], string.format('%.0f', generation))
  moved[#moved + 1] = cjson.encode(ARGV[index]) .. ':' .. string.format('%.0f', generation)
end
if #moved > 0 then
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
local number = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local tags = '{' .. table.concat(moved, ',') .. '}'
local message = '{"n":' .. string.format('%.0f', number) .. ',"keys":' .. ARGV[1] .. ',"tags":' .. tags .. '}'
redis.call('PUBLISH', ARGV[3], message)
return message
"""
# Where no number is kept, it begins here, so that the first message does not look like one of many lost.
_STATE = """
redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2])
return {redis.call('GET', KEYS[1]), redis.call('HGETALL', KEYS[2])}
"""


@dataclass(frozen=True, slots=True)
class Write:
    """What a write has made old: keys, which go at once, and tags, which move on."""

    keys: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @classmethod
    def of_everything(cls) -> Write:
        """Return the write after which no value is to be trusted."""
        return cls(tags=(EVERYTHING,))


@dataclass(frozen=True, slots=True)
class Message:
    """A write as the channel tells it, with its running number and the new generations of its tags."""

    number: int
    keys: tuple[str, ...]
    generations: dict[str, int]

    @classmethod
    def read(cls, data: bytes) -> Message:
        """Read what the channel brought."""
        told = orjson.loads(data)
        return cls(told["n"], tuple(told["keys"]), told["tags"])


def number_key() -> str:
    """Return the key of the running number of messages, as stored."""
    return namespaced("{inv}:number")


def generations_key() -> str:
    """Return the key of the generations by tag, as stored."""
    return namespaced("{inv}:generations")


def channel(client: Any) -> str:
    """Return the channel's name. Channels span all databases of a Redis server, so it names the database."""
    pool = getattr(client, "connection_pool", None)
    database = pool.connection_kwargs.get("db", 0) if pool is not None else 0
    return namespaced(f"{{inv}}:channel:{database}")


def forget(client: Any, keys: Sequence[str]) -> None:
    """Remove values and the leases on them."""
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        # The lease goes first: a loader that read the old truth cannot store it any more.
        pipeline.delete(lease_key(key))
        pipeline.delete(value_key(key))
    pipeline.execute()


def publish(client: Any, write: Write) -> Message:
    """Move the tags on and tell everybody; return the message that they hear."""
    arguments = [orjson.dumps(write.keys), _TTL_SECONDS, channel(client), int(time() * 1000), *write.tags]
    return Message.read(client.eval(_ANNOUNCE, 2, number_key(), generations_key(), *arguments))


def read_state(client: Any) -> tuple[int, dict[str, int]]:
    """Return the running number and the generations of all tags."""
    number, row = client.eval(_STATE, 2, number_key(), generations_key(), int(time() * 1000), _TTL_SECONDS)
    tags, generations = row[::2], row[1::2]
    return int(number), {tag.decode(): int(value) for tag, value in zip(tags, generations, strict=True)}


def read_number(client: Any) -> int:
    """Return the running number of the last message; 0 where Redis does not know it."""
    return int(client.get(number_key()) or 0)


def read_history(client: Any) -> str:
    """Return a text that differs as soon as another server answers for some of the keys.

    What the former one was told last may then be lost, and a value that was removed may be back.
    """
    if is_cluster(client):
        # Whom this process asks, and how often masters have changed, which it may not have noticed yet.
        node = client.get_node_from_key(number_key())
        epoch = client.cluster_info(target_nodes=node)["cluster_current_epoch"]
        return " ".join([f"epoch {epoch}", *sorted(node.name for node in client.get_primaries())])
    try:
        return str(client.info("server")["run_id"])
    except redis.ResponseError:
        return ""  # Somebody else's Redis may refuse to tell.
