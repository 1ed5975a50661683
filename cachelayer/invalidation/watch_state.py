"""How far behind the invalidation by change streams is: told by the watcher, read by health, metrics and dashboard."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from time import time

import orjson

from cachelayer.server import door
from cachelayer.server.door import RedisUnavailable, namespaced

_KEY = "tel:watch"
_TTL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class WatchState:
    """What the watcher of the database last said.

    Attributes:
        lag_ms: milliseconds from the oldest write of the last batch to the moment when all caches had been told.
        worst_lag_ms: the largest lag of the last minute.
        events: changes told since the watcher started.
        supported: false where the database has no change streams, so that only the write path invalidates.
        at: when this was said, in seconds since the epoch.
    """

    lag_ms: float = 0.0
    worst_lag_ms: float = 0.0
    events: int = 0
    supported: bool = True
    at: float = field(default_factory=time)


def publish_watch_state(state: WatchState) -> None:
    """Say where the watcher stands; where Redis is away, nobody hears it."""
    try:
        door.run(lambda client: client.set(namespaced(_KEY), orjson.dumps(asdict(state)), ex=_TTL_SECONDS))
    except RedisUnavailable:
        return


def read_watch_state() -> WatchState | None:
    """Return what the watcher said in the last seconds; ``None`` where no watcher runs or Redis is away."""
    try:
        raw = door.run(lambda client: client.get(namespaced(_KEY)), name="telemetry")
    except RedisUnavailable:
        return None
    return WatchState(**orjson.loads(raw)) if raw else None
