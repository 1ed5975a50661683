"""How a sharded cluster has spread its collections, as ``mongos`` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from catalog.cluster.nodes import Client


@dataclass(frozen=True, slots=True)
class ShardPart:
    """What one shard holds of a collection; ``share`` is its part of all documents, from 0 to 1."""

    shard: str
    chunks: int
    documents: int
    size_bytes: int
    share: float


@dataclass(frozen=True, slots=True)
class ShardedCollection:
    """A sharded collection with its key and its parts; ``counted`` is false where only chunks are known."""

    namespace: str
    key: str
    parts: tuple[ShardPart, ...]
    counted: bool


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and the hosts of its replica set; ``draining`` while it is being emptied."""

    name: str
    replica_set: str
    hosts: tuple[str, ...]
    draining: bool
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sharding:
    """Shards, balancer, and sharded collections of one database."""

    shards: tuple[Shard, ...]
    config_hosts: tuple[str, ...]
    config_set: str
    balancer: str
    balancing: bool
    collections: tuple[ShardedCollection, ...]


def split_set(text: str) -> tuple[str, tuple[str, ...]]:
    """Split ``name/host:port,host:port`` into the set's name and its hosts."""
    name, _, hosts = text.partition("/")
    return name, tuple(host for host in hosts.split(",") if host)


def read_sharding(client: Client, database: str) -> Sharding:
    """Ask ``mongos`` for the shards and for the sharded collections of ``database``."""
    shards = tuple(_shard(told) for told in client.admin.command("listShards")["shards"])
    config_set, config_hosts = split_set(_config_connection(client))
    balancer = client.admin.command("balancerStatus")
    return Sharding(
        shards=shards,
        config_hosts=config_hosts,
        config_set=config_set,
        balancer=str(balancer.get("mode", "unknown")),
        balancing=bool(balancer.get("inBalancerRound")),
        collections=_collections(client, database),
    )


def _shard(told: Mapping[str, Any]) -> Shard:
    name, hosts = split_set(told["host"])
    return Shard(told["_id"], name, hosts, bool(told.get("draining")), tuple(told.get("tags", ())))


def _config_connection(client: Client) -> str:
    try:
        told = client.admin.command("getShardMap")["map"]
    except PyMongoError:
        return ""
    return str(told.get("config", ""))


def _collections(client: Client, database: str) -> tuple[ShardedCollection, ...]:
    prefix = {"$gte": f"{database}.", "$lt": f"{database}/"}
    found = sorted(client.config["collections"].find({"_id": prefix, "dropped": {"$ne": True}}), key=_id)
    counts = _counts(client, database)
    return tuple(_collection(client, told, counts) for told in found)


def _id(told: Mapping[str, Any]) -> str:
    return str(told["_id"])


def _collection(
    client: Client, told: Mapping[str, Any], counts: Mapping[str, Mapping[str, tuple[int, int]]]
) -> ShardedCollection:
    # Chunks name their collection by its UUID from MongoDB 5.0 on.
    of_collection = {"uuid": told["uuid"]} if "uuid" in told else {"ns": told["_id"]}
    grouped = client.config["chunks"].aggregate(
        [{"$match": of_collection}, {"$group": {"_id": "$shard", "chunks": {"$sum": 1}}}]
    )
    chunks = {row["_id"]: int(row["chunks"]) for row in grouped}
    counted = counts.get(told["_id"], {})
    total = sum(documents for documents, _ in counted.values())
    parts = []
    for shard in sorted(chunks.keys() | counted.keys()):
        documents, size = counted.get(shard, (0, 0))
        parts.append(ShardPart(shard, chunks.get(shard, 0), documents, size, documents / total if total else 0.0))
    return ShardedCollection(told["_id"], key_text(told["key"]), tuple(parts), bool(counted))


def key_text(key: Mapping[str, Any]) -> str:
    """Return a shard key in words such as ``_id: hashed``."""
    return ", ".join(f"{name}: {kind if isinstance(kind, str) else int(kind)}" for name, kind in key.items())


def _counts(client: Client, database: str) -> dict[str, dict[str, tuple[int, int]]]:
    """Return documents and bytes by collection and shard; empty before MongoDB 6.0.3, which does not tell them."""
    try:
        rows = list(client.admin.aggregate([{"$shardedDataDistribution": {}}]))
    except OperationFailure:
        return {}
    return {
        row["ns"]: {
            part["shardName"]: (int(part["numOwnedDocuments"]), int(part["ownedSizeBytes"])) for part in row["shards"]
        }
        for row in rows
        if row["ns"].startswith(f"{database}.")
    }
