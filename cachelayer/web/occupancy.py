"""How many requests a process works on at a time: the mean over a period, not what a glance happens to see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class Occupancy:
    """Sums up requests times seconds; divided by the time that has passed, it is the mean number in flight."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._area = 0.0
        self._changed = self._read = monotonic()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one request for as long as the block runs."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def mean(self) -> float:
        """Return the mean number of requests in flight since the last call."""
        with self._lock:
            now = self._advance()
            area, elapsed = self._area, now - self._read
            self._area, self._read = 0.0, now
            return area / elapsed if elapsed > 0 else float(self._now)

    def _change(self, step: int) -> None:
        with self._lock:
            self._advance()
            self._now += step

    def _advance(self) -> float:
        now = monotonic()
        self._area += self._now * (now - self._changed)
        self._changed = now
        return now


occupancy = Occupancy()
