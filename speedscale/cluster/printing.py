"""The state of all servers as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from cachelayer.server.state import RedisState
from catalog.cluster.distribution import Sharding
from catalog.cluster.replication import Member, ReplicaSet
from speedscale.cluster.verdict import ClusterState


def lines_of(state: ClusterState) -> Iterator[str]:
    """Yield the verdict, its reasons, and every server."""
    yield f"{state.verdict.value.upper()}"
    yield from (f"  ! {reason}" for reason in state.reasons)
    yield from (f"  - {note}" for note in state.notes)
    mongodb = state.mongodb
    yield ""
    yield f"MongoDB {mongodb.version} ({mongodb.topology})".replace("  ", " ")
    for found in mongodb.sets:
        yield from _set_lines(found)
    if mongodb.sharding is not None:
        yield from _sharding_lines(mongodb.sharding)
    yield ""
    yield from _redis_lines(state.redis)


def _set_lines(found: ReplicaSet) -> Iterator[str]:
    oplog = "" if found.oplog_hours is None else f", oplog {found.oplog_hours:.1f} h"
    yield f"  {found.name} ({found.kind}){oplog}"
    for member in found.members:
        yield f"    {member.host:<28} {member.role:<26} {_lag(member)}"


def _lag(member: Member) -> str:
    if not member.healthy:
        return member.note
    return "" if member.lag_seconds is None or member.role == "PRIMARY" else f"{member.lag_seconds:.0f} s behind"


def _sharding_lines(sharding: Sharding) -> Iterator[str]:
    yield f"  balancer {sharding.balancer}{', at work' if sharding.balancing else ''}"
    for collection in sharding.collections:
        yield f"  {collection.namespace} sharded on {{{collection.key}}}"
        for part in collection.parts:
            counted = f"{part.documents:>13,} documents {part.share:>6.1%} {human_bytes(part.size_bytes):>10}"
            yield f"    {part.shard:<20} {part.chunks:>5} chunks {counted if collection.counted else ''}"


def _redis_lines(redis: RedisState) -> Iterator[str]:
    yield f"Redis ({redis.kind})"
    for node in redis.nodes:
        if not node.version:
            yield f"    {node.address:<28} {node.role:<8} link {node.link}"
            continue
        bound = human_bytes(node.maxmemory_bytes) if node.maxmemory_bytes else "no bound"
        yield (
            f"    {node.address:<28} {node.role:<8} {node.version:<8} {human_bytes(node.memory_bytes)} of {bound}, "
            f"{node.evicted:,} evicted, {node.persistence}, {node.replicas} replicas"
        )
    if redis.sentinels:
        yield f"  {redis.sentinels} Sentinels answer, {redis.quorum} must agree"
    yield f"  {redis.application_processes} web processes on {redis.application_hosts} hosts follow the invalidations"


def human_bytes(number: float) -> str:
    """Return a size in the unit that suits it, such as ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
