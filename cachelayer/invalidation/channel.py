"""Invalidation across processes: what one of them learns to be old, all of them forget.

A write names keys, which go at once, and tags, whose generation it moves on: values that carry a tag with another
generation are past their soft expiry. Both travel over one Redis channel with a running number, so that a process
which missed a message notices, forgets its L1 and reads the generations anew. A process that is not connected to the
channel does not use L1 at all. When another Redis server takes over, what was told of late is told again, and nothing
is read from Redis until then.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

import redis

from cachelayer.invalidation import announcements
from cachelayer.invalidation.announcements import EVERYTHING, Message, Write
from cachelayer.invalidation.recollection import Recollection
from cachelayer.memory.local import LocalCache
from cachelayer.server import door
from cachelayer.server.connections import AWAY, ask_for_master, doubts, is_cluster
from cachelayer.server.door import RedisUnavailable

__all__ = ["EVERYTHING", "InvalidationBus"]

_POLL_SECONDS = 0.1
_PING_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_LONGEST_WITHOUT_LOOK_SECONDS = 1.0
_FAILED_LOOKS = 3
"""After so many questions without an answer Redis is not read any more: another server may be about to take over."""
_SILENCE_SECONDS = 2.5
_RECONNECT_SECONDS = 0.2
_START_SECONDS = 0.2
_SETTLING_SECONDS = 1.0
"""After another server has taken over it is not read for so long, in which every process tells what it could not."""
_MAX_PENDING_KEYS = 10_000


class InvalidationBus:
    """This process's end of the channel.

    Args:
        local: the L1 that it keeps honest.
    """

    def __init__(self, local: LocalCache[Any]) -> None:
        self._local = local
        self._generations: dict[str, int] = {}
        self._number = 0
        self._awaited_number = 0
        self._own_numbers: set[int] = set()
        self._connected = threading.Event()
        self._stopping = threading.Event()
        self._pending: deque[Write] = deque()
        self._recollection = Recollection()
        self._history = ""
        self._lost = False
        self._failed_looks = 0
        self._settled_doubts = doubts()
        self._lock = threading.Lock()
        self._owner_pid = 0
        self._thread: threading.Thread | None = None

    @property
    def is_connected(self) -> bool:
        """Whether every invalidation reaches this process at present, so that L1 may be used."""
        return self._connected.is_set() and self._owner_pid == os.getpid()

    @property
    def is_in_doubt(self) -> bool:
        """Whether another Redis server may have taken over without the last writes, so that none is to be asked."""
        seen = doubts()
        return self._lost or seen is None or seen != self._settled_doubts

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
        self._recollection.clear()
        self._generations, self._number, self._history, self._lost = {}, 0, "", False
        self._settled_doubts = doubts()
        self._owner_pid = 0

    def announce(self, *, keys: Iterable[str] = (), tags: Iterable[str] = ()) -> bool:
        """Forget ``keys`` and move on ``tags``, here and in all processes.

        Returns whether Redis was told. If it was not, the write is kept and told as soon as Redis answers again.
        """
        write = Write(tuple(keys), tuple(tags))
        self._local.discard(*write.keys)
        is_told = self._tell(write)
        if not is_told:
            self._remember(write)
            self.ensure_started()
        return is_told

    def _note_own(self, message: Message) -> None:
        # What was loaded since is fresh: when the channel brings the message, nothing is to be forgotten again.
        with self._lock:
            self._recollection.add(message)
            if self.is_connected and message.number > self._number:
                self._own_numbers.add(message.number)

    def _tell(self, write: Write) -> bool:
        try:
            if write.keys:
                door.run(lambda client: announcements.forget(client, write.keys), name="invalidate")
            is_forgotten = True
        except RedisUnavailable:
            # In a Cluster, the node that holds the value may be away alone: then all can still be told to forget it.
            is_forgotten = False
        try:
            message = door.run(lambda client: announcements.publish(client, write), name="invalidate")
        except RedisUnavailable:
            return False
        self._note_own(message)
        self._apply(message)
        return is_forgotten

    def _remember(self, write: Write) -> None:
        with self._lock:
            self._pending.append(write)
            if sum(len(item.keys) for item in self._pending) > _MAX_PENDING_KEYS:
                self._pending.clear()
                self._pending.append(Write.of_everything())

    def _tell_pending(self) -> None:
        while self._pending:
            # It stays pending until it has been heard: whoever asks meanwhile must not believe that all is told.
            write = self._pending[0]
            if not self._tell(write):
                return
            with self._lock:
                if self._pending and self._pending[0] is write:
                    self._pending.popleft()

    def _apply(self, message: Message) -> None:
        self._local.discard(*message.keys)
        if message.generations:
            with self._lock:
                # Replaced rather than changed, because readers hold snapshots; and never set back, because one's own
                # messages are applied before those of others that were told earlier.
                self._generations = self._generations | {
                    tag: max(generation, self._generations.get(tag, 0))
                    for tag, generation in message.generations.items()
                }

    def _follow_forever(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                self._follow(stopping)
            except (redis.RedisError, OSError, ValueError, *AWAY):
                # Rubbish under the channel's keys must not end the thread either: L1 would go on without it.
                self._lost = self._lost or self._connected.is_set()
                self._connected.clear()
                self._local.clear()
                stopping.wait(_RECONNECT_SECONDS)
        self._connected.clear()

    def _follow(self, stopping: threading.Event) -> None:
        client = door.client()
        # Asked before the channel is chosen: in a Cluster the question finds out who answers for it now.
        self._settle(client)
        with client.pubsub() as pubsub:
            pubsub.subscribe(announcements.channel(client))
            self._await_confirmation(pubsub)
            if self._lost:
                door.breaker.record_success()
                self._tell_pending()
                stopping.wait(_SETTLING_SECONDS)
            self._read_state(client)
            self._failed_looks, self._lost = 0, False
            self._connected.set()
            door.breaker.record_success()
            heard = pinged = looked = monotonic()
            while not stopping.is_set():
                message = pubsub.get_message(timeout=_POLL_SECONDS)
                now = monotonic()
                if message is not None:
                    heard = now
                    if message["type"] == "message":
                        self._hear(client, Message.read(message["data"]))
                elif now - heard > _SILENCE_SECONDS:
                    raise redis.TimeoutError("the channel has gone silent")
                if now - pinged > _PING_SECONDS:
                    pubsub.ping()
                    pinged = now
                # A look keeps messages waiting, so it is taken in a pause between them, if there is one.
                pause = _LOOK_SECONDS if message is None else _LONGEST_WITHOUT_LOOK_SECONDS
                if now - looked > pause or self.is_in_doubt:
                    self._look(client)
                    looked = now
                if self._pending:
                    self._tell_pending()

    def _look(self, client: Any) -> None:
        """Find out whether another server has taken over, and whether the last message was missed.

        Raises:
            redis.ConnectionError: another server has, and this channel is one of the former.
        """
        is_former = False
        try:
            if is_cluster(client):  # Its nodes pass messages on to each other, and may lose one.
                self._settle(client)
                self._check_number(client)
            else:
                ask_for_master(client)
                is_former = self._is_another(announcements.read_history(client))
        except AWAY:
            # On a busy machine one answer may come late; a channel that has ended says so by itself.
            self._failed_looks += 1
            self._lost = self._lost or self._failed_looks >= _FAILED_LOOKS
            return
        self._failed_looks, self._lost = 0, False
        if is_former:
            raise redis.ConnectionError("the server of this channel has been replaced")

    def _is_another(self, history: str) -> bool:
        return bool(history and self._history and history != self._history)

    def _settle(self, client: Any) -> None:
        """Tell again what another server may not have heard, if another one has taken over since the last look."""
        seen_doubts = doubts()
        history = announcements.read_history(client)
        if self._is_another(history):
            lost = self._recollection.lost(last_known=self._number, now_known=announcements.read_number(client))
            if lost.keys or lost.tags:
                announcements.forget(client, lost.keys)
                announcements.publish(client, lost)
            if self.is_connected:
                self._tell_pending()
                self._stopping.wait(_SETTLING_SECONDS)
        self._history = history
        self._settled_doubts = seen_doubts

    def _await_confirmation(self, pubsub: Any) -> None:
        deadline = monotonic() + 1
        while (message := pubsub.get_message(timeout=_POLL_SECONDS)) is None or message["type"] != "subscribe":
            if monotonic() > deadline:
                raise redis.TimeoutError("no confirmation of the subscription")

    def _check_number(self, client: Any) -> None:
        # The last message may have been lost, and no later one would tell so. It may also be on its way: then the
        # number heard will have caught up by the next look.
        number = announcements.read_number(client)
        if self._number < self._awaited_number:
            self._read_state(client)
        self._awaited_number = number

    def _read_state(self, client: Any) -> None:
        number, generations = announcements.read_state(client)
        with self._lock:
            self._number = self._awaited_number = number
            self._own_numbers.clear()
            self._generations = generations
        self._local.clear()

    def _hear(self, client: Any, message: Message) -> None:
        if message.number <= self._number:
            return  # Told before the state was read, which includes it.
        if message.number != self._number + 1:
            self._read_state(client)  # Messages were lost, or Redis has lost its memory.
            return
        with self._lock:
            self._number = message.number
            is_own = message.number in self._own_numbers
            self._own_numbers.discard(message.number)
            if not is_own:
                self._recollection.add(message)
        if not is_own:
            self._apply(message)
