"""The state of one replica set: who is in which role, how far behind, and how long the oplog reaches back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from catalog.cluster.nodes import Access, reason_of

_NOT_YET_INITIALIZED = 94
_HEALTHY = frozenset({"PRIMARY", "SECONDARY", "ARBITER"})


@dataclass(frozen=True, slots=True)
class Member:
    """A server of a replica set.

    Attributes:
        role: MongoDB's word for its state: ``PRIMARY``, ``SECONDARY``, ``(not reachable/healthy)``, …
        healthy: it answers and takes part.
        lag_seconds: how much younger the primary's last write is; ``None`` where there is nothing to compare.
    """

    host: str
    role: str
    healthy: bool
    lag_seconds: float | None
    uptime_seconds: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """A replica set as one of its members describes it.

    Attributes:
        kind: ``data``, ``config`` or ``shard``.
        oplog_hours: how long a member may be away and still catch up; ``None`` where it could not be read.
        error: why nothing is known; empty where something is.
    """

    name: str
    kind: str
    members: tuple[Member, ...] = ()
    oplog_hours: float | None = None
    error: str = ""

    @property
    def primary(self) -> Member | None:
        return next((member for member in self.members if member.role == "PRIMARY" and member.healthy), None)

    @property
    def healthy_members(self) -> int:
        return sum(member.healthy for member in self.members)

    @property
    def has_majority(self) -> bool:
        return self.healthy_members * 2 > len(self.members)


def read_replica_set(access: Access, name: str, hosts: tuple[str, ...], *, kind: str) -> ReplicaSet:
    """Ask the members one after the other until one describes the set."""
    problems: list[str] = []
    for host in hosts:
        try:
            with access.node(host) as client:
                status = client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == _NOT_YET_INITIALIZED:
                problems.append(f"{host} is not yet a member of a replica set")
                continue
            problems.append(f"{host} refuses: {reason_of(error)}")
        except PyMongoError as error:
            problems.append(f"{host}: {reason_of(error)}")
        else:
            found = ReplicaSet(name=status["set"], kind=kind, members=_members(status))
            return _with_oplog(access, found)
    return ReplicaSet(name=name, kind=kind, error="; ".join(problems)[:400] or "no member is known")


def _members(status: Mapping[str, Any]) -> tuple[Member, ...]:
    newest = next((_optime(member) for member in status["members"] if member["stateStr"] == "PRIMARY"), None)
    return tuple(_member(member, newest) for member in status["members"])


def _member(told: Mapping[str, Any], newest: datetime | None) -> Member:
    healthy = told.get("health") == 1 and told["stateStr"] in _HEALTHY
    applied = _optime(told)
    lag = None
    if healthy and newest is not None and applied is not None:
        lag = max((newest - applied).total_seconds(), 0.0)
    note = told.get("lastHeartbeatMessage", "") if not healthy else ""
    return Member(told["name"], told["stateStr"], healthy, lag, int(told.get("uptime", 0)), note[:200])


def _optime(told: Mapping[str, Any]) -> datetime | None:
    found = told.get("optimeDate")
    # A member that cannot be reached is reported with the time 0.
    return found if isinstance(found, datetime) and found.year > 1970 else None


def _with_oplog(access: Access, found: ReplicaSet) -> ReplicaSet:
    source = found.primary or next((member for member in found.members if member.healthy), None)
    if source is None:
        return found
    try:
        with access.node(source.host) as client:
            oplog = client.admin.command("serverStatus", oplog=1, metrics=0, wiredTiger=0).get("oplog", {})
    except PyMongoError:
        return found
    first, last = oplog.get("earliestOptime"), oplog.get("latestOptime")
    if not (isinstance(first, Timestamp) and isinstance(last, Timestamp)):
        return found
    hours = round((last.time - first.time) / 3600, 2)
    return ReplicaSet(found.name, found.kind, found.members, hours)
