"""Three mongod on loopback that elect a primary, for the time of a drill."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from speedscale.embedded.mongod import mongod_binary
from speedscale.embedded.ports import free_port, is_listening
from speedscale.embedded.process import ServerProcess

_ELECTION_MS = 2000


class ReplicaSet:
    """Three nodes of which one is primary once the constructor returns."""

    def __init__(self, directory: Path, cleanup: ExitStack) -> None:
        self.nodes: dict[int, ServerProcess] = {}
        for _ in range(3):
            port = free_port()
            place = directory / f"mongodb-{port}"
            place.mkdir(parents=True)
            command: list[str | Path] = [
                *(mongod_binary(), "--dbpath", place, "--port", str(port), "--bind_ip", "127.0.0.1"),
                *("--replSet", "drill", "--oplogSize", "128", "--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"),
            ]
            node = ServerProcess("mongod", command, log=place / "mongod.log")
            cleanup.callback(node.stop)
            node.wait_until(lambda port=port: is_listening(port), timeout_seconds=60)  # type: ignore[misc]
            self.nodes[port] = node
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.nodes)
        self.uri = f"mongodb://{hosts}/?replicaSet=drill&w=majority"
        members = [{"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(self.nodes)]
        config = {"_id": "drill", "members": members, "settings": {"electionTimeoutMillis": _ELECTION_MS}}
        first = next(iter(self.nodes))
        with self._client(first) as client:
            client.admin.command("replSetInitiate", config)
        self.await_primary()

    def await_primary(self, *, other_than: int = 0) -> int:
        """Wait for a primary on another port than that, and return its port."""
        deadline = monotonic() + 60
        while monotonic() < deadline:
            for port, node in self.nodes.items():
                if port != other_than and node.exit_status() is None and self._is_primary(port):
                    return port
            sleep(0.05)
        raise RuntimeError("no primary was elected")

    def _is_primary(self, port: int) -> bool:
        try:
            with self._client(port) as client:
                return bool(client.admin.command("hello")["isWritablePrimary"])
        except PyMongoError:
            return False

    @staticmethod
    def _client(port: int) -> MongoClient[dict[str, Any]]:
        return MongoClient(port=port, directConnection=True, serverSelectionTimeoutMS=1000, socketTimeoutMS=5000)
