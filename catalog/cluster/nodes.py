"""Connections to single servers of a set or a cluster, with the rights of the address that the project was given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import InvalidURI, PyMongoError
from pymongo.uri_parser import parse_uri

Client = MongoClient[dict[str, Any]]

_OF_THE_WHOLE = ("replicaset", "directconnection", "loadbalanced", "srvservicename", "srvmaxhosts", "readpreference")
_TIMEOUT_MS = 1500


@dataclass(frozen=True, slots=True)
class Access:
    """How servers are spoken to: TLS options and whose rights are used; the password is never shown."""

    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of_uri(cls, uri: str) -> Access:
        """Return the rights and options that an address carries; raise :class:`ValueError` for one that has no form."""
        try:
            parsed = parse_uri(uri)
        except InvalidURI as error:
            raise ValueError(str(error)) from None
        options = {name: value for name, value in parsed["options"].items() if name.lower() not in _OF_THE_WHOLE}
        if parsed["username"]:
            options |= {"username": parsed["username"], "password": parsed["password"]}
            options.setdefault("authSource", parsed["database"] or "admin")
        return cls(options)

    @classmethod
    def of_key_file(cls, path: Path) -> Access:
        """Return the rights of a member of the cluster, which whoever has its key file may claim.

        They are what MongoDB's own members use towards each other, and what is there before the first account is.
        """
        key = "".join(path.read_text().split())
        return cls({"username": "__system", "password": key, "authSource": "local", "authMechanism": "SCRAM-SHA-256"})

    @classmethod
    def of_account(cls, username: str, password: str) -> Access:
        """Return the rights of an account that is kept in ``admin``."""
        return cls({"username": username, "password": password, "authSource": "admin"})

    @contextmanager
    def node(self, host: str, *, timeout_ms: int = _TIMEOUT_MS) -> Iterator[Client]:
        """Give a client of the very server at ``host``, whatever its role."""
        client = self._client(host, timeout_ms, directConnection=True)
        with client:
            yield client

    @contextmanager
    def replica_set(self, name: str, hosts: tuple[str, ...], *, timeout_ms: int = _TIMEOUT_MS) -> Iterator[Client]:
        """Give a client of a replica set, whose commands go to the primary."""
        client = self._client(list(hosts), timeout_ms, replicaSet=name)
        with client:
            yield client

    def _client(self, hosts: str | list[str], timeout_ms: int, **more: Any) -> Client:
        limits = {
            "serverSelectionTimeoutMS": timeout_ms,
            "connectTimeoutMS": timeout_ms,
            "socketTimeoutMS": max(timeout_ms, 10_000),
        }
        return MongoClient(hosts, appname="speedscale-cluster", **{**self.options, **limits, **more})


def reason_of(error: PyMongoError) -> str:
    """Return an error's first line, without what the driver adds about timeouts and topology."""
    text = str(error).partition("\n")[0].partition(", full error:")[0].partition(", Timeout:")[0]
    return text[:200] or type(error).__name__
