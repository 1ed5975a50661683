"""Writes that do not pass our own code: the watcher hears of them and the caches follow."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any

import pytest
from bson import ObjectId
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from cachelayer.invalidation.watch_state import read_watch_state
from cachelayer.outcomes import Outcome
from cachelayer.server import door
from catalog import mongo
from catalog import watching as watching_module
from catalog.changes import products_changed
from catalog.indexes import PRODUCTS, ensure_collections, ensure_indexes
from catalog.search.request import SearchRequest
from catalog.services.products import read_product
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.watching import PLACE, PLACES, watch
from speedscale.embedded.mongo_sets import MongoReplicaSet
from speedscale.embedded.mongod import MongodServer, mongod_binary
from speedscale.embedded.ports import free_port, is_listening
from speedscale.embedded.process import ServerProcess
from speedscale.embedded.redis import RedisServer


def wait_for(condition: Callable[[], object], *, seconds: float = 5.0) -> float:
    started = monotonic()
    while not condition():
        assert monotonic() - started < seconds, "the condition did not come true in time"
        sleep(0.002)
    return monotonic() - started


_running: list[Watching] = []


class Watching:
    """A watcher in a thread of this process."""

    def __init__(self) -> None:
        _running.append(self)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=watch, args=(self.stopping,))
        self.thread.start()
        wait_for(lambda: read_watch_state() is not None)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(timeout=10)
        assert not self.thread.is_alive()


def _stop_watching() -> None:
    while _running:
        _running.pop().stop()


@pytest.fixture(autouse=True)
def no_watcher_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A watcher that a failed test has left behind would disturb those after it; it ends soon when it is told to."""
    monkeypatch.setattr(watching_module, "_IDLE_SECONDS", 0.05)
    yield
    _stop_watching()


@pytest.fixture
def ids(products_db: Any) -> list[str]:
    products_db[PLACES].delete_many({})
    return store(
        draft("MOUSE-1", name="Wireless Mouse", price=1000),
        draft("KEYS-1", name="Wireless Keyboard", category_path=("Gaming", "Keyboards"), product_type="Keyboard"),
    )


@pytest.fixture
def watching(ids: list[str]) -> Iterator[Watching]:
    watcher = Watching()
    yield watcher
    watcher.stop()


def raise_price(product_id: str, price: int) -> None:
    mongo.command_database()[PRODUCTS].update_one({"_id": ObjectId(product_id)}, {"$set": {"price": price}})


def price_of(product_id: str) -> float:
    return float(read_product(product_id=product_id).value["price"])


def has_price(product_id: str, price: float) -> bool:
    return price_of(product_id) == price


def test_a_changed_product_is_read_anew_within_a_quarter_of_a_second(ids: list[str], watching: Watching) -> None:
    taken = []
    for price in range(2000, 2015):
        price_of(ids[0])
        raise_price(ids[0], price)
        taken.append(wait_for(partial(has_price, ids[0], price / 100)))
    assert median(taken) < 0.25


def test_searches_turn_stale_by_category_and_others_stay_warm(ids: list[str], watching: Watching) -> None:
    mice, keyboards = SearchRequest(query="mouse"), SearchRequest(query="keyboard")
    for request in (mice, keyboards):
        search_products(request=request)
    raise_price(ids[0], 3333)
    wait_for(lambda: search_products(request=mice).value["data"][0]["price"] == 33.33)
    assert search_products(request=keyboards).outcome in {Outcome.L1_HIT, Outcome.REDIS_HIT}


def test_a_deleted_product_is_gone(client: Client, ids: list[str], watching: Watching) -> None:
    assert client.get(f"/api/products/{ids[0]}").status_code == 200
    mongo.command_database()[PRODUCTS].delete_one({"_id": ObjectId(ids[0])})
    wait_for(lambda: client.get(f"/api/products/{ids[0]}").status_code == 404)
    wait_for(lambda: search_products(request=SearchRequest(query="mouse")).value["count"] == 0)


def test_a_created_product_is_found_though_it_was_known_to_be_absent(client: Client, watching: Watching) -> None:
    from catalog.documents import object_id_of

    path = f"/api/products/{object_id_of('NEW-1')}"
    assert client.get(path).status_code == 404
    assert search_products(request=SearchRequest(query="unicorn")).value["count"] == 0
    store(draft("NEW-1", name="Unicorn"))
    wait_for(lambda: client.get(path).status_code == 200)
    wait_for(lambda: search_products(request=SearchRequest(query="unicorn")).value["count"] == 1)


def test_what_happened_while_no_watcher_ran_is_told_when_one_starts_again(ids: list[str]) -> None:
    first = Watching()
    price_of(ids[0])
    first.stop()
    raise_price(ids[0], 4444)
    sleep(0.1)
    assert price_of(ids[0]) == 10.0
    second = Watching()
    wait_for(lambda: price_of(ids[0]) == 44.44)
    second.stop()


@pytest.fixture
def own_redis(tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    """A Redis of this test's own, which it may stop."""
    server = RedisServer(tmp_path / "redis")
    default = settings.CACHES["default"]
    limits = {"SOCKET_CONNECT_TIMEOUT": 0.2, "SOCKET_TIMEOUT": 0.2}
    settings.CACHES = {"default": {**default, "LOCATION": server.url, "OPTIONS": {**default["OPTIONS"], **limits}}}
    engine.reset()
    yield server
    server.signal(signal.SIGCONT)
    _stop_watching()
    engine.reset()
    server.stop()
    door.breaker.record_success()


def test_what_a_hung_redis_did_not_hear_is_told_by_the_next_watcher(
    ids: list[str], own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Watching()
    assert price_of(ids[0]) == 10.0
    # Redis carries out what it was sent while it hung; a circuit that stays open sends it nothing.
    monkeypatch.setattr(door.breaker, "_retry_seconds", 60.0)
    own_redis.signal(signal.SIGSTOP)
    wait_for(lambda: door.breaker.is_open)
    raise_price(ids[0], 5151)
    wait_for(lambda: not engine.is_everything_told())
    first.stop()
    engine.reset()  # What this process could not tell is gone, as if it had ended.
    own_redis.signal(signal.SIGCONT)
    door.breaker.record_success()
    wait_for(lambda: read_product(product_id=ids[0]).outcome is Outcome.REDIS_HIT, seconds=10)
    assert price_of(ids[0]) == 10.0, "Redis has kept the old price"
    Watching()
    wait_for(partial(has_price, ids[0], 51.51), seconds=10)


@pytest.mark.drill
@pytest.mark.timeout(120)
def test_a_watcher_survives_an_election(products_db: Any, tmp_path: Path, settings: Settings) -> None:
    mongo.close()
    try:
        with MongoReplicaSet(tmp_path, nodes=2, election_timeout_ms=2000) as group:
            settings.MONGO_URI = group.uri
            ensure_collections(mongo.command_database())
            ensure_indexes(mongo.command_database())
            [mouse] = store(draft("MOUSE-1", name="Wireless Mouse", price=1000))
            watcher = Watching()
            raise_price(mouse, 1100)
            wait_for(partial(has_price, mouse, 11.0), seconds=10)
            before = group.primary()
            [other] = [node for node in group.nodes if node is not before]
            with other.direct_client() as client:
                client.admin.command("replSetStepUp")
            wait_for(lambda: group.is_complete() and group.primary() is other, seconds=20)
            raise_price(mouse, 1200)
            wait_for(partial(has_price, mouse, 12.0), seconds=20)
            watcher.stop()
    finally:
        _stop_watching()
        mongo.close()
        mongo.breaker.record_success()


class ObedientMongod(MongodServer):
    """A MongoDB that can be told which error to answer with."""

    def _command(self, directory: Path, replica_set: str, cache_mb: int) -> list[str | Path]:
        return [*super()._command(directory, replica_set, cache_mb), "--setParameter", "enableTestCommands=1"]


@pytest.fixture
def obedient(tmp_path: Path, settings: Settings) -> Iterator[ObedientMongod]:
    mongo.close()
    server = ObedientMongod(tmp_path / "mongodb")
    settings.MONGO_URI = server.uri
    ensure_collections(mongo.command_database())
    ensure_indexes(mongo.command_database())
    yield server
    _stop_watching()
    mongo.close()
    mongo.breaker.record_success()
    server.stop()


def test_a_place_that_mongodb_no_longer_knows_makes_everything_old(
    obedient: ObedientMongod, caplog: pytest.LogCaptureFixture
) -> None:
    [mouse] = store(draft("MOUSE-1", name="Wireless Mouse", price=1000))
    Watching().stop()
    assert price_of(mouse) == 10.00
    # What MongoDB answers once its log of changes begins after the place.
    with obedient.direct_client() as client:
        client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": 1},
            data={"failCommands": ["aggregate"], "errorCode": 286},
        )
    raise_price(mouse, 5555)
    Watching()
    wait_for(lambda: price_of(mouse) == 55.55)
    assert any("has forgotten" in line for line in caplog.messages)
    raise_price(mouse, 6666)
    wait_for(lambda: price_of(mouse) == 66.66)


def test_a_bulk_of_changes_is_told_in_batches_and_completely(products_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "_BATCH", 100)
    products_db[PLACES].delete_many({})
    identifiers = store(*(draft(f"SKU-{number}", price=100) for number in range(350)))
    watcher = Watching()
    told: set[str] = set()
    products_changed.connect(receiver := lambda product_ids, **_: told.update(product_ids))
    products_db[PRODUCTS].update_many({}, {"$set": {"price": 200}})
    wait_for(lambda: told >= set(identifiers), seconds=20)
    products_changed.disconnect(receiver)
    watcher.stop()


def test_the_lag_is_published(ids: list[str], watching: Watching) -> None:
    raise_price(ids[0], 7777)
    wait_for(lambda: (state := read_watch_state()) is not None and state.events >= 1)
    state = read_watch_state()
    assert state is not None
    assert 0 <= state.lag_ms <= state.worst_lag_ms < 2000
    assert state.supported


def test_a_standalone_mongodb_is_said_to_tell_nothing(tmp_path: Path, settings: Settings) -> None:
    directory = tmp_path / "standalone"
    directory.mkdir()
    port = free_port()
    command: list[str | Path] = [mongod_binary(), "--dbpath", directory, "--port", str(port), "--bind_ip", "127.0.0.1"]
    server = ServerProcess("mongod", command, log=directory / "mongod.log")
    mongo.close()
    settings.MONGO_URI = f"mongodb://127.0.0.1:{port}"
    stopping = threading.Event()
    thread = threading.Thread(target=watch, args=(stopping,))
    try:
        server.wait_until(lambda: is_listening(port), timeout_seconds=20)
        thread.start()
        wait_for(lambda: (state := read_watch_state()) is not None and not state.supported, seconds=10)
        assert Client().get("/health").json()["invalidation"]["watcher"] == "unsupported"
    finally:
        stopping.set()
        thread.join(timeout=10)
        mongo.close()
        server.stop()


def test_a_refusal_that_nobody_has_foreseen_does_not_end_the_watcher(
    ids: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = watching_module._PIPELINE
    monkeypatch.setattr(watching_module, "_PIPELINE", [{"$nonsense": 1}])
    monkeypatch.setattr(watching_module, "_RECONNECT_SECONDS", 0.01)
    price_of(ids[0])
    stopping = threading.Event()
    thread = threading.Thread(target=watch, args=(stopping,))
    thread.start()
    try:
        wait_for(lambda: sum("it goes on trying" in line for line in caplog.messages) >= 6)
        assert thread.is_alive()
        raise_price(ids[0], 8888)
        monkeypatch.setattr(watching_module, "_PIPELINE", pipeline)
        # It has given its place up, so it tells that everything is old.
        wait_for(lambda: price_of(ids[0]) == 88.88)
        raise_price(ids[0], 9999)
        wait_for(lambda: price_of(ids[0]) == 99.99)
    finally:
        stopping.set()
        thread.join(timeout=10)


def test_a_place_that_cannot_be_read_makes_everything_old(ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "_RECONNECT_SECONDS", 0.01)
    mongo.command_database()[PLACES].insert_one({"_id": PLACE, "token": {"_data": "nonsense"}})
    price_of(ids[0])
    raise_price(ids[0], 1234)
    watcher = Watching()
    wait_for(lambda: price_of(ids[0]) == 12.34)
    watcher.stop()
