"""A router that speaks MongoDB's wire protocol, for what only ``mongos`` answers.

It is no ``mongos``: it routes no document by its shard key. What it is asked of the cluster's metadata it passes on to
real config servers and shards, by the internal commands that ``mongos`` uses for the same, so that their effect can be
looked up there. What cannot be passed on has an answer in the documented form.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import bson
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from speedscale.embedded.mongo_sets import MongoReplicaSet

_OP_MSG = 2013
_MAJORITY = {"w": "majority"}
_SESSION = ("lsid", "$clusterTime", "$db", "$readPreference", "txnNumber", "apiVersion")


class MongosStandin:
    """Listens on loopback while it is entered; ``commands`` tells what it was asked."""

    def __init__(self, config: MongoReplicaSet, shards: dict[str, MongoReplicaSet]) -> None:
        self._config: MongoClient[dict[str, Any]] = MongoClient(config.uri)
        self._config_text = f"{config.name}/{','.join(node.host for node in config.nodes)}"
        self._shards: dict[str, MongoClient[dict[str, Any]]] = {
            name: MongoClient(one.uri) for name, one in shards.items()
        }
        self.commands: list[str] = []
        self.canned: dict[str, Any] = {}
        self._server = _Server(self)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def uri(self) -> str:
        return f"mongodb://{self.host}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        for client in (self._config, *self._shards.values()):
            client.close()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a command."""
        name = next(iter(asked))
        self.commands.append(name)
        if name in self.canned:
            reply = self.canned[name]
            return dict(reply(asked) if callable(reply) else reply)
        handler = getattr(self, f"_do_{name.lower()}", None)
        if handler is None:
            handler = self._forward
        try:
            return {"ok": 1.0, **handler(asked)}
        except OperationFailure as error:
            return {"ok": 0.0, "errmsg": str(error), "code": error.code or 8}

    def _do_hello(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "isWritablePrimary": True,
            "ismaster": True,
            "msg": "isdbgrid",
            "maxBsonObjectSize": 16777216,
            "maxMessageSizeBytes": 48000000,
            "maxWriteBatchSize": 100000,
            "minWireVersion": 0,
            "maxWireVersion": 17,
            "logicalSessionTimeoutMinutes": 30,
        }

    _do_ismaster = _do_hello

    def _do_listshards(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"shards": list(self._config.config["shards"].find())}

    def _do_getshardmap(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"map": {"config": self._config_text}}

    def _do_balancerstatus(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._config.admin.command("_configsvrBalancerStatus"))

    def _do_addshard(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return dict(
            self._config.admin.command(
                {"_configsvrAddShard": asked["addShard"], "name": asked["name"], "writeConcern": _MAJORITY}
            )
        )

    def _do_removeshard(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return dict(
            self._config.admin.command({"_configsvrRemoveShard": asked["removeShard"], "writeConcern": _MAJORITY})
        )

    def _do_addshardtozone(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return dict(
            self._config.admin.command(
                {
                    "_configsvrAddShardToZone": asked["addShardToZone"],
                    "zone": asked["zone"],
                    "writeConcern": _MAJORITY,
                }
            )
        )

    def _do_updatezonekeyrange(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        command = {
            "_configsvrUpdateZoneKeyRange": asked["updateZoneKeyRange"],
            **{name: asked[name] for name in ("min", "max", "zone")},
            "writeConcern": _MAJORITY,
        }
        return dict(self._config.admin.command(command))

    def _do_enablesharding(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        self._home(asked["enableSharding"])
        return {}

    def _do_create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        client, _ = self._home(asked["$db"])
        return dict(client[asked["$db"]].command(_plain(asked)))

    def _do_shardcollection(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        database, _, collection = asked["shardCollection"].partition(".")
        client, version = self._home(database)
        return dict(
            client[database].command(
                {
                    "_shardsvrCreateCollection": collection,
                    "shardKey": asked["key"],
                    "unique": False,
                    "databaseVersion": version,
                    "writeConcern": _MAJORITY,
                }
            )
        )

    def _do_createindexes(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._on_owners(asked, asked["createIndexes"])

    def _do_collmod(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._on_owners(asked, asked["collMod"])

    def _on_owners(self, asked: Mapping[str, Any], collection: str) -> dict[str, Any]:
        """Send a command to every shard that holds chunks of the collection, or to its database's home."""
        found = self._config.config["collections"].find_one({"_id": f"{asked['$db']}.{collection}"})
        owners = self._config.config["chunks"].distinct("shard", {"uuid": found["uuid"]}) if found else []
        clients = [self._shards[shard] for shard in owners] or [self._home(asked["$db"])[0]]
        reply: dict[str, Any] = {}
        for client in clients:
            reply = dict(client[asked["$db"]].command(_plain(asked)))
        return reply

    def _do_endsessions(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def _forward(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask the config servers for what is theirs, and the database's home for everything else."""
        database = asked["$db"]
        if next(iter(asked)) == "aggregate" and asked["aggregate"] == 1:
            return {
                "cursor": {"id": 0, "ns": "admin.$cmd.aggregate", "firstBatch": self.canned.get("distribution", [])}
            }
        client = self._config if database in {"config", "admin"} else self._home(database)[0]
        return dict(client[database].command(_plain(asked)))

    def _home(self, database: str) -> tuple[MongoClient[dict[str, Any]], Any]:
        made = self._config.admin.command({"_configsvrCreateDatabase": database, "writeConcern": _MAJORITY})
        found = self._config.config["databases"].find_one({"_id": database})
        assert found is not None, made
        return self._shards[found["primary"]], found["version"]


def _plain(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in _SESSION}


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, standin: MongosStandin) -> None:
        self.standin = standin
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        while True:
            header = self.rfile.read(16)
            if len(header) < 16:
                return
            length, request, _, code = struct.unpack("<iiii", header)
            body = self.rfile.read(length - 16)
            asked = _parse_message(body) if code == _OP_MSG else _parse_query(body)
            reply = self.server.standin.answer(asked)
            self.wfile.write(_message(reply, request) if code == _OP_MSG else _reply(reply, request))


def _parse_message(body: bytes) -> dict[str, Any]:
    """Read the sections of an OP_MSG: a document, and sequences of documents that belong to one of its fields."""
    place = 4
    asked: dict[str, Any] = {}
    while place < len(body):
        kind = body[place]
        place += 1
        size = struct.unpack_from("<i", body, place)[0]
        if kind == 0:
            asked = {**bson.decode(body[place : place + size]), **asked}
        else:
            name, _, documents = body[place + 4 : place + size].partition(b"\0")
            asked[name.decode()] = bson.decode_all(documents)
        place += size
    return asked


def _parse_query(body: bytes) -> dict[str, Any]:
    """Read an OP_QUERY, in which drivers still say their first hello."""
    end = body.index(b"\0", 4)
    return dict(bson.decode(body[end + 9 :]))


def _message(reply: Mapping[str, Any], request: int) -> bytes:
    body = struct.pack("<I", 0) + b"\0" + bson.encode(reply)
    return struct.pack("<iiii", 16 + len(body), 1, request, _OP_MSG) + body


def _reply(reply: Mapping[str, Any], request: int) -> bytes:
    body = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(reply)
    return struct.pack("<iiii", 16 + len(body), 1, request, 1) + body
