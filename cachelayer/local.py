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
        self._entries: TLRUCache[str, tuple[T, int, float]] = TLRUCache(
            max_bytes, ttu=lambda _key, entry, now: now + entry[2], timer=monotonic, getsizeof=lambda entry: entry[1]
        )

    def get(self, key: str) -> T | None:
        """Return the value, or ``None`` when it is absent or its time is over."""
        with self._lock:
            entry = self._entries.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: str, value: T, *, size: int, ttl_seconds: float) -> None:
        """Keep ``value`` for ``ttl_seconds``; one that is larger than the whole cache is not kept."""
        with self._lock:
            if size <= self._entries.maxsize:
                self._entries[key] = (value, size, ttl_seconds)

    def discard(self, key: str) -> None:
        """Forget ``key``."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
