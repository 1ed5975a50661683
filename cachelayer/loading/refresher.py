"""Refreshing behind the scenes: a small, bounded pool of threads that loads values again before anybody has to wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

_PAUSE_AFTER_FAILURE_SECONDS = 1.0
_MAX_REMEMBERED = 10_000


class Refresher:
    """Runs refreshes, at most one at a time for a key, and remembers which loads failed lately.

    Args:
        workers: threads.
        max_waiting: refreshes under way and waiting; beyond it new ones are dropped, and the next reader asks again.
    """

    def __init__(self, *, workers: int = 4, max_waiting: int = 200) -> None:
        self._workers = workers
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._failed_at: dict[str, float] = {}
        self._dropped = 0
        self._pool: ThreadPoolExecutor | None = None
        self._owner_pid = 0

    def submit(self, key: str, refresh: Callable[[], None]) -> bool:
        """Run ``refresh`` soon, unless ``key`` is being refreshed, has failed a moment ago, or too much is waiting."""
        with self._lock:
            pool = self._own_pool()
            if key in self._under_way or self.failed_lately(key):
                return False
            if len(self._under_way) >= self._max_waiting:
                self._dropped += 1
                return False
            self._under_way.add(key)
            pool.submit(self._run, key, refresh)
        return True

    def usage(self) -> tuple[int, int, int]:
        """Return the refreshes under way or waiting, the keys whose last load failed, and how many were dropped."""
        return len(self._under_way), len(self._failed_at), self._dropped

    def has_failed(self, key: str) -> bool:
        """Tell whether the last load of ``key`` failed and none has succeeded since."""
        return key in self._failed_at

    def failed_lately(self, key: str) -> bool:
        """Tell whether a load of ``key`` failed within the last second, so that its loader is left alone."""
        failed_at = self._failed_at.get(key)
        return failed_at is not None and monotonic() - failed_at < _PAUSE_AFTER_FAILURE_SECONDS

    def forget_failures(self) -> None:
        """Forget all failures, so that every loader is asked again."""
        self._failed_at.clear()

    def note_failure(self, key: str) -> None:
        """Remember that a load of ``key`` has failed just now; of a key that has an old value to be served instead."""
        if len(self._failed_at) > _MAX_REMEMBERED:
            self._failed_at.clear()
        self._failed_at[key] = monotonic()

    def forget(self, key: str) -> None:
        """Forget a failure, because the value was loaded by another way."""
        self._failed_at.pop(key, None)

    def _run(self, key: str, refresh: Callable[[], None]) -> None:
        try:
            refresh()
        except Exception:  # noqa: BLE001  (whatever the loader raises: the old value is served on, and the state is shown)
            self.note_failure(key)
        else:
            self._failed_at.pop(key, None)
        finally:
            with self._lock:
                self._under_way.discard(key)

    def _own_pool(self) -> ThreadPoolExecutor:
        # Threads do not survive fork(), so each worker makes its own.
        if self._pool is None or self._owner_pid != os.getpid():
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="cache-refresh")
            self._under_way.clear()
            self._owner_pid = os.getpid()
        return self._pool
