"""The state of MongoDB as a whole: one server, a replica set, or a sharded cluster behind ``mongos``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from catalog.cluster.distribution import Sharding, read_sharding
from catalog.cluster.nodes import Access, Client, reason_of
from catalog.cluster.replication import ReplicaSet, read_replica_set

_TIMEOUT_MS = 2000


@dataclass(frozen=True, slots=True)
class MongoState:
    """What MongoDB at an address is made of.

    Attributes:
        topology: ``standalone``, ``replicaset``, ``sharded`` or ``unknown``.
        error: why nothing could be asked; empty otherwise.
    """

    topology: str
    version: str = ""
    sets: tuple[ReplicaSet, ...] = ()
    sharding: Sharding | None = None
    error: str = ""


def read_mongodb(uri: str, database: str) -> MongoState:
    """Return the state of MongoDB at ``uri``; a server that does not answer is part of the state, no error."""
    if not uri:
        return MongoState("unknown", error="no MongoDB is known: run `manage.py up`, or set MONGO_URI")
    try:
        access = Access.of_uri(uri)
        client: Client = MongoClient(
            uri,
            appname="speedscale-cluster",
            serverSelectionTimeoutMS=_TIMEOUT_MS,
            connectTimeoutMS=_TIMEOUT_MS,
            socketTimeoutMS=10_000,
        )
    except (PyMongoError, ValueError) as error:
        return MongoState("unknown", error=f"the address cannot be used: {str(error)[:200]}")
    with client:
        return _read(client, access, database)


def _read(client: Client, access: Access, database: str) -> MongoState:
    seeds = tuple(f"{host}:{port}" for host, port in client.topology_description.server_descriptions())
    hello, problem = _hello(access, seeds)
    if hello is None:
        return MongoState("unknown", error=problem)
    if hello.get("msg") == "isdbgrid":
        try:
            return _sharded(client, access, database)
        except PyMongoError as error:
            return MongoState("sharded", error=f"mongos cannot tell: {reason_of(error)}")
    if "setName" not in hello and not hello.get("isreplicaset"):
        return MongoState("standalone", version=_version(client))
    name = hello.get("setName", "")
    hosts = tuple(dict.fromkeys((*seeds, *hello.get("hosts", ()))))
    found = read_replica_set(access, name, hosts, kind="data")
    return MongoState("replicaset", version=_version(client), sets=(found,))


def _hello(access: Access, seeds: tuple[str, ...]) -> tuple[dict[str, Any] | None, str]:
    """Ask any of the given servers, also one whose set has no primary."""
    problem = "no server is named"
    for host in seeds:
        try:
            with access.node(host) as node:
                return dict(node.admin.command("hello")), ""
        except PyMongoError as error:
            problem = f"MongoDB at {', '.join(seeds)} does not answer ({reason_of(error)})"
    return None, problem


def _sharded(client: Client, access: Access, database: str) -> MongoState:
    sharding = read_sharding(client, database)
    sets = []
    if sharding.config_hosts:
        sets.append(read_replica_set(access, sharding.config_set, sharding.config_hosts, kind="config"))
    sets += [read_replica_set(access, shard.replica_set, shard.hosts, kind="shard") for shard in sharding.shards]
    return MongoState("sharded", version=_version(client), sets=tuple(sets), sharding=sharding)


def _version(client: Client) -> str:
    try:
        return str(client.admin.command("buildInfo")["version"])
    except PyMongoError:
        return ""
