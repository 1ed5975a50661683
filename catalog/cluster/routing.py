"""Which shards a command would ask: by the router's own plan, or by the shard key where there is no router."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from catalog.cluster.sharding import SHARD_KEY, SHARDED
from catalog.commands import left_out_of


class Reach(Enum):
    """How far a command reaches."""

    ONE = "one shard"
    SOME = "the shards that hold these ids"
    ALL = "all shards"
    HOME = "one shard (not sharded)"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a command goes, and why."""

    reach: Reach
    why: str

    def __str__(self) -> str:
        return f"{self.reach.value}: {self.why}"


def route_of(command: Mapping[str, Any]) -> Route:
    """Return where ``mongos`` would send a command that reads, by the filter's conditions on the shard key."""
    name = next(iter(command))
    collection = command[name]
    if collection not in SHARDED:
        return Route(Reach.HOME, f"{collection} is not sharded and lives on its database's home shard")
    conditions = list(_conditions(_filter(command)))
    (key,) = SHARD_KEY
    for condition in conditions:
        if not _is_operator(condition) or "$eq" in condition:
            return Route(Reach.ONE, f"the filter gives {key}, whose hash lies in one chunk")
    for condition in conditions:
        if "$in" in condition:
            count = len(condition["$in"]) + left_out_of(command).get(key, 0)
            return Route(Reach.SOME, f"the filter gives {count} values of {key}, each with a chunk of its own")
    if conditions:
        return Route(Reach.ALL, f"a range of {key} is no range of its hashes")
    return Route(Reach.ALL, f"the filter does not hold the shard key {key}, so each shard is asked for its part")


def shards_of_plan(explained: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the shards in what ``mongos`` explained; nothing from a server that is no router."""
    planner = explained.get("queryPlanner", {})
    found = planner.get("winningPlan", {}).get("shards")
    if isinstance(found, list):
        return tuple(sorted(str(shard["shardName"]) for shard in found))
    shards = explained.get("shards")
    return tuple(sorted(shards)) if isinstance(shards, Mapping) else ()


def _filter(command: Mapping[str, Any]) -> Mapping[str, Any]:
    for place in ("filter", "query"):
        if isinstance(command.get(place), Mapping):
            found: Mapping[str, Any] = command[place]
            return found
    stages = command.get("pipeline") or [{}]
    first = stages[0].get("$match", {})
    return first if isinstance(first, Mapping) else {}


def _conditions(found: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the conditions on the shard key that every result must meet: also those within ``$and``."""
    (key,) = SHARD_KEY
    if key in found:
        yield found[key]
    for part in found.get("$and", ()):
        yield from _conditions(part)


def _is_operator(condition: Any) -> bool:
    return isinstance(condition, Mapping) and any(str(name).startswith("$") for name in condition)
