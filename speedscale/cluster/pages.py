"""What the pages about the servers show, in words and figures that templates only place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from cachelayer.server.state import RedisNode
from cachelayer.web.presentation import format_long
from catalog.cluster.replication import Member, ReplicaSet
from catalog.cluster.routing import Route, route_of
from catalog.mongo import reading, within
from catalog.search.index_keys import ANY_TERM
from speedscale.cluster.printing import human_bytes
from speedscale.cluster.verdict import ClusterState, read_cluster

_KEEP_SECONDS = 3.0
_BADGES = {"healthy": "healthy", "degraded": "degraded", "down": "unhealthy"}
_REDIS_KINDS = {"single": "one server"}
_KINDS = {"data": "replica set", "config": "config servers", "shard": "shard"}


class _Recent:
    """The state as of a moment ago: asking all servers takes time, and a page may be asked for by many."""

    def __init__(self, read: Callable[[], ClusterState]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._state: ClusterState | None = None
        self._key: tuple[str, ...] = ()
        self._until = 0.0

    def get(self) -> ClusterState:
        with self._lock:
            key = (settings.MONGO_URI, settings.MONGO_DB, settings.REDIS_URL)
            if self._state is None or time.monotonic() >= self._until or key != self._key:
                self._state, self._key = self._read(), key
                self._until = time.monotonic() + _KEEP_SECONDS
            return self._state


_recent = _Recent(read_cluster)


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server in a table."""

    address: str
    role: str
    up: bool
    note: str


@dataclass(frozen=True, slots=True)
class ServerGroup:
    """Servers that belong together."""

    title: str
    aside: str
    rows: tuple[ServerRow, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ShareRow:
    """What a shard holds of a collection; ``width`` is for a bar of 100."""

    collection: str
    shard: str
    chunks: str
    documents: str
    size: str
    share: str
    width: str


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """The page about all servers."""

    badge: str
    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    groups: tuple[ServerGroup, ...]
    shares: tuple[ShareRow, ...]
    balancer: str
    application: str


def build_cluster_page() -> ClusterPage:
    """Ask the servers, or take what they told a moment ago, and put it into words."""
    state = _recent.get()
    sharding = state.mongodb.sharding
    redis = state.redis
    groups = [_set_group(found) for found in state.mongodb.sets]
    if redis.nodes:
        aside = (
            f"{redis.sentinels} Sentinels answer, {redis.quorum} must agree"
            if redis.sentinels
            else _REDIS_KINDS.get(redis.kind, redis.kind)
        )
        groups.append(ServerGroup("Redis", aside, tuple(_redis_row(node) for node in redis.nodes)))
    return ClusterPage(
        badge=_BADGES[state.verdict.value],
        verdict=state.verdict.value,
        reasons=state.reasons,
        notes=state.notes,
        groups=tuple(groups),
        shares=_shares(state),
        balancer="" if sharding is None else f"balancer {sharding.balancer}{', at work' if sharding.balancing else ''}",
        application=_application(redis.application_processes, redis.application_hosts),
    )


def _application(processes: int, hosts: int) -> str:
    follow = "follows" if processes == 1 else "follow"
    return f"{_counted(processes, 'process', 'processes')} on {_counted(hosts, 'host')} {follow} the invalidations."


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _took(milliseconds: int) -> str:
    # MongoDB tells whole milliseconds.
    return f"{milliseconds:,} ms" if milliseconds else "less than 1 ms"


def _set_group(found: ReplicaSet) -> ServerGroup:
    version = _KINDS.get(found.kind, found.kind)
    oplog = "" if found.oplog_hours is None else f", oplog reaches back {format_long(found.oplog_hours * 3600)}"
    return ServerGroup(
        f"MongoDB {found.name}", version + oplog, tuple(_member_row(one) for one in found.members), found.error
    )


def _member_row(member: Member) -> ServerRow:
    note = member.note
    if member.healthy and member.role != "PRIMARY" and member.lag_seconds is not None:
        note = f"{member.lag_seconds:.0f} s behind"
    return ServerRow(member.host, member.role.strip("()").lower(), member.healthy, note)


def _redis_row(node: RedisNode) -> ServerRow:
    if not node.version:
        return ServerRow(node.address, node.role, node.link == "up", "")
    bound = f" of {human_bytes(node.maxmemory_bytes)}" if node.maxmemory_bytes else ""
    note = f"{human_bytes(node.memory_bytes)}{bound}, {node.evicted:,} evicted, {node.persistence}"
    return ServerRow(node.address, node.role, node.link == "up", note)


def _shares(state: ClusterState) -> tuple[ShareRow, ...]:
    if state.mongodb.sharding is None:
        return ()
    return tuple(
        ShareRow(
            collection.namespace,
            part.shard,
            f"{part.chunks:,}",
            f"{part.documents:,}" if collection.counted else "–",
            human_bytes(part.size_bytes) if collection.counted else "–",
            f"{part.share:.1%}" if collection.counted else "–",
            f"{100 * part.share:.1f}",
        )
        for collection in state.mongodb.sharding.collections
        for part in collection.parts
    )


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way in which a command can be routed, tried on the user's own data."""

    title: str
    command: str
    reach: str
    why: str
    targeted: bool
    took: str
    examined: str


def build_patterns() -> tuple[Pattern, ...]:
    """Try the three ways on real products: by id, by some ids, by search.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
    """
    with reading() as shop:
        ids = [row["_id"] for row in shop["products"].find({"active": True}, {"_id": 1}).limit(20)]
    if not ids:
        return ()
    return (
        _pattern("A product page", {"find": "products", "filter": {"_id": ids[0]}, "limit": 1}),
        _pattern("Similar products", {"find": "products", "filter": {"_id": {"$in": ids}}}),
        _pattern(
            "A search",
            {
                "find": "products",
                "filter": {"terms": {"$all": [ANY_TERM]}},
                "sort": {"order.popularity": -1},
                "limit": 20,
            },
        ),
    )


def _pattern(title: str, command: dict[str, Any]) -> Pattern:
    route: Route = route_of(command)
    with reading() as shop, within(1000):
        told = shop.command("explain", command, verbosity="executionStats")
    stats = told.get("executionStats", {})
    return Pattern(
        title=title,
        command=_text(command),
        reach=route.reach.value,
        why=route.why,
        targeted=route.reach.name == "ONE",
        took=_took(int(stats.get("executionTimeMillis", 0))),
        examined=f"{_counted(int(stats.get('totalDocsExamined', 0)), 'document')} and "
        f"{_counted(int(stats.get('totalKeysExamined', 0)), 'index entry', 'index entries')}",
    )


def _text(command: dict[str, Any]) -> str:
    parts = command["filter"]
    ids = parts.get("_id")
    if isinstance(ids, dict):
        return f"products.find({{_id: {{$in: [{len(ids['$in'])} ids]}}}})"
    if ids is not None:
        return f"products.find({{_id: ObjectId('{ids}')}})"
    return f"products.find({{terms: {{$all: ['{ANY_TERM}']}}}}).sort({{'order.popularity': -1}}).limit(20)"
