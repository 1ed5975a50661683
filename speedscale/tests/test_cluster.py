"""``cluster_init`` and ``cluster_status`` on real config servers, shards and replica sets.

What only ``mongos`` answers comes from a stand-in that passes it on to those servers (catalog/tests/mongos_standin.py).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.test import override_settings
from pymongo import MongoClient

from catalog.cluster.nodes import Access
from catalog.tests.mongos_standin import MongosStandin
from speedscale.embedded.mongo_sets import MongoReplicaSet
from speedscale.embedded.mongod import MongodProcess
from speedscale.tests.waiting import wait_for

pytestmark = pytest.mark.timeout(120)


def run(*arguments: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process, which spares it the start of Django; return its status and what it told."""
    output, status = StringIO(), 0
    servers = {name: variables.pop(name, "") for name in ("MONGO_URI", "REDIS_URL")}
    database = variables.pop("MONGO_DB", "shop")
    with override_settings(**servers, MONGO_DB=database), mock.patch.dict(os.environ, variables):
        try:
            call_command(*arguments, "--json", stdout=output)
        except CommandError:
            status = 1
        except SystemExit as end:
            status = int(end.code or 0)
    return status, json.loads(output.getvalue())


def changed_steps(told: dict[str, Any]) -> list[str]:
    return [step["step"] for step in told["steps"] if step["changed"]]


@dataclass
class Servers:
    """Seven processes that know nothing of each other yet, and the arguments that make them a cluster."""

    config: list[MongodProcess]
    shards: dict[str, list[MongodProcess]]
    standin: MongosStandin

    def arguments(self) -> list[str]:
        told = ["--config", _named("cfg", self.config), "--mongos", self.standin.host]
        for name, nodes in self.shards.items():
            told += ["--shard", _named(name, nodes)]
        return told


def _named(name: str, nodes: list[MongodProcess]) -> str:
    return f"{name}/{','.join(node.host for node in nodes)}"


class _Named:
    """A set that the test's servers will become, in the form that the stand-in is told."""

    def __init__(self, name: str, nodes: list[MongodProcess]) -> None:
        self.name, self.nodes = name, nodes
        self.uri = f"mongodb://{','.join(node.host for node in nodes)}/?replicaSet={name}"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp("cluster")
    with ExitStack() as cleanup:

        def nodes(name: str, count: int, role: str) -> list[MongodProcess]:
            found = []
            for number in range(count):
                node = MongodProcess(directory / f"{name}{number}", replica_set=name, arguments=[role])
                cleanup.callback(node.kill)
                found.append(node)
            return found

        config = nodes("cfg", 3, "--configsvr")
        shards = {name: nodes(name, 2, "--shardsvr") for name in ("shard1", "shard2")}
        named: Any = {name: _Named(name, found) for name, found in shards.items()}
        standin = cleanup.enter_context(MongosStandin(_Named("cfg", config), named))  # type: ignore[arg-type]
        yield Servers(config, shards, standin)


@pytest.fixture(scope="module")
def initiated(servers: Servers) -> dict[str, Any]:
    """What the second run told, after a first one that ended before the shards were added."""
    servers.standin.canned["addShard"] = {"ok": 0.0, "errmsg": "interrupted at shutdown", "code": 11600}
    status, told = run("cluster_init", *servers.arguments())
    assert status == 1
    assert "interrupted at shutdown" in told["error"]
    assert changed_steps(told) == ["replica set cfg", "replica set shard1", "replica set shard2"]
    del servers.standin.canned["addShard"]
    status, told = run("cluster_init", *servers.arguments())
    assert (status, told["error"]) == (0, None)
    return told


def test_a_run_that_was_interrupted_goes_on_where_it_ended(initiated: dict[str, Any]) -> None:
    assert changed_steps(initiated) == [
        "shard shard1",
        "shard shard2",
        "collection shop.products sharded",
        "collection shop.similar sharded",
        "indexes",
    ]


def test_seven_servers_become_a_cluster_whose_hashes_are_spread_evenly(
    servers: Servers, initiated: dict[str, Any]
) -> None:
    config: MongoClient[dict[str, Any]] = MongoClient(_Named("cfg", servers.config).uri)
    with config:
        assert {row["_id"] for row in config.config["shards"].find()} == {"shard1", "shard2"}
        products = config.config["collections"].find_one({"_id": "shop.products"})
        assert products is not None
        assert products["key"] == {"_id": "hashed"}
        chunks = [row["shard"] for row in config.config["chunks"].find({"uuid": products["uuid"]})]
        assert chunks.count("shard1") == chunks.count("shard2") > 0
    for name, nodes in servers.shards.items():
        shard: MongoClient[dict[str, Any]] = MongoClient(_Named(name, nodes).uri)
        with shard:
            info = shard.get_database("shop").products.index_information()
            assert {"terms_popularity", "_id_hashed"} <= set(info), "each shard has the indexes"
            options = next(shard.get_database("shop").list_collections(filter={"name": "products"}))["options"]
            assert "$jsonSchema" in options["validator"], "each shard refuses other shapes"


def test_a_further_run_changes_nothing(servers: Servers, initiated: dict[str, Any]) -> None:
    asked_before = len(servers.standin.commands)
    status, told = run("cluster_init", *servers.arguments())
    assert (status, told["changed"]) == (0, 0)
    asked = servers.standin.commands[asked_before:]
    assert not {"addShard", "shardCollection"} & set(asked)


def test_zones_divide_the_hashes_and_are_made_once(servers: Servers, initiated: dict[str, Any]) -> None:
    zones = ["--zone", "europe=shard1", "--zone", "america=shard2"]
    status, told = run("cluster_init", *servers.arguments(), *zones)
    assert (status, told["error"]) == (0, None)
    assert changed_steps(told) == ["zone europe", "zone america", "zones of shop.products", "zones of shop.similar"]
    config: MongoClient[dict[str, Any]] = MongoClient(_Named("cfg", servers.config).uri)
    with config:
        ranges = list(config.config["tags"].find({"ns": "shop.products"}).sort("min"))
        assert [row["tag"] for row in ranges] == ["europe", "america"]
        assert ranges[0]["max"] == ranges[1]["min"] == {"_id": 0}
    _, again = run("cluster_init", *servers.arguments(), *zones)
    assert again["changed"] == 0


def test_the_status_of_a_cluster_names_every_server_and_every_share(
    servers: Servers, initiated: dict[str, Any]
) -> None:
    servers.standin.canned["distribution"] = [
        {
            "ns": "shop.products",
            "shards": [
                {"shardName": "shard1", "numOwnedDocuments": 80_000, "ownedSizeBytes": 8_000_000},
                {"shardName": "shard2", "numOwnedDocuments": 20_000, "ownedSizeBytes": 2_000_000},
            ],
        }
    ]
    status, told = run("cluster_status", MONGO_URI=servers.standin.uri)
    mongodb = told["mongodb"]
    assert mongodb["topology"] == "sharded"
    assert [(found["kind"], found["name"], len(found["members"])) for found in mongodb["sets"]] == [
        ("config", "cfg", 3),
        ("shard", "shard1", 2),
        ("shard", "shard2", 2),
    ]
    assert all(member["healthy"] for found in mongodb["sets"] for member in found["members"])
    parts = mongodb["sharding"]["collections"][0]["parts"]
    assert [(part["shard"], part["share"], part["documents"]) for part in parts] == [
        ("shard1", 0.8, 80_000),
        ("shard2", 0.2, 20_000),
    ]
    assert all(part["chunks"] > 0 for part in parts)
    assert "shop.products: shard shard1 holds 80%, an even share is 50%" in told["reasons"]
    assert (status, told["verdict"]) == (1, "degraded")
    text = StringIO()
    with override_settings(MONGO_URI=servers.standin.uri, REDIS_URL="", MONGO_DB="shop"), pytest.raises(SystemExit):
        call_command("cluster_status", stdout=text)
    assert "shard1 (shard)" in text.getvalue()
    assert "80.0%" in text.getvalue()


def test_a_shard_without_a_majority_is_down_and_a_lost_config_server_is_not(
    servers: Servers, initiated: dict[str, Any]
) -> None:
    lost = servers.config[2]
    lost.kill()

    def verdict() -> tuple[str, list[str]]:
        _, told = run("cluster_status", MONGO_URI=servers.standin.uri)
        return told["verdict"], told["reasons"]

    wait_for(lambda: any(lost.host in reason for reason in verdict()[1]))
    assert verdict()[0] == "degraded"
    servers.shards["shard2"][1].kill()
    wait_for(lambda: verdict()[0] == "down", timeout_seconds=40)
    assert "shard shard2 has no primary: no majority of its members answers" in verdict()[1]


def test_a_set_of_other_members_is_refused(servers: Servers, initiated: dict[str, Any]) -> None:
    one = servers.shards["shard1"][0].host
    status, told = run("cluster_init", "--replica-set", f"shard1/{one}")
    assert status == 1
    assert "shard1 has the members" in told["error"]
    status, told = run("cluster_init", "--replica-set", f"other/{one}")
    assert status == 1
    assert "belongs to the replica set shard1" in told["error"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--replica-set", "rs"], "names no replica set"),
        (["--replica-set", "rs/host:0"], "is no address"),
        (["--replica-set", "rs/a:1,a:1"], "names a member twice"),
        (["--shard", "s/a:1"], "through mongos"),
        (["--shard", "s/a:1", "--mongos", "m:1", "--zone", "z=other"], "not in the plan: other"),
        ([], "name the servers"),
    ],
)
def test_a_plan_that_cannot_be_is_one_line(arguments: list[str], complaint: str) -> None:
    status, told = run("cluster_init", *arguments)
    assert status == 1
    assert complaint in told["error"]


def test_a_set_with_passwords_gets_its_accounts_from_its_key_alone(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(secrets.token_hex(40))
    key.chmod(0o400)
    nodes = [
        MongodProcess(tmp_path / f"n{number}", replica_set="rs", arguments=["--keyFile", key]) for number in range(2)
    ]
    try:
        plan = ["--replica-set", _named("rs", nodes), "--key-file", str(key)]
        passwords = {"MONGO_ROOT_PASSWORD": "of-root", "MONGO_PASSWORD": "of-web"}
        status, told = run("cluster_init", *plan, **passwords)
        assert (status, told["error"]) == (0, None)
        assert {"account root on rs", "account speedscale on rs"} <= set(changed_steps(told))
        _, again = run("cluster_init", *plan, **passwords)
        assert again["changed"] == 0
        hosts = ",".join(node.host for node in nodes)
        uri = f"mongodb://speedscale:of-web@{hosts}/?replicaSet=rs&authSource=admin"
        status, told = run("cluster_status", MONGO_URI=uri)
        members = told["mongodb"]["sets"][0]["members"]
        assert sorted(member["role"] for member in members) == ["PRIMARY", "SECONDARY"]
        assert told["mongodb"]["sets"][0]["oplog_hours"] is not None
        assert "of-web" not in json.dumps(told)
        web: MongoClient[dict[str, Any]] = MongoClient(uri)
        with web:
            web.get_database("shop").things.insert_one({"_id": ObjectId()})
        assert "of-web" not in repr(Access.of_uri(uri))
    finally:
        for node in nodes:
            node.kill()


def test_nothing_that_runs_is_down_and_tells_why() -> None:
    status, told = run("cluster_status")
    assert (status, told["verdict"]) == (2, "down")
    assert told["reasons"][0].startswith("MongoDB: no MongoDB is known")
    status, told = run("cluster_status", MONGO_URI="mongodb://127.0.0.1:9/", REDIS_URL="redis://127.0.0.1:9/0")
    assert status == 2
    assert any("127.0.0.1:9 does not answer" in reason for reason in told["reasons"])


def test_a_replica_set_tells_who_lags_and_who_is_away(tmp_path: Path) -> None:
    with MongoReplicaSet(tmp_path, election_timeout_ms=2000) as group:
        # The members hear of each other's last step with the next heartbeat.
        wait_for(lambda: all("Redis" in reason for reason in run("cluster_status", MONGO_URI=group.uri)[1]["reasons"]))
        status, told = run("cluster_status", MONGO_URI=group.uri)
        assert [found["kind"] for found in told["mongodb"]["sets"]] == ["data"]
        assert [member["lag_seconds"] for member in told["mongodb"]["sets"][0]["members"]] != [None] * 3
        group.primary().kill()
        wait_for(lambda: run("cluster_status", MONGO_URI=group.uri)[1]["verdict"] == "degraded")
        status, told = run("cluster_status", MONGO_URI=group.uri)
        assert status == 1
