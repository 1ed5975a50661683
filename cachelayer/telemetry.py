"""What the dashboard and ``/metrics`` know: recent requests and counters, shared by all workers through Redis.

A request only appends to a bounded queue in memory; a daemon thread writes the queue to Redis in batches. While
Redis is away the process keeps its own last requests, and the dashboard says that it shows one worker only.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
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
TOTALS_KEY = "tel:totals"
TOTALS_TTL_SECONDS = 30 * 86_400
FLUSH_SECONDS = 0.25
_QUEUE_LENGTH = 5000


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as it is kept.

    Attributes:
        at: when it ended, seconds since the epoch.
        route: the URL pattern's name, bounded in number, unlike paths.
        elapsed_ms: time from the first middleware to the finished response.
        outcome: the least favourable :class:`~cachelayer.outcomes.Outcome` of the request's cached reads, or empty.
        source: where that read's answer came from, or empty.
        key: the cache key of that read, or empty.
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


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters since Redis began to keep them, over all workers.

    Attributes:
        requests: by route and status.
        elapsed_ms: summed time by route.
        outcomes: requests by outcome of their cached reads.
    """

    requests: dict[tuple[str, str], int]
    elapsed_ms: dict[str, float]
    outcomes: dict[str, int]


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
    outcome = trace.outcome
    # Of several reads, the one that explains the outcome is kept.
    lookup = next((lookup for lookup in trace.lookups if lookup.outcome is outcome), None)
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


def totals() -> Totals:
    """Return the counters; empty while Redis is away."""
    counted = Totals({}, {}, {})
    try:
        row = redis_door.run(lambda client: client.hgetall(namespaced(TOTALS_KEY)), name="telemetry")
    except RedisUnavailable:
        return counted
    for field, value in row.items():
        match field.decode().split("|"):
            case ["requests", route, status]:
                counted.requests[route, status] = int(value)
            case ["ms", route]:
                counted.elapsed_ms[route] = float(value)
            case ["outcome", outcome]:
                counted.outcomes[outcome] = int(value)
    return counted


def _write(client: Any, batch: list[Sample]) -> None:
    pipeline = client.pipeline(transaction=False)
    recent = namespaced(RECENT_KEY)
    pipeline.lpush(recent, *(orjson.dumps(asdict(sample)) for sample in batch[-RECENT_LENGTH:]))
    pipeline.ltrim(recent, 0, RECENT_LENGTH - 1)
    pipeline.expire(recent, RECENT_TTL_SECONDS)
    outcomes = namespaced(OUTCOMES_KEY.format(minute=int(time() // 60)))
    for outcome, count in Counter(sample.outcome for sample in batch if sample.outcome).items():
        pipeline.hincrby(outcomes, outcome, count)
    pipeline.expire(outcomes, OUTCOMES_TTL_SECONDS)
    _add_to_totals(pipeline, batch)
    pipeline.execute()


def _add_to_totals(pipeline: Any, batch: list[Sample]) -> None:
    totals_key = namespaced(TOTALS_KEY)
    for (route, status), count in Counter((sample.route, sample.status) for sample in batch).items():
        pipeline.hincrby(totals_key, f"requests|{route}|{status}", count)
    for outcome, count in Counter(sample.outcome for sample in batch if sample.outcome).items():
        pipeline.hincrby(totals_key, f"outcome|{outcome}", count)
    for route in {sample.route for sample in batch}:
        spent_ms = sum(sample.elapsed_ms for sample in batch if sample.route == route)
        pipeline.hincrbyfloat(totals_key, f"ms|{route}", round(spent_ms, 3))
    pipeline.expire(totals_key, TOTALS_TTL_SECONDS)
