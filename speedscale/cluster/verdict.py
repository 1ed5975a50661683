"""One verdict over all servers, with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from django.conf import settings

from cachelayer.server.state import RedisState, read_redis
from catalog.cluster.replication import ReplicaSet
from catalog.cluster.status import MongoState, read_mongodb

MAX_LAG_SECONDS = 10.0
"""A secondary further behind is a reason for concern: reads from it are old, a failover to it takes longer."""
MIN_OPLOG_HOURS = 24.0
"""Reported for sets that have run for longer than this: a shorter window leaves too little time for a repair."""
MAX_IMBALANCE = 0.10
"""How far the share of a shard may be from an even one before it is told."""
_ENOUGH_DOCUMENTS = 10_000
_NEARLY_FULL = 0.98


class Verdict(Enum):
    """How the whole does; the value is what a command and a page print."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All servers, the verdict, its reasons, and notes that change no verdict."""

    verdict: Verdict
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    mongodb: MongoState
    redis: RedisState

    def as_json(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return {**asdict(self), "verdict": self.verdict.value}


def read_cluster() -> ClusterState:
    """Ask MongoDB and Redis of the settings and judge what they tell."""
    return judge(read_mongodb(settings.MONGO_URI, settings.MONGO_DB), read_redis(settings.REDIS_URL))


def judge(mongodb: MongoState, redis: RedisState) -> ClusterState:
    """Return the verdict: down where products cannot be read or written, degraded where something is missing."""
    down = list(_down(mongodb))
    degraded = [*_degraded(mongodb), *_redis_reasons(redis)]
    verdict = Verdict.DOWN if down else Verdict.DEGRADED if degraded else Verdict.HEALTHY
    return ClusterState(verdict, (*down, *degraded), (*_notes(mongodb), *_redis_notes(redis)), mongodb, redis)


def _label(found: ReplicaSet) -> str:
    return {"config": "the config servers", "shard": f"shard {found.name}"}.get(found.kind, f"set {found.name}")


def _down(mongodb: MongoState) -> Iterator[str]:
    if mongodb.error:
        yield f"MongoDB: {mongodb.error}"
    for found in mongodb.sets:
        if found.error:
            yield f"{_label(found)}: {found.error}"
        elif found.primary is None:
            why = "no majority of its members answers" if not found.has_majority else "it is electing one"
            yield f"{_label(found)} has no primary: {why}"
    if mongodb.sharding is not None and not mongodb.sharding.shards:
        yield "mongos knows no shard yet: run `manage.py cluster_init`"


def _degraded(mongodb: MongoState) -> Iterator[str]:
    for found in mongodb.sets:
        for member in found.members:
            if not member.healthy:
                yield f"{_label(found)}: {member.host} is {member.role.strip('()').lower()}"
            elif member.lag_seconds is not None and member.lag_seconds > MAX_LAG_SECONDS:
                yield f"{_label(found)}: {member.host} is {member.lag_seconds:.0f} s behind"
    sharding = mongodb.sharding
    if sharding is None:
        return
    if sharding.balancer == "off":
        yield "the balancer is off: shards will not even out"
    for shard in sharding.shards:
        if shard.draining:
            yield f"shard {shard.name} is being emptied"
    for collection in sharding.collections:
        even = 1 / max(len(sharding.shards), 1)
        if sum(part.documents for part in collection.parts) < _ENOUGH_DOCUMENTS:
            continue
        for part in collection.parts:
            if abs(part.share - even) > MAX_IMBALANCE:
                yield f"{collection.namespace}: shard {part.shard} holds {part.share:.0%}, an even share is {even:.0%}"


def _redis_reasons(redis: RedisState) -> Iterator[str]:
    if redis.error:
        yield f"Redis: {redis.error}"
    yield from (f"Redis: {problem}" for problem in redis.problems)
    if redis.kind == "sentinel" and redis.quorum and redis.sentinels < redis.quorum:
        yield f"Redis: {redis.sentinels} Sentinels answer, {redis.quorum} must agree before another master is made"


def _notes(mongodb: MongoState) -> Iterator[str]:
    if mongodb.topology == "standalone":
        yield "MongoDB is no replica set: change streams and transactions need one"
    for found in mongodb.sets:
        if len(found.members) == 1 and found.kind != "config":
            yield f"{_label(found)} has one member: nothing takes over when it fails"
        if found.oplog_hours is not None and _is_short(found):
            yield f"{_label(found)}: the oplog reaches back {found.oplog_hours:.1f} h, below {MIN_OPLOG_HOURS:.0f} h"


def _is_short(found: ReplicaSet) -> bool:
    # A young set has a short oplog because nothing is older.
    oldest = max((member.uptime_seconds for member in found.members), default=0)
    return (found.oplog_hours or 0) < MIN_OPLOG_HOURS < oldest / 3600


def _redis_notes(redis: RedisState) -> Iterator[str]:
    for node in redis.nodes:
        if node.maxmemory_bytes and node.memory_bytes > _NEARLY_FULL * node.maxmemory_bytes:
            yield f"Redis {node.address} is full and evicts: more memory would keep more answers"
    if redis.kind == "single" and redis.nodes:
        yield "Redis is one server: while it is away, pages are answered by MongoDB"
