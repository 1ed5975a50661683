"""The first level (L1): a small cache inside the process, bounded by bytes, for seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from cachetools import TLRUCache

T = TypeVar("T")


_CLAIM_SECONDS = 0.05
_HOT_SHARE = 0.25
"""Part of the bytes that only the most read keys may take."""


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    size: int
    kept_seconds: float
    due_at: float


class LocalCache(Generic[T]):
    """Thread-safe, least recently used out first, each entry with a time to live of its own.

    What is read most has room of its own, so that a crawler that reads everything once cannot drive it out.

    Args:
        max_bytes: sum of the sizes given to :meth:`put` that may be held.
        is_hot: tells whether a key is among the most read; without it all keys share the room.
        grace_seconds: how long an entry may outlive its time while one reader fetches it anew: only that one misses.
    """

    def __init__(
        self, max_bytes: int, *, grace_seconds: float = 0.0, is_hot: Callable[[str], bool] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._grace_seconds = grace_seconds
        self._hits = self._misses = 0
        hot_bytes = int(max_bytes * _HOT_SHARE) if is_hot else 0
        self._is_hot = is_hot
        self._entries: TLRUCache[str, _Entry[T]] = _room(max_bytes - hot_bytes)
        self._hot: TLRUCache[str, _Entry[T]] = _room(hot_bytes)

    @property
    def epoch(self) -> int:
        """A number that changes with every invalidation; read it before reading what is to be :meth:`put`."""
        return self._epoch

    def get(self, key: str, *, may_fetch: bool = True) -> T | None:
        """Return the value, or ``None`` when it is absent or its time is over.

        Args:
            may_fetch: whether the caller, when told ``None``, gets the value from elsewhere and puts it here. Where
                there is a grace, others are given the old value meanwhile.
        """
        with self._lock:
            entry = self._hot.get(key) or self._entries.get(key)
            now = monotonic()
            if entry is not None and now < entry.due_at:
                self._hits += 1
                return entry.value
            self._misses += 1
            if entry is None:
                return None
            if may_fetch:
                entry.due_at = now + _CLAIM_SECONDS
            return None

    def put(self, key: str, value: T, *, size: int, ttl_seconds: float, epoch: int | None = None) -> bool:
        """Keep ``value`` for ``ttl_seconds`` and tell whether it was kept.

        It is not kept where it is larger than the whole cache, or where anything was invalidated since ``epoch`` was
        read: the value may be what that invalidation was about.
        """
        with self._lock:
            if size > self._entries.maxsize or (epoch is not None and epoch != self._epoch):
                return False
            self._drop(key)
            room = self._hot if self._is_hot and size <= self._hot.maxsize and self._is_hot(key) else self._entries
            room[key] = _Entry(value, size, ttl_seconds + self._grace_seconds, monotonic() + ttl_seconds)
            return True

    def discard(self, *keys: str) -> None:
        """Forget ``keys``."""
        with self._lock:
            self._epoch += 1
            for key in keys:
                self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._epoch += 1
            self._entries.clear()
            self._hot.clear()

    def reads(self) -> tuple[int, int]:
        """Return how often a value was found, and how often not."""
        return self._hits, self._misses

    def usage(self) -> tuple[int, int]:
        """Return how many entries are held and the sum of their sizes."""
        with self._lock:
            rooms = (self._entries, self._hot)
            return sum(len(room) for room in rooms), int(sum(room.currsize for room in rooms))

    def _drop(self, key: str) -> None:
        self._entries.pop(key, None)
        self._hot.pop(key, None)


def _room(max_bytes: int) -> TLRUCache[str, _Entry[T]]:
    return TLRUCache(
        max_bytes,
        ttu=lambda _key, entry, now: now + entry.kept_seconds,
        timer=monotonic,
        getsizeof=lambda entry: entry.size,
    )
