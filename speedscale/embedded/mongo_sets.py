"""Several ``mongod`` on loopback that replicate, for ``manage.py up --topology replicaset`` and for drills."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from speedscale.embedded.mongod import REPLICA_SET, MongodProcess
from speedscale.embedded.process import ServerError

_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23
_READY_SECONDS = 90.0
LEAVE_SILENT_SOURCE = (
    *("--setParameter", "oplogFetcherSteadyStateMaxFetcherRestarts=0"),
    *("--setParameter", "oplogNetworkTimeoutBufferSeconds=2"),
)
"""How a member follows another primary soon after its own fell silent, instead of waiting for that one's answer."""


class MongoReplicaSet:
    """Nodes of one replica set, which has a primary and all secondaries once the constructor returns.

    Args:
        directory: each node's data and log lie below it.
        nodes: number of members.
        name: of the set.
        cache_mb: WiredTiger cache of each node in MiB, at least 256.
        election_timeout_ms: how long a primary may be silent before another is elected; MongoDB's default.
        arguments: further ones for each node's command line.
        ports: where the nodes listen; by default where they did last time.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 3,
        name: str = REPLICA_SET,
        cache_mb: int = 256,
        election_timeout_ms: int = 10_000,
        arguments: Sequence[str | Path] = (),
        ports: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.nodes: list[MongodProcess] = []
        self._directory = directory
        self._cache_mb = cache_mb
        self._arguments = arguments
        self._election_timeout_ms = election_timeout_ms
        try:
            for number in range(nodes):
                self.nodes.append(self._start(number, ports[number] if ports else None))
            _wait_until(self._is_configured, "the members of the replica set do not find each other")
            _wait_until(self._has_primary, "the replica set elects no primary")
            _wait_until(self.is_complete, "the replica set does not become complete")
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """The address for ``MONGO_URI``."""
        return f"mongodb://{','.join(node.host for node in self.nodes)}/?replicaSet={self.name}"

    def primary(self) -> MongodProcess:
        """Return the node that takes writes; raise :class:`~speedscale.embedded.process.ServerError` without one."""
        for node in self.nodes:
            if _hello(node).get("isWritablePrimary"):
                return node
        raise ServerError("the replica set has no primary at present")

    def is_complete(self) -> bool:
        """Tell whether one node takes writes and all others follow it."""
        found = [_hello(node) for node in self.nodes]
        primaries = sum(bool(hello.get("isWritablePrimary")) for hello in found)
        return primaries == 1 and sum(bool(hello.get("secondary")) for hello in found) == len(self.nodes) - 1

    def await_complete(self) -> None:
        """Wait until :meth:`is_complete`."""
        _wait_until(self.is_complete, "the replica set does not become complete")

    def revive(self, node: MongodProcess) -> MongodProcess:
        """Start a node that has ended again, with its data and on its port; return the one that takes its place."""
        number = self.nodes.index(node)
        self.nodes[number] = self._start(number, node.port)
        return self.nodes[number]

    def stop(self) -> None:
        """Stop all nodes, the last one first."""
        while self.nodes:
            self.nodes.pop().stop()

    def _start(self, number: int, port: int | None) -> MongodProcess:
        return MongodProcess(
            self._directory / f"node{number}",
            replica_set=self.name,
            port=port,
            cache_mb=self._cache_mb,
            arguments=(*LEAVE_SILENT_SOURCE, *self._arguments),
        )

    def _has_primary(self) -> bool:
        """Tell whether a node takes writes; where none does, ask one to stand, which spares the wait for a timeout."""
        if any(_hello(node).get("isWritablePrimary") for node in self.nodes):
            return True
        for node in self.nodes:
            with node.direct_client() as client, suppress(PyMongoError):
                client.admin.command("replSetStepUp")
                return True
        return False

    def _is_configured(self) -> bool:
        wanted = [node.host for node in self.nodes]
        with self.nodes[0].direct_client() as client:
            try:
                config = client.admin.command("replSetGetConfig")["config"]
            except OperationFailure as error:
                if error.code != _NOT_YET_INITIALIZED:
                    raise
                self._initiate(client)
                return False
            settings = config.setdefault("settings", {})
            known = [member["host"] for member in config["members"]]
            if known == wanted and settings.get("electionTimeoutMillis") == self._election_timeout_ms:
                return True
            # The data were last served on other ports, which the configuration names.
            config["members"] = self._members()
            config["version"] += 1
            settings["electionTimeoutMillis"] = self._election_timeout_ms
            client.admin.command("replSetReconfig", config, force=True)
        return False

    def _initiate(self, client: MongoClient[dict[str, Any]]) -> None:
        settings = {"electionTimeoutMillis": self._election_timeout_ms}
        try:
            client.admin.command(
                "replSetInitiate", {"_id": self.name, "members": self._members(), "settings": settings}
            )
        except OperationFailure as error:
            if error.code not in {_ALREADY_INITIALIZED, _NOT_YET_INITIALIZED}:
                raise

    def _members(self) -> list[dict[str, Any]]:
        return [{"_id": number, "host": node.host} for number, node in enumerate(self.nodes)]


def _hello(node: MongodProcess) -> dict[str, Any]:
    try:
        with node.direct_client() as client:
            return dict(client.admin.command("hello"))
    except PyMongoError:
        return {}


def _wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    pause_seconds = 0.05
    while True:
        try:
            if condition():
                return
        except PyMongoError:
            pass  # A node that is between two roles refuses for a moment.
        if time.monotonic() > deadline:
            raise ServerError(complaint)
        time.sleep(pause_seconds)
        # Each look connects to all members anew, and takes processor time of which they are in need.
        pause_seconds = min(pause_seconds * 1.3, 0.2)
