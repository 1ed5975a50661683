"""What Redis tells of itself, for the dashboard."""

from __future__ import annotations

from typing import Any

from redis.sentinel import SentinelConnectionPool

from cachelayer.describing import Description, NotDescribed, ServerNode
from cachelayer.server import door
from cachelayer.server.connections import is_cluster
from cachelayer.server.door import RedisUnavailable
from cachelayer.web.presentation import format_bytes


def describe_redis() -> Description:
    """Ask Redis for its version, nodes, memory and keys; raise :class:`~cachelayer.describing.NotDescribed`."""
    try:
        return door.run(_cluster_or_server, name="telemetry")
    except RedisUnavailable as error:
        raise NotDescribed(str(error)) from error


def _cluster_or_server(client: Any) -> Description:
    if is_cluster(client):
        return _describe_cluster(client)
    told = client.info()
    replicas = [value for name, value in told.items() if name.startswith("slave") and isinstance(value, dict)]
    kind = f"{told['role']} of {1 + len(replicas)}" if replicas else "one server"
    address = _address(client)
    nodes = [ServerNode(address, str(told["role"]))]
    nodes += [ServerNode(f"{row['ip']}:{row['port']}", "replica", row.get("state") == "online") for row in replicas]
    keys = sum(row["keys"] for name, row in told.items() if name.startswith("db") and isinstance(row, dict))
    limit = told.get("maxmemory", 0)
    memory = format_bytes(told["used_memory"]) + (f" of {format_bytes(limit)}" if limit else "")
    figures = (
        ("Memory", memory),
        ("Keys", f"{keys:,}"),
        ("Evicted", f"{told.get('evicted_keys', 0):,}"),
        ("Clients", f"{told.get('connected_clients', 0):,}"),
    )
    return Description(kind, str(told["redis_version"]), tuple(nodes), figures)


def _describe_cluster(client: Any) -> Description:
    nodes = client.get_nodes()
    told = [client.info(target_nodes=node) for node in client.get_primaries()]
    shown = sorted(nodes, key=lambda node: (node.server_type != "primary", node.name))
    figures = (
        ("Memory", format_bytes(sum(row["used_memory"] for row in told))),
        ("Masters", f"{len(told)}"),
    )
    roles = tuple(
        ServerNode(str(node.name), "master" if node.server_type == "primary" else "replica") for node in shown
    )
    return Description("Cluster", str(told[0]["redis_version"]) if told else "", roles, figures)


def _address(client: Any) -> str:
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        host, port = pool.master_address or ("", 0)
        return f"{host}:{port}"
    options = pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")
