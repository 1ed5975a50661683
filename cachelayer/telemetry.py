"""What the dashboard and ``/metrics`` know: recent requests and counters, shared by all workers through Redis.

A request only appends to a bounded queue in memory; a daemon thread writes the queue to Redis in batches. While
Redis is away the process keeps its own last requests, and the dashboard says that it shows one worker only.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import asdict, dataclass
from time import time
from typing import Any

import orjson

from cachelayer import redis as redis_door
from cachelayer.redis import RedisUnavailable, namespaced
from cachelayer.trace import Trace

RECENT_KEY = "tel:recent"
RECENT_LENGTH = 500
RECENT_TTL_SECONDS = 3600
OUTCOMES_KEY = "tel:outcomes:{minute}"
OUTCOMES_TTL_SECONDS = 3600
FLUSH_SECONDS = 0.25
_QUEUE_LENGTH = 5000


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as it is kept.

    Attributes:
        at: when it ended, seconds since the epoch.
        route: the URL pattern's name, bounded in number, unlike paths.
        elapsed_ms: time from the first middleware to the finished response.
        outcome: an :class:`~cachelayer.outcomes.Outcome` value, or empty when no cached read took place.
        source: where the answer came from, or empty.
        key: the cache key of the first cached read, or empty.
        spans: self time by step, in ms.
    """

    at: float
    route: str
    method: str
    path: str
    status: int
    elapsed_ms: float
    outcome: str
    source: str
    key: str
    spans: dict[str, float]


class Recorder:
    """Takes samples on the request's path and ships them off it."""

    def __init__(self) -> None:
        self._queue: deque[Sample] = deque(maxlen=_QUEUE_LENGTH)
        self._recent: deque[Sample] = deque(maxlen=RECENT_LENGTH)
        self._wake = threading.Event()
        self._owner_pid = 0
        self._start_lock = threading.Lock()

    def record(self, sample: Sample) -> None:
        """Keep ``sample``; never blocks and never fails."""
        self._recent.appendleft(sample)
        self._queue.append(sample)
        # A thread does not survive fork(), so each worker starts its own with its first request.
        if self._owner_pid != os.getpid():
            self._start_thread()

    def recent_of_this_process(self, limit: int) -> list[Sample]:
        """Return the newest samples that this process recorded, newest first."""
        return list(self._recent)[:limit]

    def flush(self) -> int:
        """Write the queued samples to Redis and return how many; they are dropped if Redis refuses them."""
        batch: list[Sample] = []
        while self._queue:
            batch.append(self._queue.popleft())
        if not batch:
            return 0
        try:
            redis_door.run(lambda client: _write(client, batch), name="telemetry")
        except RedisUnavailable:
            return 0
        return len(batch)

    def _start_thread(self) -> None:
        with self._start_lock:
            if self._owner_pid == os.getpid():
                return
            self._owner_pid = os.getpid()
            threading.Thread(target=self._ship, name="telemetry", daemon=True).start()

    def _ship(self) -> None:
        while True:
            self._wake.wait(FLUSH_SECONDS)
            self.flush()


recorder = Recorder()


def sample_of(trace: Trace, *, route: str, method: str, path: str, status: int) -> Sample:
    """Condense a finished trace."""
    lookup = trace.lookups[0] if trace.lookups else None
    outcome = trace.outcome
    return Sample(
        at=time(),
        route=route,
        method=method,
        path=path[:200],
        status=status,
        elapsed_ms=round(trace.elapsed_ms(), 3),
        outcome=outcome.value if outcome else "",
        source=lookup.source if lookup else "",
        key=lookup.key if lookup else "",
        spans={name: round(ms, 3) for name, ms in trace.self_ms_by_name().items()},
    )


def recent_samples(limit: int) -> tuple[list[Sample], bool]:
    """Return the newest samples, newest first, and whether they cover all workers (false while Redis is away)."""
    try:
        rows = redis_door.run(lambda client: client.lrange(namespaced(RECENT_KEY), 0, limit - 1), name="telemetry")
    except RedisUnavailable:
        return recorder.recent_of_this_process(limit), False
    return [Sample(**orjson.loads(row)) for row in rows], True


def outcome_counts(minutes: int) -> dict[str, int]:
    """Return how often each outcome occurred in the last ``minutes``, over all workers; empty while Redis is away."""
    this_minute = int(time() // 60)

    def read(client: Any) -> list[dict[bytes, bytes]]:
        pipeline = client.pipeline(transaction=False)
        for minute in range(this_minute - minutes + 1, this_minute + 1):
            pipeline.hgetall(namespaced(OUTCOMES_KEY.format(minute=minute)))
        rows: list[dict[bytes, bytes]] = pipeline.execute()
        return rows

    totals: dict[str, int] = {}
    try:
        for row in redis_door.run(read, name="telemetry"):
            for outcome, count in row.items():
                totals[outcome.decode()] = totals.get(outcome.decode(), 0) + int(count)
    except RedisUnavailable:
        return {}
    return totals


def _write(client: Any, batch: list[Sample]) -> None:
    pipeline = client.pipeline(transaction=False)
    recent = namespaced(RECENT_KEY)
    pipeline.lpush(recent, *(orjson.dumps(asdict(sample)) for sample in batch[-RECENT_LENGTH:]))
    pipeline.ltrim(recent, 0, RECENT_LENGTH - 1)
    pipeline.expire(recent, RECENT_TTL_SECONDS)
    outcomes = namespaced(OUTCOMES_KEY.format(minute=int(time() // 60)))
    counts: dict[str, int] = {}
    for sample in batch:
        if sample.outcome:
            counts[sample.outcome] = counts.get(sample.outcome, 0) + 1
    for outcome, count in counts.items():
        pipeline.hincrby(outcomes, outcome, count)
    if counts:
        pipeline.expire(outcomes, OUTCOMES_TTL_SECONDS)
    pipeline.execute()
