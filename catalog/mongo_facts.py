"""What MongoDB tells of itself, for the dashboard: nodes and roles, version, documents, memory."""

from __future__ import annotations

from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from cachelayer.describing import Description, NotDescribed, ServerNode
from cachelayer.web.presentation import format_bytes
from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS
from catalog.mongo import Documents, database, within


def describe_mongodb() -> Description:
    """Ask MongoDB; raise :class:`~cachelayer.describing.NotDescribed` when it does not answer within half a second."""
    try:
        with within(500):
            return _describe(database())
    except (PyMongoError, CatalogUnavailable) as error:
        raise NotDescribed(type(error).__name__) from error


def _describe(documents: Documents) -> Description:
    hello = documents.command("hello")
    version = str(documents.client.server_info()["version"])
    count = documents[PRODUCTS].estimated_document_count()
    figures = [("Products", f"{count:,}"), *_memory(documents)]
    return Description(_kind(hello), version, tuple(_nodes(documents, hello)), tuple(figures))


def _kind(hello: dict[str, Any]) -> str:
    if hello.get("msg") == "isdbgrid":
        return "router of shards"
    if "setName" in hello:
        size = len(hello.get("hosts", ()))
        return f"replica set {hello['setName']}" + (f", {size} nodes" if size > 1 else "")
    return "one server, no change streams"


def _nodes(documents: Documents, hello: dict[str, Any]) -> list[ServerNode]:
    if "setName" not in hello:
        role = "router" if hello.get("msg") == "isdbgrid" else "standalone"
        return [ServerNode(f"{host}:{port}", role) for host, port in sorted(documents.client.nodes)]
    known = {f"{host}:{port}" for host, port in documents.client.nodes}
    primary = hello.get("primary")
    members = [*hello.get("hosts", ()), *hello.get("passives", ()), *hello.get("arbiters", ())]
    nodes = [ServerNode(host, "primary" if host == primary else _role(host, hello), host in known) for host in members]
    return sorted(nodes, key=lambda node: node.role != "primary")


def _role(host: str, hello: dict[str, Any]) -> str:
    return "arbiter" if host in hello.get("arbiters", ()) else "secondary"


def _memory(documents: Documents) -> list[tuple[str, str]]:
    try:
        status = documents.client.admin.command("serverStatus", repl=0, metrics=0, locks=0, network=0)
    except OperationFailure:
        return []  # The account may read the catalogue and nothing else.
    cache = status.get("wiredTiger", {}).get("cache", {})
    used, limit = cache.get("bytes currently in the cache"), cache.get("maximum bytes configured")
    figures = [("Connections", f"{status['connections']['current']:,}")] if "connections" in status else []
    if used is not None and limit:
        figures.insert(0, ("Cache", f"{format_bytes(used)} of {format_bytes(limit)}"))
    return figures
