"""What the engine of this process is doing, for metrics and dashboards; asks no server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from cachelayer.loading import leases
from cachelayer.loading.leases import LeaseCounts
from cachelayer.loading.values import undecodable
from cachelayer.runtime import L1_BYTES, bus, flights, hot_keys, local, redis_reads, refresher
from cachelayer.server import door


@dataclass(frozen=True, slots=True)
class BreakerState:
    """The circuit to Redis; ``reason`` and ``since`` tell of the failures since the last success."""

    is_open: bool
    failures: int
    reason: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class EngineState:
    """What the engine of this process is doing.

    Attributes:
        l1_entries: values in L1.
        l1_bytes: what they take decoded, estimated.
        connected: whether invalidations of other processes arrive.
        pending_writes: invalidations that Redis could not be told yet.
        hot_keys: the most read keys with their share of the reads.
        l1_max_bytes: what L1 may hold.
        l1_hits: reads of L1 that found a value, since the process began.
        l1_misses: those that did not.
        in_doubt: whether Redis is not read, because another server may have taken over from the one known.
        generations: tags that have moved on in the last month.
        breaker: the circuit to Redis.
        leases: what became of this process's wishes to load.
        loads_under_way: loads that others may wait for.
        reads_under_way: reads of Redis that others may wait for.
        refreshes_under_way: refreshes running or waiting.
        refreshes_failing: keys with an old value whose last load failed.
        refreshes_dropped: refreshes given up because too many waited.
        undecodable: stored values that could not be read.
    """

    l1_entries: int
    l1_bytes: int
    connected: bool
    pending_writes: int
    hot_keys: tuple[tuple[str, float], ...]
    l1_max_bytes: int
    l1_hits: int
    l1_misses: int
    in_doubt: bool
    generations: int
    breaker: BreakerState
    leases: LeaseCounts
    loads_under_way: int
    reads_under_way: int
    refreshes_under_way: int
    refreshes_failing: int
    refreshes_dropped: int
    undecodable: int


def engine_state() -> EngineState:
    """Return the state of this process's engine."""
    entries, size = local.usage()
    hits, misses = local.reads()
    under_way, failing, dropped = refresher.usage()
    breaker = door.breaker
    return EngineState(
        l1_entries=entries,
        l1_bytes=size,
        connected=bus.is_connected,
        pending_writes=bus.pending_writes,
        hot_keys=tuple(hot_keys.top(10)),
        l1_max_bytes=L1_BYTES,
        l1_hits=hits,
        l1_misses=misses,
        in_doubt=bus.is_in_doubt,
        generations=len(bus.snapshot()),
        breaker=BreakerState(breaker.is_open, breaker.failures, breaker.reason, breaker.since),
        leases=replace(leases.counts),
        loads_under_way=flights.under_way(),
        reads_under_way=redis_reads.under_way(),
        refreshes_under_way=under_way,
        refreshes_failing=failing,
        refreshes_dropped=dropped,
        undecodable=undecodable.count,
    )
