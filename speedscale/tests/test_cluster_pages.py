"""The pages about servers and routing, on the servers of the suite."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client, override_settings

from cachelayer.server.state import RedisState
from catalog.cluster.distribution import Shard, ShardedCollection, Sharding, ShardPart
from catalog.cluster.replication import Member, ReplicaSet
from catalog.cluster.status import MongoState
from speedscale.cluster import pages
from speedscale.cluster.verdict import Verdict, judge, read_cluster


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_recent", pages._Recent(read_cluster))


def text_of(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def test_the_page_names_every_server_with_its_role(client: Client) -> None:
    page = text_of(client, "/dashboard/cluster/")
    assert "MongoDB speedscale" in page
    assert "primary" in page
    assert "has one member: nothing takes over when it fails" in page
    assert 'aria-current="page">Cluster' in page
    part = text_of(client, "/dashboard/cluster/", hx_request="true")
    assert part.startswith('<div id="cluster-servers"')


def test_servers_that_are_away_are_told_and_break_nothing(client: Client) -> None:
    with override_settings(MONGO_URI="mongodb://127.0.0.1:9/", REDIS_URL="redis://127.0.0.1:9/0"):
        page = text_of(client, "/dashboard/cluster/")
    assert "badge--unhealthy" in page
    assert "127.0.0.1:9 does not answer" in page


def test_shards_are_shown_with_their_shares(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = (ShardPart("a", 2, 75_000, 1 << 30, 0.75), ShardPart("b", 2, 25_000, 1 << 29, 0.25))
    sharding = Sharding(
        (Shard("a", "a", (), draining=False), Shard("b", "b", (), draining=True)),
        (),
        "",
        "full",
        True,
        (ShardedCollection("shop.products", "_id: hashed", parts, counted=True),),
    )
    state = judge(MongoState("sharded", sharding=sharding), RedisState("single"))
    monkeypatch.setattr(pages, "_recent", pages._Recent(lambda: state))
    page = text_of(client, "/dashboard/cluster/")
    assert "75.0%" in page
    assert "1.0 GiB" in page
    assert "balancer full, at work" in page
    assert "shard b is being emptied" in page


def test_the_verdict_of_a_set_without_a_majority_is_down_and_of_a_lagging_one_degraded() -> None:
    def member(host: str, role: str, lag: float | None, *, healthy: bool = True) -> Member:
        return Member(host, role, healthy, lag, 100_000)

    well = (member("a", "PRIMARY", 0), member("b", "SECONDARY", 1), member("c", "SECONDARY", 2))
    behind = (*well[:2], member("c", "SECONDARY", 60))
    alone = (
        member("a", "SECONDARY", None),
        member("b", "(not reachable/healthy)", None, healthy=False),
        member("c", "(not reachable/healthy)", None, healthy=False),
    )

    def verdict(members: tuple[Member, ...], hours: float = 48) -> Any:
        found = ReplicaSet("rs", "data", members, hours)
        return judge(MongoState("replicaset", sets=(found,)), RedisState("single"))

    assert verdict(well).verdict is Verdict.HEALTHY
    assert verdict(behind).verdict is Verdict.DEGRADED
    assert verdict(behind).reasons == ("set rs: c is 60 s behind",)
    assert verdict(alone).verdict is Verdict.DOWN
    assert "the oplog reaches back 3.0 h" in verdict(well, hours=3).notes[0]


def test_routing_is_explained_on_the_catalogues_own_products(client: Client, products_db: Any) -> None:
    assert "There are no products to try it on." in text_of(client, "/dashboard/cluster/routing/")
    call_command("seed", "--count", "50", stdout=StringIO(), stderr=StringIO())
    page = text_of(client, "/dashboard/cluster/routing/")
    some = products_db.products.find_one({"active": True})
    assert "ObjectId(" in page
    assert some is not None
    for reach in ("one shard", "the shards that hold these ids", "all shards"):
        assert f">{reach}<" in page
    assert "1 document and 1 index entry examined" in page


def test_routing_says_when_mongodb_is_away(client: Client) -> None:
    from catalog import mongo

    mongo.breaker.record_failure("away")
    mongo.breaker.record_failure("away")
    assert "banner--warn" in text_of(client, "/dashboard/cluster/routing/")


def test_the_page_is_asked_often_and_the_servers_are_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def read() -> Any:
        asked.append(1)
        return judge(MongoState("replicaset"), RedisState("single"))

    monkeypatch.setattr(pages, "_recent", pages._Recent(read))
    for _ in range(5):
        text_of(client, "/dashboard/cluster/")
    assert len(asked) == 1
