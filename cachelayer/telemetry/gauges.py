"""What a process tells of its own engine, beside its counters."""

from __future__ import annotations

import redis

from cachelayer.health import states_of_this_process
from cachelayer.runtime import bus, local
from cachelayer.server import door
from cachelayer.telemetry import recorder
from cachelayer.telemetry.node import register_fact, register_gauge
from cachelayer.web.occupancy import occupancy


def register_gauges() -> None:
    """Name the figures; those of several labels carry the label behind a bar."""
    register_gauge("alive", lambda: 1.0)
    register_gauge("requests_in_flight", occupancy.mean)
    register_gauge("breaker_open|redis", lambda: float(door.breaker.is_open))
    register_gauge("l1_entries", lambda: float(local.usage()[0]))
    register_gauge("l1_bytes", lambda: float(local.usage()[1]))
    register_gauge("invalidations_pending", lambda: float(bus.pending_writes))
    register_gauge("invalidations_connected", lambda: float(bus.is_connected))
    register_gauge("telemetry_dropped", lambda: float(recorder.dropped))
    register_gauge("pool_in_use|redis", _redis_in_use)
    register_fact("health", states_of_this_process)


def _redis_in_use() -> float:
    try:
        pool = getattr(door.client(), "connection_pool", None)
    except redis.RedisError:
        return 0.0
    # redis-py tells this nowhere else, and of a Cluster not at all: that is told as nothing in use.
    return float(len(getattr(pool, "_in_use_connections", ())))
