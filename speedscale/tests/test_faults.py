"""Servers are stopped, hung and started again under requests: what clients see meanwhile, and afterwards."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import psutil
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from cachelayer.server import door
from catalog import mongo
from catalog.indexes import ensure_collections, ensure_indexes
from catalog.tests.factories import draft, store
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.redis import RedisServer

pytestmark = pytest.mark.timeout(60)
LIMIT_SECONDS = 0.05


@pytest.fixture
def own_redis(tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    """A Redis of this test's own, which it may stop."""
    server = RedisServer(tmp_path / "redis")
    default = settings.CACHES["default"]
    limits = {"SOCKET_CONNECT_TIMEOUT": LIMIT_SECONDS, "SOCKET_TIMEOUT": LIMIT_SECONDS}
    settings.CACHES = {
        "default": {**default, "LOCATION": server.url, "OPTIONS": {**default["OPTIONS"], **limits}},
    }
    engine.reset()
    yield server
    engine.reset()
    server.stop()
    door.breaker.record_success()


@pytest.fixture
def own_mongod(tmp_path: Path, settings: Settings) -> Iterator[MongodServer]:
    """A MongoDB of this test's own, with three products, which it may stop."""
    mongo.close()
    server = MongodServer(tmp_path / "mongodb")
    settings.MONGO_URI = server.uri
    database = mongo.command_database()
    ensure_collections(database)
    ensure_indexes(database)
    store(*(draft(f"SKU-{number}", name=f"Wireless Mouse {number}") for number in range(3)))
    yield server
    mongo.close()
    mongo.breaker.record_success()
    server.stop()


def wait_for(condition: Callable[[], bool], *, seconds: float) -> float:
    """Wait until ``condition()`` holds; return how long that took, fail after ``seconds``."""
    started = monotonic()
    while not condition():
        assert monotonic() - started < seconds, "the condition did not come true in time"
        sleep(0.02)
    return monotonic() - started


def hang(server: MongodServer | RedisServer) -> None:
    """Stop all threads of a server, and wait until they have stopped."""
    server.signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(server.pid).status() == psutil.STATUS_STOPPED, seconds=5)


def search(client: Client, query: str) -> Any:
    engine.clear_local()
    return client.get("/api/search", {"query": query})


def timed_search(client: Client, query: str) -> tuple[Any, float]:
    started = perf_counter()
    response = search(client, query)
    return response, (perf_counter() - started) * 1000


@pytest.fixture
def catalogue(products_db: Any) -> list[str]:
    return store(*(draft(f"SKU-{number}", name=f"Wireless Mouse {number}") for number in range(3)))


def test_redis_stopped_pages_answer_from_mongodb_and_say_bypass(
    client: Client, catalogue: list[str], own_redis: RedisServer, settings: Settings
) -> None:
    settings.RATE_LIMIT_SEARCH = "10000/minute"
    assert search(client, "mouse")["X-Cache"] == "MISS"
    assert search(client, "mouse")["X-Cache"] == "HIT"
    own_redis.kill()
    for _ in range(5):
        response = search(client, "mouse")
        assert response.status_code == 200
        assert response["X-Cache"] == "BYPASS"
        assert response.json()["source"] == "MONGODB"
        assert response.json()["count"] == 3
        assert response["RateLimit-Limit"] == "10000"
    assert client.get(f"/api/products/{catalogue[0]}").status_code == 200
    assert client.get(f"/api/products/{catalogue[0]}/similar").status_code == 200
    for _ in range(2):
        missing = client.get(f"/api/products/{'0' * 24}")
        assert (missing.status_code, missing["X-Cache"]) == (404, "BYPASS")
    assert client.get("/api/trending").json()["data"] == []
    health = client.get("/health")
    assert health.status_code == 200
    assert health.json()["status"] == "degraded"
    assert health.json()["connections"] == {"mongodb": True, "redis": False}
    assert health.json()["servers"]["redis"]["reason"]


def test_redis_started_again_is_used_again_within_five_seconds(
    client: Client, catalogue: list[str], own_redis: RedisServer, tmp_path: Path
) -> None:
    own_redis.kill()
    assert search(client, "mouse")["X-Cache"] == "BYPASS"
    assert search(client, "mouse")["X-Cache"] == "BYPASS"
    restarted = RedisServer(tmp_path / "redis", port=own_redis.port)
    try:
        took = wait_for(lambda: search(client, "mouse")["X-Cache"] == "HIT", seconds=5)
        assert took < 5
    finally:
        restarted.stop()


def test_redis_hung_costs_one_bounded_wait_a_request_and_then_none(
    client: Client,
    catalogue: list[str],
    own_redis: RedisServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.RATE_LIMIT_SEARCH = "10000/minute"
    search(client, "mouse")
    waits: list[str] = []
    record_failure = door.breaker.record_failure

    def count_failure(reason: str) -> None:
        if threading.current_thread() is threading.main_thread():  # The telemetry's thread waits for itself.
            waits.append(reason)
        record_failure(reason)

    monkeypatch.setattr(door.breaker, "record_failure", count_failure)
    hang(own_redis)
    for number in range(4):
        waited_before = len(waits)
        response = search(client, f"mouse {number}")
        assert response.status_code == 200
        assert response["X-Cache"] == "BYPASS"
        # A request never waits twice, though it uses Redis several times.
        assert len(waits) - waited_before <= 1
    assert door.breaker.is_open
    assert len(waits) <= 2, "two failures open the circuit, and nobody waits any more"
    own_redis.signal(signal.SIGCONT)
    assert wait_for(lambda: search(client, "mouse")["X-Cache"] in {"HIT", "MISS"}, seconds=5) < 5


def test_mongodb_stopped_warm_answers_stay_and_cold_ones_are_503_soon(client: Client, own_mongod: MongodServer) -> None:
    assert search(client, "mouse").json()["count"] == 3
    own_mongod.kill()
    warm = search(client, "mouse")
    assert (warm.status_code, warm["X-Cache"], warm.json()["count"]) == (200, "HIT", 3)
    cold, elapsed_ms = timed_search(client, "wireless")
    assert cold.status_code == 503
    assert cold["Content-Type"] == "application/problem+json"
    assert int(cold["Retry-After"]) > 0
    assert elapsed_ms < 2000
    health = client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200


def test_mongodb_away_fails_fast_after_the_first_failures_and_caches_nothing_wrong(
    client: Client, own_mongod: MongodServer, tmp_path: Path
) -> None:
    own_mongod.kill()
    elapsed = [timed_search(client, f"wireless {number}") for number in range(4)]
    assert [response.status_code for response, _ in elapsed] == [503] * 4
    assert elapsed[-1][1] < 200
    restarted = MongodServer(tmp_path / "mongodb", port=own_mongod.port)
    try:
        wait_for(lambda: search(client, "wireless 1").status_code == 200, seconds=10)
        assert [product["sku"] for product in search(client, "wireless 1").json()["data"]] == ["SKU-1"]
    finally:
        mongo.close()
        restarted.stop()


def test_mongodb_hung_is_a_503_within_two_seconds(client: Client, own_mongod: MongodServer) -> None:
    assert search(client, "mouse").status_code == 200
    hang(own_mongod)
    try:
        cold, elapsed_ms = timed_search(client, "wireless")
        assert cold.status_code == 503
        assert elapsed_ms < 2000
        assert search(client, "mouse").status_code == 200
    finally:
        own_mongod.signal(signal.SIGCONT)


@pytest.mark.django_db
def test_a_signed_in_person_stays_signed_in_when_redis_is_lost(client: Client, own_redis: RedisServer) -> None:
    client.force_login(User.objects.create_superuser("staff", password="correct horse"))
    assert client.get("/admin/").status_code == 200
    own_redis.kill()
    assert client.get("/admin/").status_code == 200


def test_a_search_while_its_index_is_being_built_is_a_503(client: Client, own_mongod: MongodServer) -> None:
    for index in ("terms_popularity", "words_popularity"):
        mongo.command_database()["products"].drop_index(index)
    response = search(client, "wireless")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0


def test_a_query_that_takes_too_long_closes_nothing_for_others(client: Client, catalogue: list[str]) -> None:
    endless = [{"$match": {"$expr": {"$eq": [{"$sum": {"$range": [0, {"$add": ["$stock", 3_000_000]}]}}, 1]}}}]
    for _ in range(4):
        with pytest.raises(mongo.OutOfTime), mongo.reading() as database, mongo.within(30):
            list(database["products"].aggregate(endless))
    assert not mongo.breaker.is_open
    assert search(client, "wireless").status_code == 200
