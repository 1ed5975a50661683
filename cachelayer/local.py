"""The first level (L1): a small cache inside the process, bounded by bytes, for seconds."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Generic, TypeVar

from cachetools import TLRUCache

T = TypeVar("T")


class LocalCache(Generic[T]):
    """Thread-safe, least recently used out first, each entry with a time to live of its own.

    Args:
        max_bytes: sum of the sizes given to :meth:`put` that may be held.
    """

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._entries: TLRUCache[str, tuple[T, int, float]] = TLRUCache(
            max_bytes, ttu=lambda _key, entry, now: now + entry[2], timer=monotonic, getsizeof=lambda entry: entry[1]
        )

    @property
    def epoch(self) -> int:
        """A number that changes with every invalidation; read it before reading what is to be :meth:`put`."""
        return self._epoch

    def get(self, key: str) -> T | None:
        """Return the value, or ``None`` when it is absent or its time is over."""
        with self._lock:
            entry = self._entries.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: str, value: T, *, size: int, ttl_seconds: float, epoch: int | None = None) -> bool:
        """Keep ``value`` for ``ttl_seconds`` and tell whether it was kept.

        It is not kept where it is larger than the whole cache, or where anything was invalidated since ``epoch`` was
        read: the value may be what that invalidation was about.
        """
        with self._lock:
            if size > self._entries.maxsize or (epoch is not None and epoch != self._epoch):
                return False
            self._entries[key] = (value, size, ttl_seconds)
            return True

    def discard(self, *keys: str) -> None:
        """Forget ``keys``."""
        with self._lock:
            self._epoch += 1
            for key in keys:
                self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._epoch += 1
            self._entries.clear()

    def usage(self) -> tuple[int, int]:
        """Return how many entries are held and the sum of their sizes."""
        with self._lock:
            return len(self._entries), int(self._entries.currsize)
