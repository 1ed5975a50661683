"""The whole way through a real ``mongos``; runs where ``MONGOS_BIN`` names its binary, because no wheel carries it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from pymongo import MongoClient

from speedscale.embedded.mongod import MongodProcess
from speedscale.embedded.ports import free_port, is_listening
from speedscale.embedded.process import ServerProcess
from speedscale.tests.commands import MANAGE, environment, manage
from speedscale.tests.waiting import wait_for

MONGOS = os.environ.get("MONGOS_BIN", "")
pytestmark = [
    pytest.mark.mongos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not MONGOS, reason="MONGOS_BIN names no mongos, and no package index carries one"),
]
COUNT = 100_000


class Cluster:
    """Config servers, two shards of three, and a router; ``variables`` make commands use it."""

    def __init__(self, directory: Path, cleanup: ExitStack) -> None:
        self.sets = {
            name: [
                MongodProcess(directory / f"{name}{number}", replica_set=name, arguments=[role]) for number in range(3)
            ]
            for name, role in (("cfg", "--configsvr"), ("shard1", "--shardsvr"), ("shard2", "--shardsvr"))
        }
        for nodes in self.sets.values():
            for node in nodes:
                cleanup.callback(node.kill)
        port = free_port()
        arguments = ["--configdb", self.named("cfg"), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
        self.router = ServerProcess("mongos", [MONGOS, *arguments], log=directory / "mongos.log")
        cleanup.callback(self.router.stop)
        self.host = f"127.0.0.1:{port}"
        self.variables = {
            "MONGO_URI": f"mongodb://{self.host}/",
            "MONGO_DB": "shop",
            "REDIS_URL": settings.REDIS_URL,
            "SECRET_KEY": "x" * 60,
            "HTTPS": "false",
            "DATA_DIR": str(directory / "data"),
        }
        made = self.manage("cluster_init", "--config", self.named("cfg"), "--mongos", self.host, *self.shards())
        assert made.returncode == 0, made.stderr
        wait_for(lambda: is_listening(port))

    def named(self, name: str) -> str:
        return f"{name}/{','.join(node.host for node in self.sets[name])}"

    def shards(self) -> list[str]:
        return ["--shard", self.named("shard1"), "--shard", self.named("shard2")]

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(*arguments, **self.variables)

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.manage("cluster_status", "--json").stdout)
        return told


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as cleanup:
        cluster = Cluster(tmp_path_factory.mktemp("sharded"), cleanup)
        seeded = subprocess.run(
            [sys.executable, str(MANAGE), "seed", "--count", str(COUNT)],
            env=environment(**cluster.variables),
            capture_output=True,
            text=True,
            check=False,
        )
        assert seeded.returncode == 0, seeded.stderr
        yield cluster


def test_a_second_run_of_cluster_init_changes_nothing(cluster: Cluster) -> None:
    again = cluster.manage(
        "cluster_init", "--json", "--config", cluster.named("cfg"), "--mongos", cluster.host, *cluster.shards()
    )
    assert json.loads(again.stdout)["changed"] == 0


def test_each_shard_holds_about_half_of_the_products(cluster: Cluster) -> None:
    found = cluster.status()["mongodb"]["sharding"]["collections"]
    parts = next(one["parts"] for one in found if one["namespace"] == "shop.products")
    assert sum(part["documents"] for part in parts) == COUNT
    assert all(0.45 <= part["share"] <= 0.55 for part in parts)


def test_a_search_and_a_product_page_are_answered_through_the_router(cluster: Cluster) -> None:
    script = (
        "from django.test import Client; import json; c = Client(headers={'host': 'localhost'});"
        "found = c.get('/api/search', {'query': 'wireless'}).json();"
        "one = c.get('/api/products/' + found['data'][0]['_id']);"
        "print(json.dumps([found['count'], one.status_code]))"
    )
    done = cluster.manage("shell", "-c", script)
    count, status = json.loads(done.stdout.splitlines()[-1])
    assert count > 0
    assert status == 200


def test_the_primary_of_a_shard_dies_and_no_acknowledged_write_is_lost(cluster: Cluster) -> None:
    load = subprocess.Popen(
        [sys.executable, str(MANAGE), "cluster_drill", "--load"],
        env=environment(**cluster.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdout is not None
    assert load.stdout.readline().strip() == "loading"
    client: MongoClient[dict[str, Any]] = MongoClient(cluster.variables["MONGO_URI"])
    with client:
        home = client.config["databases"].find_one({"_id": "shop"})
        assert home is not None
        for node in cluster.sets[home["primary"]]:
            with node.direct_client() as direct:
                is_primary = direct.admin.command("hello")["isWritablePrimary"]
            if is_primary:
                node.kill()
                break
        wait_for(lambda: client.get_database("shop").products.find_one({}) is not None, timeout_seconds=60)
    output, _ = load.communicate("\n", timeout=120)
    account = json.loads(output)
    assert account["acknowledged"] > 0
    assert account["lost"] == 0
    assert cluster.status()["verdict"] == "degraded"
