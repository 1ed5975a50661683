"""The state of Redis: role, memory, persistence, replicas, and the application's processes that listen to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cachelayer.server.addresses import Kind, RedisUrlError, parse_redis_url
from cachelayer.server.connections import AWAY, connect, is_cluster

_TIMEOUT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class RedisNode:
    """A Redis server.

    Attributes:
        role: ``master`` or ``replica``.
        maxmemory_bytes: 0 where nothing bounds it.
        evicted: keys that had to go for others since the start.
        persistence: what is written to disk, in words.
        replicas: those of its replicas that are connected.
        lag_bytes: how far the furthest replica is behind; 0 without replicas.
        link: a replica's connection to its master, ``up`` or ``down``.
    """

    address: str
    role: str
    version: str
    memory_bytes: int
    maxmemory_bytes: int
    evicted: int
    persistence: str
    replicas: int
    lag_bytes: int
    link: str = "up"


@dataclass(frozen=True, slots=True)
class RedisState:
    """Redis as one thing.

    Attributes:
        kind: ``single``, ``sentinel`` or ``cluster``.
        sentinels: how many Sentinels watch the master, and how many must agree; 0 without.
        application_hosts: machines whose web workers listen for invalidations.
        application_processes: those workers.
        problems: what Redis itself reports as wrong, in words.
        error: why nothing could be asked; empty otherwise.
    """

    kind: str
    nodes: tuple[RedisNode, ...] = ()
    sentinels: int = 0
    quorum: int = 0
    application_hosts: int = 0
    application_processes: int = 0
    problems: tuple[str, ...] = ()
    error: str = ""


def read_redis(url: str) -> RedisState:
    """Return the state of Redis at ``url``; a server that does not answer is part of the state, no error."""
    if not url:
        return RedisState("single", error="no Redis is known: run `manage.py up`, or set REDIS_URL")
    try:
        servers = parse_redis_url(url)
    except RedisUrlError as error:
        return RedisState("single", error=f"the address cannot be used: {error}")
    kind = servers.kind.name.lower()
    try:
        with connect(url, timeout_seconds=_TIMEOUT_SECONDS) as client:
            nodes = _cluster_nodes(client) if is_cluster(client) else (_node(_address(client), client.info()),)
            listeners = _listeners(client)
            problems = _cluster_problems(client) if servers.kind is Kind.CLUSTER else ()
    except (redis.RedisError, *AWAY) as error:
        return RedisState(kind, error=str(error).partition("\n")[0][:200] or type(error).__name__)
    hosts, processes = listeners
    state = RedisState(kind, nodes, application_hosts=hosts, application_processes=processes, problems=problems)
    return _with_sentinels(state, servers) if servers.kind is Kind.SENTINEL else state


def _address(client: Any) -> str:
    # A connection knows where it goes also when Sentinels chose the server.
    connection = client.connection_pool.get_connection()
    try:
        return f"{getattr(connection, 'host', '')}:{getattr(connection, 'port', '')}".strip(":") or "socket"
    finally:
        client.connection_pool.release(connection)


def _node(address: str, info: Mapping[str, Any]) -> RedisNode:
    role = "master" if info["role"] == "master" else "replica"
    followers = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
    offset = int(info.get("master_repl_offset", 0))
    return RedisNode(
        address=address,
        role=role,
        version=str(info["redis_version"]),
        memory_bytes=int(info["used_memory"]),
        maxmemory_bytes=int(info["maxmemory"]),
        evicted=int(info["evicted_keys"]),
        persistence=_persistence(info),
        replicas=sum(follower.get("state") == "online" for follower in followers),
        lag_bytes=max((offset - int(follower.get("offset", offset)) for follower in followers), default=0),
        link=str(info.get("master_link_status", "up")),
    )


def _persistence(info: Mapping[str, Any]) -> str:
    if info.get("aof_enabled"):
        return "append-only file" + ("" if info.get("aof_last_write_status") == "ok" else ", last write failed")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return "last snapshot failed"
    return "snapshots" if int(info.get("rdb_saves", 0)) else "nothing on disk"


def _cluster_nodes(client: Any) -> tuple[RedisNode, ...]:
    found = []
    for node in client.get_nodes():
        try:
            info = client.info(target_nodes=node)
        except (redis.RedisError, *AWAY):
            continue
        found.append(_node(f"{node.host}:{node.port}", info))
    return tuple(sorted(found, key=lambda node: (node.role, node.address)))


def _cluster_problems(client: Any) -> tuple[str, ...]:
    told = client.cluster_info()
    problems = []
    if told["cluster_state"] != "ok":
        problems.append(f"the Cluster is {told['cluster_state']}")
    if int(told["cluster_slots_fail"]):
        problems.append(f"{told['cluster_slots_fail']} hash slots have no server")
    failed = [name for name, node in client.cluster_nodes().items() if "fail" in str(node.get("flags", ""))]
    if failed:
        problems.append(f"{', '.join(sorted(failed))} of the Cluster does not answer")
    return tuple(problems)


def _listeners(client: Any) -> tuple[int, int]:
    """Count the hosts and the processes that follow the invalidations; each web worker does."""
    try:
        rows: Iterable[Mapping[str, Any]]
        if is_cluster(client):
            told = client.client_list(_type="pubsub", target_nodes=client.PRIMARIES)
            rows = [row for part in (told.values() if isinstance(told, dict) else [told]) for row in part]
        else:
            rows = client.client_list(_type="pubsub")
    except redis.RedisError:
        return 0, 0
    # A Sentinel listens, too, and says so by its name.
    addresses = [row["addr"] for row in rows if not str(row.get("name", "")).startswith("sentinel")]
    hosts = {address.rpartition(":")[0] for address in addresses}
    return len(hosts), len(addresses)


def _with_sentinels(state: RedisState, servers: Any) -> RedisState:
    problems: list[str] = []
    agreeing, quorum = 0, 0
    replicas: list[RedisNode] = []
    for host, port in servers.addresses:
        try:
            with redis.Redis(
                host=host,
                port=port,
                username=servers.sentinel_username,
                password=servers.sentinel_password,
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
                **servers.security(),
            ) as sentinel:
                told = sentinel.sentinel_master(servers.service)
                quorum = int(told["quorum"])
                agreeing += 1
                replicas = replicas or _replicas(sentinel.sentinel_slaves(servers.service))
        except (redis.RedisError, *AWAY) as error:
            problems.append(f"Sentinel {host}:{port} does not answer ({type(error).__name__})")
    away = [node.address for node in replicas if node.link != "up"]
    problems += [f"replica {address} is away" for address in away]
    return RedisState(
        state.kind,
        (*state.nodes, *replicas),
        agreeing,
        quorum,
        state.application_hosts,
        state.application_processes,
        tuple(problems),
    )


def _replicas(told: Iterable[Mapping[str, Any]]) -> list[RedisNode]:
    found = []
    for one in told:
        down = one.get("is_sdown") or one.get("is_odown") or one.get("is_disconnected")
        link = "down" if down or one.get("master-link-status") != "ok" else "up"
        found.append(RedisNode(f"{one['ip']}:{one['port']}", "replica", "", 0, 0, 0, "", 0, 0, link))
    return sorted(found, key=lambda node: node.address)
