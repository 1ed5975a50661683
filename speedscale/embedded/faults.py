"""Faults for a replica set on this machine: its primary killed, paused, or asked to step down."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from speedscale.embedded.process import ServerError

_SETTLE_SECONDS = 90.0


class FaultySet:
    """A running replica set, by its address, and what can be done to its primary.

    Args:
        uri: address of the set.
        revive: starts the server that had listened on a port again; ``None`` where a supervisor does so by itself.
    """

    def __init__(self, uri: str, revive: Callable[[int], None] | None = None) -> None:
        self._uri = uri
        self._revive = revive

    def hosts(self) -> list[tuple[str, int]]:
        """Return all members' addresses."""
        with self._client() as client:
            config = client.admin.command("replSetGetConfig")["config"]
        found = [member["host"].rpartition(":") for member in config["members"]]
        return [(host, int(port)) for host, _, port in found]

    def election_timeout_seconds(self) -> float:
        """Return how long the members wait for a silent primary."""
        with self._client() as client:
            return float(client.admin.command("replSetGetConfig")["config"]["settings"]["electionTimeoutMillis"]) / 1000

    def primary(self) -> tuple[str, int]:
        """Return the primary's address; raise :class:`ServerError` where none is found in time."""
        with self._client() as client:
            try:
                client.admin.command("ping")
            except PyMongoError as error:
                raise ServerError(f"the replica set has no primary: {error}") from error
            address = client.address
        if address is None:
            raise ServerError("the replica set has no primary")
        return address

    def kill_primary(self) -> None:
        """End the primary at once; it is started again when another has taken over."""
        address = self.primary()
        os.kill(self._pid(address), signal.SIGKILL)
        self._await_another(address)
        if self._revive is not None:
            self._revive(address[1])

    def pause_primary(self, seconds: float) -> None:
        """Stop the primary's process for a time: to the others it looks as if its network were gone."""
        address = self.primary()
        pid = self._pid(address)
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def step_down_primary(self) -> None:
        """Ask the primary to let another take over."""
        # It may close its connections instead of answering.
        with self._client() as client, suppress(AutoReconnect):
            client.admin.command("replSetStepDown", 20, secondaryCatchUpPeriodSecs=10)

    def await_complete(self) -> None:
        """Wait until one member takes writes and all others follow."""
        hosts = self.hosts()
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            roles = [self._role(address) for address in hosts]
            if roles.count("primary") == 1 and roles.count("secondary") == len(hosts) - 1:
                return
            if time.monotonic() > deadline:
                raise ServerError(f"the replica set does not become complete again: {roles}")
            time.sleep(0.1)

    def _await_another(self, former: tuple[str, int]) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.primary() != former:
                    return
            except ServerError:
                continue
        raise ServerError("no other primary was elected")

    def _role(self, address: tuple[str, int]) -> str:
        try:
            with self._node(address) as client:
                hello = client.admin.command("hello")
        except PyMongoError:
            return "away"
        if hello.get("isWritablePrimary"):
            return "primary"
        return "secondary" if hello.get("secondary") else "other"

    def _pid(self, address: tuple[str, int]) -> int:
        with self._node(address) as client:
            return int(client.admin.command("serverStatus", metrics=0, wiredTiger=0)["pid"])

    def _client(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self._uri, serverSelectionTimeoutMS=2000, connectTimeoutMS=1000, socketTimeoutMS=3000)

    def _node(self, address: tuple[str, int]) -> MongoClient[dict[str, Any]]:
        return MongoClient(*address, directConnection=True, serverSelectionTimeoutMS=500, socketTimeoutMS=3000)
