"""What only ``mongos`` can do: shards, sharded collections, zones, and the removal of a shard."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bson import MaxKey, MinKey
from bson.int64 import Int64
from pymongo.errors import OperationFailure, PyMongoError

from catalog.cluster.initiating import InitError, Outcome
from catalog.cluster.nodes import Access, Client, reason_of
from catalog.cluster.plan import SetPlan, ZonePlan
from catalog.indexes import PRODUCTS, ensure_collections, ensure_indexes

SHARDED = (PRODUCTS, "similar")
"""Collections that grow with the catalogue; the others are small and stay on one shard."""
SHARD_KEY = {"_id": "hashed"}
_LEAST_HASH, _HASHES = -(2**63), 2**64
_NAMESPACE_NOT_FOUND = 26
_SHARD_NOT_FOUND = 70


@dataclass(frozen=True, slots=True)
class Draining:
    """How far a shard is from being empty: ``state`` is MongoDB's word for it."""

    shard: str
    state: str
    chunks_left: int = 0
    databases_to_move: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return self.state == "completed"


@contextmanager
def router(access: Access, mongos: str, *, timeout_seconds: float = 60.0) -> Iterator[Client]:
    """Give a client of ``mongos`` once it answers as one; driver errors become :class:`InitError`."""
    deadline = time.monotonic() + timeout_seconds
    try:
        with access.node(mongos, timeout_ms=3000) as client:
            while True:
                problem = _not_a_router(client)
                if not problem:
                    break
                if time.monotonic() > deadline:
                    raise InitError(f"mongos at {mongos} {problem}")
                time.sleep(0.2)
            yield client
    except PyMongoError as error:
        raise InitError(f"mongos at {mongos}: {reason_of(error)}") from error


def _not_a_router(client: Client) -> str:
    try:
        hello = client.admin.command("hello")
    except OperationFailure:
        raise
    except PyMongoError as error:
        return f"does not answer ({reason_of(error)})"
    return "" if hello.get("msg") == "isdbgrid" else "is a mongod"


def add_shards(client: Client, shards: Sequence[SetPlan]) -> list[Outcome]:
    """Add the shards that the cluster does not have yet.

    Raises:
        InitError: a shard of this name consists of another replica set.
    """
    known = {told["_id"]: told["host"] for told in client.admin.command("listShards")["shards"]}
    outcomes = []
    for shard in shards:
        step = f"shard {shard.name}"
        if shard.name in known:
            if known[shard.name].partition("/")[0] != shard.name:
                raise InitError(f"{step} is {known[shard.name]}, planned is {shard}")
            outcomes.append(Outcome(step, changed=False))
            continue
        client.admin.command("addShard", str(shard), name=shard.name)
        outcomes.append(Outcome(step, changed=True, detail=str(shard)))
    return outcomes


def shard_collections(client: Client, database: str) -> list[Outcome]:
    """Create the collections with validators and indexes, and shard those that grow, on the hash of ``_id``.

    A hashed key spreads ids evenly however they are made, and a product is always asked for by its whole id, so one
    shard answers. On an empty collection MongoDB cuts the range of hashes evenly among the shards at once.
    """
    shop = client[database]
    ensure_collections(shop)
    if "similar" not in shop.list_collection_names():
        shop.create_collection("similar")
    # Needless from MongoDB 6.0 on, and harmless there.
    client.admin.command("enableSharding", database)
    outcomes = []
    for collection in SHARDED:
        namespace = f"{database}.{collection}"
        step = f"collection {namespace} sharded"
        present = client.config["collections"].find_one({"_id": namespace, "dropped": {"$ne": True}})
        if present is not None:
            if dict(present["key"]) != SHARD_KEY:
                raise InitError(f"{namespace} is sharded on {dict(present['key'])}, planned is {SHARD_KEY}")
            outcomes.append(Outcome(step, changed=False))
            continue
        if shop[collection].estimated_document_count():
            # MongoDB makes the index itself for an empty collection alone.
            shop[collection].create_index([("_id", "hashed")])
        client.admin.command("shardCollection", namespace, key=SHARD_KEY)
        outcomes.append(Outcome(step, changed=True, detail="hashed _id"))
    before = _index_names(client, database)
    ensure_indexes(shop)
    made = _index_names(client, database) - before
    outcomes.append(Outcome("indexes", changed=bool(made), detail=f"{len(made)} created"))
    return outcomes


def _index_names(client: Client, database: str) -> set[tuple[str, str]]:
    found = set()
    for collection in client[database].list_collection_names():
        try:
            found |= {(collection, index["name"]) for index in client[database][collection].list_indexes()}
        except OperationFailure as error:
            if error.code != _NAMESPACE_NOT_FOUND:
                raise
    return found


def apply_zones(client: Client, database: str, zones: Sequence[ZonePlan]) -> list[Outcome]:
    """Put shards into zones and give each zone an even part of the hashes of every sharded collection."""
    outcomes = []
    tags = {told["_id"]: set(told.get("tags", ())) for told in client.config["shards"].find()}
    for zone in zones:
        missing = [shard for shard in zone.shards if zone.name not in tags.get(shard, set())]
        for shard in missing:
            client.admin.command("addShardToZone", shard, zone=zone.name)
        outcomes.append(Outcome(f"zone {zone.name}", bool(missing), ", ".join(zone.shards)))
    for collection in SHARDED if zones else ():
        namespace = f"{database}.{collection}"
        wanted = _zone_ranges(zones)
        present = [(row["tag"], row["min"], row["max"]) for row in client.config["tags"].find({"ns": namespace})]
        changed = any(one not in present for one in wanted)
        if changed:
            for _, low, high in present:
                client.admin.command("updateZoneKeyRange", namespace, min=low, max=high, zone=None)
            for name, low, high in wanted:
                client.admin.command("updateZoneKeyRange", namespace, min=low, max=high, zone=name)
        outcomes.append(Outcome(f"zones of {namespace}", changed))
    return outcomes


def _zone_ranges(zones: Sequence[ZonePlan]) -> list[tuple[str, dict[str, object], dict[str, object]]]:
    bounds: list[object] = [Int64(_LEAST_HASH + _HASHES * number // len(zones)) for number in range(1, len(zones))]
    edges: list[object] = [MinKey(), *bounds, MaxKey()]
    return [(zone.name, {"_id": edges[place]}, {"_id": edges[place + 1]}) for place, zone in enumerate(zones)]


def drain_shard(client: Client, shard: str) -> Draining:
    """Begin to empty a shard, or tell how far that is; asked again once it is empty, MongoDB removes it.

    Databases whose unsharded collections live there must be moved before the end; :func:`move_databases` does.
    """
    try:
        reply = client.admin.command("removeShard", shard)
    except OperationFailure as error:
        if error.code == _SHARD_NOT_FOUND:
            return Draining(shard, "completed")
        raise InitError(f"shard {shard} cannot be removed: {reason_of(error)}") from error
    remaining = reply.get("remaining", {})
    return Draining(shard, str(reply["state"]), int(remaining.get("chunks", 0)), tuple(reply.get("dbsToMove", ())))


def move_databases(client: Client, draining: Draining) -> list[Outcome]:
    """Give the databases that are at home on a shard that is being emptied another home.

    Writes to their unsharded collections fail while they are moved; do it at a quiet hour.
    """
    others = [
        told["_id"]
        for told in client.admin.command("listShards")["shards"]
        if told["_id"] != draining.shard and not told.get("draining")
    ]
    if not others:
        raise InitError("there is no other shard that could take over")
    outcomes = []
    for number, database in enumerate(draining.databases_to_move):
        target = others[number % len(others)]
        client.admin.command("movePrimary", database, to=target)
        outcomes.append(Outcome(f"database {database}", changed=True, detail=f"now at home on {target}"))
    return outcomes
