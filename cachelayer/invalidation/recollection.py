"""What was told of late, to be told again after another server has taken over from the one that heard it."""

from __future__ import annotations

from collections import deque
from time import monotonic

from cachelayer.invalidation.announcements import EVERYTHING, Message, Write


class Recollection:
    """The messages of the last seconds.

    Redis replicates after it has answered. A replica that becomes master may lack the last writes: removed values are
    back, generations have not moved. Whoever heard of them can tell them again.

    Args:
        seconds: how long a message is remembered; longer than a replica may be behind.
        max_names: sum of the keys and tags remembered.
    """

    def __init__(self, *, seconds: float = 60.0, max_names: int = 10_000) -> None:
        self._seconds = seconds
        self._max_names = max_names
        self._messages: deque[tuple[float, Message]] = deque()
        self._names = 0
        self._overflowed_at: float | None = None

    def add(self, message: Message) -> None:
        """Remember a message that was told or heard."""
        now = monotonic()
        self._messages.append((now, message))
        self._names += _size(message)
        while self._messages and now - self._messages[0][0] > self._seconds:
            self._names -= _size(self._messages.popleft()[1])
        while self._names > self._max_names:
            self._names -= _size(self._messages.popleft()[1])
            self._overflowed_at = now

    def lost(self, *, last_known: int, now_known: int) -> Write:
        """Return what to tell again.

        Args:
            last_known: running number of the last message that this process knows.
            now_known: the number that Redis has now; lower where it has lost messages.
        """
        now = monotonic()
        recent = [message for at, message in list(self._messages) if now - at <= self._seconds]
        overflowed = self._overflowed_at is not None and now - self._overflowed_at <= self._seconds
        reaches_back = now_known >= last_known or any(message.number == now_known + 1 for message in recent)
        if overflowed or not reaches_back:
            return Write.of_everything()
        keys = {key for message in recent for key in message.keys}
        tags = {tag for message in recent for tag in message.generations}
        return Write.of_everything() if EVERYTHING in tags else Write(tuple(sorted(keys)), tuple(sorted(tags)))

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()
        self._names, self._overflowed_at = 0, None


def _size(message: Message) -> int:
    return len(message.keys) + len(message.generations)
