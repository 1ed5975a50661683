"""The telemetry in Redis: histograms and sums by slot of time, and a log of single requests.

``tel:h:<length>:<slot>:<series>`` is a histogram (a string of 32-bit counters), ``tel:c:<length>:<slot>`` a hash of
sums, ``tel:series`` the known series by the time of their last request, ``tel:log`` a stream of requests. All workers
and nodes add to the same keys. ``tel:epoch`` differs once they have been cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from secrets import token_hex
from time import time
from typing import Any, TypeVar

from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced
from cachelayer.telemetry.samples import Sample, json_of_sample, sample_of_json
from cachelayer.telemetry.tally import MAX_SERIES, RESOLUTIONS, Slot, Tally

T = TypeVar("T")

SERIES_KEY = "tel:series"
LOG_KEY = "tel:log"
EPOCH_KEY = "tel:epoch"
LOG_LENGTH = 10_000
"""How many single requests are kept; the oldest go first."""
LOG_SECONDS = 24 * 3600
_KEEP_SECONDS = {each.seconds: each.keep_seconds for each in RESOLUTIONS}
_COMMANDS_AT_ONCE = 400


def histogram_key(slot: Slot, series: str) -> str:
    """Return the key of a histogram, as stored."""
    return namespaced(f"tel:h:{slot[0]}:{slot[1]}:{series}")


def sums_key(slot: Slot) -> str:
    """Return the key of the sums of a slot, as stored."""
    return namespaced(f"tel:c:{slot[0]}:{slot[1]}")


def write(tally: Tally, samples: list[Sample]) -> None:
    """Add what was counted and kept; raise :class:`~cachelayer.server.door.RedisUnavailable`.

    It is written in portions, so that a flood of slots after a pause of Redis keeps no other command waiting. What
    was written is taken out of ``tally``, so that nothing is counted twice when a later portion fails.
    """
    _write_log(samples)
    now = time()
    known = {series for _, series in tally.latencies}
    while tally.latencies:
        portion = [tally.latencies.popitem() for _ in range(min(_COMMANDS_AT_ONCE, len(tally.latencies)))]
        try:
            _run(partial(_add_latencies, rows=portion))
        except RedisUnavailable:
            tally.latencies.update(portion)
            raise
    sums, tally.sums = tally.sums, {}
    try:
        _run(lambda client: _add_sums(client, sums, known, now))
    except RedisUnavailable:
        tally.sums = sums
        raise


def _write_log(samples: list[Sample]) -> None:
    if not samples:
        return

    def append(client: Any) -> None:
        pipeline = client.pipeline(transaction=False)
        key = namespaced(LOG_KEY)
        for sample in samples:
            pipeline.xadd(key, {"r": json_of_sample(sample)}, maxlen=LOG_LENGTH, approximate=True)
        pipeline.expire(key, LOG_SECONDS)
        pipeline.execute()

    _run(append)


def _add_latencies(client: Any, rows: Iterable[tuple[tuple[Slot, str], dict[int, int]]]) -> None:
    pipeline = client.pipeline(transaction=False)
    for (slot, series), counts in rows:
        key = histogram_key(slot, series)
        # Saturating: a counter that is full stays full instead of beginning anew.
        arguments: list[Any] = ["OVERFLOW", "SAT"]
        for bucket, count in counts.items():
            arguments += ["INCRBY", "u32", f"#{bucket}", count]
        pipeline.execute_command("BITFIELD", key, *arguments)
        pipeline.expire(key, _KEEP_SECONDS[slot[0]])
    pipeline.execute()


def _add_sums(client: Any, sums: dict[Slot, dict[str, int]], series: set[str], now: float) -> None:
    pipeline = client.pipeline(transaction=False)
    for slot, amounts in sums.items():
        key = sums_key(slot)
        for name, amount in amounts.items():
            pipeline.hincrby(key, name, amount)
        pipeline.expire(key, _KEEP_SECONDS[slot[0]])
    if series:
        key = namespaced(SERIES_KEY)
        pipeline.zadd(key, dict.fromkeys(series, now))
        # Several workers may know different ones; together they are not more than can be shown.
        pipeline.zremrangebyrank(key, 0, -MAX_SERIES - 1)
        pipeline.expire(key, LOG_SECONDS)
    pipeline.execute()


def read_series(since: float) -> tuple[list[str], bytes | None]:
    """Return the series that had a request since then, and what differs once the telemetry has been cleared.

    Raises:
        cachelayer.server.door.RedisUnavailable: Redis does not answer.
    """

    def read(client: Any) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        pipeline.zrangebyscore(namespaced(SERIES_KEY), since, "+inf")
        pipeline.get(namespaced(EPOCH_KEY))
        answers: list[Any] = pipeline.execute()
        return answers

    names, epoch = _run(read)
    return [name.decode() for name in names], epoch


def read_slots(slots: list[Slot], series: list[str]) -> tuple[list[bytes | None], list[dict[str, int]]]:
    """Return the histograms of ``slots`` (for each slot, those of all ``series``) and the sums of ``slots``."""
    # The same keys as histogram_key would give; they are so many that finding the prefix for each would show.
    any_histogram = namespaced("tel:h:")
    keys = [f"{any_histogram}{length}:{number}:{name}" for length, number in slots for name in series]

    def read(client: Any) -> tuple[list[bytes | None], list[Any]]:
        # Not in the pipeline: a Cluster has to spread it over its nodes.
        found = client.mget(keys) if keys else []
        pipeline = client.pipeline(transaction=False)
        for slot in slots:
            pipeline.hgetall(sums_key(slot))
        return found, pipeline.execute()

    histograms, rows = _run(read)
    return histograms, [{name.decode(): int(value) for name, value in row.items()} for row in rows]


def read_log(*, before: str = "+", after: str = "-", limit: int) -> list[Sample]:
    """Return kept requests, newest first.

    Args:
        before: the largest id to return, or with ``(`` in front the one to begin below.
        after: the smallest id to return; ids begin with milliseconds since the epoch.
        limit: how many at most.
    """
    rows = _run(lambda client: client.xrevrange(namespaced(LOG_KEY), before, after, count=limit))
    return [sample_of_json(fields[b"r"], identifier=identifier.decode()) for identifier, fields in rows]


def log_length() -> int:
    """Return how many single requests are kept at present."""
    return int(_run(lambda client: client.xlen(namespaced(LOG_KEY))))


def clear() -> None:
    """Forget all requests and counts, a portion at a time; raise :class:`~cachelayer.server.door.RedisUnavailable`."""
    patterns = (namespaced("tel:h:*"), namespaced("tel:c:*"))
    _run(lambda client: client.unlink(namespaced(LOG_KEY), namespaced(SERIES_KEY)))
    for pattern in patterns:
        cursor = 0
        while True:
            cursor, keys = _run(partial(_scan, cursor=cursor, pattern=pattern))
            if keys:
                _run(partial(_unlink, keys=keys))
            if not cursor:
                break
    # Last, so that nobody keeps what was still there after having seen it.
    _run(lambda client: client.set(namespaced(EPOCH_KEY), token_hex(8), ex=LOG_SECONDS))


def _scan(client: Any, cursor: int, pattern: str) -> tuple[int, list[bytes]]:
    found: tuple[int, list[bytes]] = client.scan(cursor, match=pattern, count=500)
    return found


def _unlink(client: Any, keys: list[bytes]) -> None:
    client.unlink(*keys)


def _run(operation: Callable[[Any], T]) -> T:
    return door.run(operation, name="telemetry")
