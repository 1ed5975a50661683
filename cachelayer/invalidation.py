"""Invalidation across processes: what one of them learns to be old, all of them forget.

A write names keys, which go at once, and tags, whose generation it moves on: values that carry a tag with another
generation are past their soft expiry. Both travel over one Redis channel with a running number, so that a process
which missed a message notices, forgets its L1 and reads the generations anew. A process that is not connected to the
channel does not use L1 at all.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

import orjson
import redis
from django_redis import get_redis_connection

from cachelayer import redis as redis_door
from cachelayer.leases import lease_key
from cachelayer.local import LocalCache
from cachelayer.redis import RedisUnavailable, namespaced

EVERYTHING = "*"
"""The tag that every value carries; values of another generation are not served unless their loader fails."""
_TTL_SECONDS = 30 * 86_400
_POLL_SECONDS = 0.1
_PING_SECONDS = 1.0
_SILENCE_SECONDS = 2.5
_RECONNECT_SECONDS = 0.2
_START_SECONDS = 0.2
_MAX_PENDING_KEYS = 10_000

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


def number_key() -> str:
    """Return the key of the running number of messages, as stored."""
    return namespaced("{inv}:number")


def generations_key() -> str:
    """Return the key of the generations by tag, as stored."""
    return namespaced("{inv}:generations")


def channel() -> str:
    """Return the channel's name. Channels span all databases of a Redis server, so it names the database."""
    database = get_redis_connection("default").connection_pool.connection_kwargs.get("db", 0)
    return namespaced(f"{{inv}}:channel:{database}")


@dataclass(frozen=True, slots=True)
class _Write:
    keys: tuple[str, ...]
    tags: tuple[str, ...]


class InvalidationBus:
    """This process's end of the channel.

    Args:
        local: the L1 that it keeps honest.
    """

    def __init__(self, local: LocalCache[Any]) -> None:
        self._local = local
        self._generations: dict[str, int] = {}
        self._number = 0
        self._own_numbers: set[int] = set()
        self._connected = threading.Event()
        self._stopping = threading.Event()
        self._pending: deque[_Write] = deque()
        self._lock = threading.Lock()
        self._owner_pid = 0
        self._thread: threading.Thread | None = None

    @property
    def is_connected(self) -> bool:
        """Whether every invalidation reaches this process at present, so that L1 may be used."""
        return self._connected.is_set() and self._owner_pid == os.getpid()

    @property
    def pending_writes(self) -> int:
        """Writes that Redis could not be told yet."""
        return len(self._pending)

    def wait_until_connected(self, seconds: float) -> bool:
        """Wait until invalidations arrive, for at most ``seconds``; tell whether they do."""
        return self._connected.wait(seconds)

    def generation(self, tag: str) -> int:
        """Return the current generation of ``tag``; 0 where it never moved."""
        return self._generations.get(tag, 0)

    def snapshot(self) -> Mapping[str, int]:
        """Return all generations as they are now; take it before a value is loaded."""
        return self._generations

    def ensure_started(self) -> None:
        """Follow the channel from a daemon thread; the first call waits a moment for the connection."""
        if self._owner_pid == os.getpid():
            return
        with self._lock:
            if self._owner_pid == os.getpid():
                return
            # A forked child inherits the state, but not the thread that kept it.
            self._connected.clear()
            self._stopping = threading.Event()
            self._local.clear()
            self._owner_pid = os.getpid()
            self._thread = threading.Thread(
                target=self._follow_forever, args=(self._stopping,), name="cache-invalidation", daemon=True
            )
            self._thread.start()
        self._connected.wait(_START_SECONDS)

    def stop(self) -> None:
        """Let go of the channel; the next use connects again."""
        self._stopping.set()
        if self._thread is not None and self._owner_pid == os.getpid():
            self._thread.join(timeout=2)
        self._connected.clear()
        self._pending.clear()
        self._own_numbers.clear()
        self._generations = {}
        self._owner_pid = 0

    def announce(self, *, keys: Iterable[str] = (), tags: Iterable[str] = ()) -> bool:
        """Forget ``keys`` and move on ``tags``, here and in all processes.

        Returns whether Redis was told. If it was not, the write is kept and told as soon as Redis answers again.
        """
        write = _Write(tuple(keys), tuple(tags))
        self._local.discard(*write.keys)
        try:
            message = self._tell(write)
        except RedisUnavailable:
            self._remember(write)
            self.ensure_started()
            return False
        self._note_own(orjson.loads(message)["n"])
        self._apply(message)
        return True

    def _note_own(self, number: int) -> None:
        # What was loaded since is fresh: when the channel brings the message, nothing is to be forgotten again.
        with self._lock:
            if self.is_connected and number > self._number:
                self._own_numbers.add(number)

    def _tell(self, write: _Write) -> bytes:
        def forget(client: Any) -> None:
            pipeline = client.pipeline(transaction=False)
            for key in write.keys:
                # The lease goes first: a loader that read the old truth cannot store it any more.
                pipeline.delete(lease_key(key))
                pipeline.delete(namespaced(key))
            pipeline.execute()

        def publish(client: Any) -> bytes:
            arguments = [orjson.dumps(write.keys), _TTL_SECONDS, channel(), int(time() * 1000), *write.tags]
            message: bytes = client.eval(_ANNOUNCE, 2, number_key(), generations_key(), *arguments)
            return message

        if write.keys:
            redis_door.run(forget, name="invalidate")
        return redis_door.run(publish, name="invalidate")

    def _remember(self, write: _Write) -> None:
        self._pending.append(write)
        if sum(len(item.keys) for item in list(self._pending)) > _MAX_PENDING_KEYS:
            self._pending.clear()
            self._pending.append(_Write((), (EVERYTHING,)))

    def _tell_pending(self) -> None:
        while self._pending:
            write = self._pending.popleft()
            try:
                self._tell(write)
            except RedisUnavailable:
                self._pending.appendleft(write)
                return

    def _apply(self, message: bytes) -> None:
        told = orjson.loads(message)
        self._local.discard(*told["keys"])
        if told["tags"]:
            with self._lock:
                # Replaced rather than changed: readers hold snapshots.
                self._generations = {**self._generations, **told["tags"]}

    def _follow_forever(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._follow(stopping)
            except (redis.RedisError, OSError):
                self._connected.clear()
                self._local.clear()
                stopping.wait(_RECONNECT_SECONDS)
        self._connected.clear()

    def _follow(self, stopping: threading.Event) -> None:
        client: Any = get_redis_connection("default")
        with client.pubsub() as pubsub:
            pubsub.subscribe(channel())
            self._await_confirmation(pubsub)
            self._read_state(client)
            self._connected.set()
            heard = pinged = monotonic()
            while not stopping.is_set():
                message = pubsub.get_message(timeout=_POLL_SECONDS)
                now = monotonic()
                if message is not None:
                    heard = now
                    if message["type"] == "message":
                        self._hear(client, message["data"])
                elif now - heard > _SILENCE_SECONDS:
                    raise redis.TimeoutError("the channel has gone silent")
                if now - pinged > _PING_SECONDS:
                    pubsub.ping()
                    pinged = now
                if self._pending:
                    self._tell_pending()

    def _await_confirmation(self, pubsub: Any) -> None:
        deadline = monotonic() + 1
        while (message := pubsub.get_message(timeout=_POLL_SECONDS)) is None or message["type"] != "subscribe":
            if monotonic() > deadline:
                raise redis.TimeoutError("no confirmation of the subscription")

    def _read_state(self, client: Any) -> None:
        pipeline = client.pipeline(transaction=True)
        # Where no number is kept, it begins here, so that the first message does not look like one of many lost.
        pipeline.set(number_key(), int(time() * 1000), nx=True, ex=_TTL_SECONDS)
        pipeline.get(number_key())
        pipeline.hgetall(generations_key())
        _, number, generations = pipeline.execute()
        with self._lock:
            self._number = int(number)
            self._own_numbers.clear()
        self._generations = {tag.decode(): int(generation) for tag, generation in generations.items()}
        self._local.clear()

    def _hear(self, client: Any, data: bytes) -> None:
        number = orjson.loads(data)["n"]
        if number <= self._number:
            return  # Told before the state was read, which includes it.
        if number != self._number + 1:
            self._read_state(client)  # Messages were lost, or Redis has lost its memory.
            return
        with self._lock:
            self._number = number
            is_own = number in self._own_numbers
            self._own_numbers.discard(number)
        if not is_own:
            self._apply(data)
