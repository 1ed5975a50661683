"""Takes finished requests on their own path, which costs them an append, and counts and ships them off it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

from cachelayer.server.door import RedisUnavailable
from cachelayer.telemetry import node, store
from cachelayer.telemetry.samples import Finished, Sample, sample_of
from cachelayer.telemetry.tally import Tally, Totals

FLUSH_SECONDS = 0.25
KEPT_PER_FLUSH = 20
"""Single requests that a process puts into the log at each flush, 80 a second; all are counted."""
RECENT_LENGTH = 500
_QUEUE_LENGTH = 20_000


class Recorder:
    """One for each process.

    Attributes:
        enabled: whether anything is taken down.
        generated: whether this process replays requests rather than answering visitors.
        dropped: requests that came faster than they could be counted.
    """

    def __init__(self) -> None:
        self.enabled = True
        self.generated = False
        self.dropped = 0
        self.totals = Totals()
        self._queue: deque[Finished] = deque()
        self._recent: deque[Finished] = deque(maxlen=RECENT_LENGTH)
        self._tally = Tally()
        self._wake = threading.Event()
        self._owner_pid = 0
        self._lock = threading.Lock()

    def record(self, finished: Finished) -> None:
        """Take down a request; never blocks and never fails."""
        if not self.enabled:
            return
        if len(self._queue) >= _QUEUE_LENGTH:
            self.dropped += 1
            return
        self._recent.append(finished)
        self._queue.append(finished)
        # A thread does not survive fork(), so each worker starts its own with its first request.
        if self._owner_pid != os.getpid():
            self._start_thread()

    def recent_of_this_process(self, limit: int) -> list[Sample]:
        """Return the newest requests that this process answered, newest first."""
        newest = list(self._recent)[::-1][:limit]
        return [sample_of(finished, generated=self.generated) for finished in newest]

    def peek(self, read: Callable[[Tally], None]) -> None:
        """Let ``read`` look at what is not in Redis yet, while nothing changes it."""
        with self._lock:
            read(self._tally)

    def flush(self) -> int:
        """Count what was taken down and write it to Redis; return how many requests were counted.

        While Redis is away, counts wait here, bounded, and single requests are left out of the log.
        """
        with self._lock:
            batch: list[Finished] = []
            while self._queue:
                batch.append(self._queue.popleft())
            if batch:
                self.totals.add(batch, self._tally.add(batch, generated=self.generated))
            node.publish(self.totals)
            if not self._tally:
                return 0
            kept = [sample_of(finished, generated=self.generated) for finished in _worth_keeping(batch)]
            try:
                store.write(self._tally, kept)
            except RedisUnavailable:
                self._tally.drop_old()
            return len(batch)

    def forget(self) -> None:
        """Forget what is not in Redis yet, and this process's own list of requests."""
        with self._lock:
            self._queue.clear()
            self._recent.clear()
            self._tally.clear()

    def _start_thread(self) -> None:
        with self._lock:
            if self._owner_pid == os.getpid():
                return
            self._owner_pid = os.getpid()
            threading.Thread(target=self._ship, name="telemetry", daemon=True).start()

    def _ship(self) -> None:
        try:
            while True:
                self._wake.wait(FLUSH_SECONDS)
                self.flush()
        finally:
            # Whatever ended this thread is told by the interpreter; the next request starts another.
            self._owner_pid = 0


def _worth_keeping(batch: list[Finished]) -> list[Finished]:
    """Return at most :data:`KEPT_PER_FLUSH` requests in their order: the slowest, and an even choice of the others."""
    if len(batch) <= KEPT_PER_FLUSH:
        return batch
    by_time = sorted(range(len(batch)), key=lambda place: batch[place].elapsed_ms, reverse=True)
    slowest, others = by_time[: KEPT_PER_FLUSH // 5], by_time[KEPT_PER_FLUSH // 5 :]
    wanted = KEPT_PER_FLUSH - len(slowest)
    chosen = {others[place * len(others) // wanted] for place in range(wanted)}
    return [batch[place] for place in sorted({*slowest, *chosen})]


recorder = Recorder()
