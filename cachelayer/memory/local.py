"""The first level (L1): a small cache inside the process, bounded by bytes, for seconds."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from cachetools import TLRUCache

T = TypeVar("T")


_CLAIM_SECONDS = 0.05


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    size: int
    kept_seconds: float
    due_at: float


class LocalCache(Generic[T]):
    """Thread-safe, least recently used out first, each entry with a time to live of its own.

    Args:
        max_bytes: sum of the sizes given to :meth:`put` that may be held.
        grace_seconds: how long an entry may outlive its time while one reader fetches it anew: only that one misses.
    """

    def __init__(self, max_bytes: int, *, grace_seconds: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._grace_seconds = grace_seconds
        self._hits = self._misses = 0
        self._entries: TLRUCache[str, _Entry[T]] = TLRUCache(
            max_bytes,
            ttu=lambda _key, entry, now: now + entry.kept_seconds,
            timer=monotonic,
            getsizeof=lambda entry: entry.size,
        )

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
            entry = self._entries.get(key)
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
            due_at = monotonic() + ttl_seconds
            self._entries[key] = _Entry(value, size, ttl_seconds + self._grace_seconds, due_at)
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

    def reads(self) -> tuple[int, int]:
        """Return how often a value was found, and how often not."""
        return self._hits, self._misses

    def usage(self) -> tuple[int, int]:
        """Return how many entries are held and the sum of their sizes."""
        with self._lock:
            return len(self._entries), int(self._entries.currsize)
