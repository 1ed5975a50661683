"""Which keys are read most: a bounded sketch that forgets.

The Space-Saving algorithm of Metwally, Agrawal and El Abbadi ("Efficient Computation of Frequent and Top-k Elements in
Data Streams", ICDT 2005): a fixed number of counters, of which the smallest is handed to each newcomer.
"""

from __future__ import annotations

import threading
from time import monotonic

_SAMPLE_EVERY = 4
_HALVE_SECONDS = 10.0


class HotKeys:
    """The most read keys of this process.

    Args:
        size: number of counters; keys with more than one in ``size`` of all reads are sure to be among them.
        share: smallest share of the counted reads that makes a key hot.
    """

    def __init__(self, *, size: int = 128, share: float = 0.01) -> None:
        self._size = size
        self._share = share
        self._lock = threading.Lock()
        self._counts: dict[str, float] = {}
        self._total = 0.0
        self._calls = 0
        self._halved_at = monotonic()

    def note(self, key: str) -> None:
        """Count a read; only each fourth is counted, which is enough to rank and costs less."""
        self._calls += 1
        if self._calls % _SAMPLE_EVERY:
            return
        with self._lock:
            self._decay()
            self._total += 1
            if key in self._counts or len(self._counts) < self._size:
                self._counts[key] = self._counts.get(key, 0.0) + 1
                return
            smallest = min(self._counts, key=self._counts.__getitem__)
            self._counts[key] = self._counts.pop(smallest) + 1

    def is_hot(self, key: str) -> bool:
        """Tell whether ``key`` has a large share of the reads of late."""
        count = self._counts.get(key, 0.0)
        return count >= 8 and count >= self._share * self._total

    def top(self, limit: int) -> list[tuple[str, float]]:
        """Return the leaders with their estimated share of the reads, largest first."""
        with self._lock:
            total = self._total or 1.0
            ranked = sorted(self._counts.items(), key=lambda item: -item[1])[:limit]
        return [(key, count / total) for key, count in ranked]

    def clear(self) -> None:
        """Forget all counts."""
        with self._lock:
            self._counts.clear()
            self._total = 0.0

    def _decay(self) -> None:
        now = monotonic()
        if now - self._halved_at < _HALVE_SECONDS:
            return
        self._halved_at = now
        self._total /= 2
        self._counts = {key: count / 2 for key, count in self._counts.items() if count >= 1}
