"""What a cluster shall be made of, as ``manage.py cluster_init`` is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from catalog.cluster.distribution import split_set

_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})$")
_NAME = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")


class PlanError(ValueError):
    """What was asked for cannot be; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class SetPlan:
    """A replica set that shall be: its name and the addresses of its members, by which they reach each other."""

    name: str
    hosts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}/{','.join(self.hosts)}"


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """A zone and its shards; zones divide the range of hashed ids evenly, in the order in which they are given."""

    name: str
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Replica sets alone, or config servers, shards and a ``mongos``."""

    sets: tuple[SetPlan, ...] = ()
    config: SetPlan | None = None
    shards: tuple[SetPlan, ...] = ()
    mongos: str = ""
    zones: tuple[ZonePlan, ...] = ()

    @property
    def all_sets(self) -> tuple[SetPlan, ...]:
        return (*((self.config,) if self.config else ()), *self.shards, *self.sets)


def parse_set(text: str) -> SetPlan:
    """Read ``name/host:port,host:port``; raise :class:`PlanError` for anything else."""
    name, hosts = split_set(text.strip())
    if not _NAME.match(name) or not hosts:
        raise PlanError(f"{text!r} names no replica set: expected such as shard1/host1:27017,host2:27017,host3:27017")
    for host in hosts:
        match = _HOST.match(host)
        if match is None or not 0 < int(match["port"]) < 65536:
            raise PlanError(f"{host!r} in {text!r} is no address: expected such as host1:27017")
    if len(set(hosts)) < len(hosts):
        raise PlanError(f"{text!r} names a member twice")
    return SetPlan(name, hosts)


def parse_zone(text: str) -> ZonePlan:
    """Read ``zone=shard,shard``; raise :class:`PlanError` for anything else."""
    name, _, shards = text.partition("=")
    found = tuple(shard.strip() for shard in shards.split(",") if shard.strip())
    if not _NAME.match(name.strip()) or not found:
        raise PlanError(f"{text!r} is no zone: expected such as europe=shard1,shard2")
    return ZonePlan(name.strip(), found)


def make_plan(
    *, sets: Sequence[str], config: str, shards: Sequence[str], mongos: str, zones: Sequence[str]
) -> ClusterPlan:
    """Put a plan together; raise :class:`PlanError` where parts contradict each other."""
    plan = ClusterPlan(
        sets=tuple(parse_set(text) for text in sets),
        config=parse_set(config) if config else None,
        shards=tuple(parse_set(text) for text in shards),
        mongos=mongos.strip(),
        zones=tuple(parse_zone(text) for text in zones),
    )
    names = [one.name for one in plan.all_sets]
    hosts = [host for one in plan.all_sets for host in one.hosts]
    if len(set(names)) < len(names) or len(set(hosts)) < len(hosts):
        raise PlanError("a name or an address occurs in two replica sets")
    if plan.shards and not plan.mongos:
        raise PlanError("shards are added through mongos: name one with --mongos host:port")
    unknown = {shard for zone in plan.zones for shard in zone.shards} - {shard.name for shard in plan.shards}
    if unknown:
        raise PlanError(f"zones name shards that are not in the plan: {', '.join(sorted(unknown))}")
    if plan.mongos and not _HOST.match(plan.mongos):
        raise PlanError(f"{plan.mongos!r} is no address of mongos: expected such as mongos:27017")
    return plan
