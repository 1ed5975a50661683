"""A seed that is stopped in the middle, in every way that a machine knows, and run again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from bson import ObjectId
from django.conf import settings
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from catalog import derived
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.seeding import catalogue
from catalog.seeding.batches import BatchResult, store_batch
from catalog.seeding.catalogue import seed_catalogue
from catalog.seeding.generator import ProductGenerator
from catalog.seeding.workers import SeedFailed, SeedPlan, run_workers
from catalog.tests.test_seed_catalogue import expected_state, state
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.store import TERMS
from speedscale.embedded.mongod import MongodServer

BATCH = 200
COUNT = 500
"""Three batches."""
Database = Any


@pytest.fixture(autouse=True)
def processes_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let several processes load even a few products, in small batches."""
    monkeypatch.setattr("catalog.seeding.catalogue.ONE_PROCESS", BATCH)
    monkeypatch.setattr("catalog.seeding.catalogue.BATCH", BATCH)


def wait_until(ready: Callable[[], bool], *, timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def own_database() -> Iterator[Database]:
    """A database without indexes, so that a load is interrupted and not an index build."""
    with MongoClient[dict[str, Any]](settings.MONGO_URI) as client:
        database = client[f"{settings.MONGO_DB}_interrupted"]
        client.drop_database(database.name)
        yield database
        client.drop_database(database.name)


SMALL_BATCHES = f"""
import runpy, sys
from catalog.seeding import catalogue
catalogue.BATCH = {BATCH}
runpy.run_path("manage.py", run_name="__main__")
"""
"""``manage.py`` with a batch so small that little was stored when the load is interrupted."""


def start_command(database: Database, *, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SMALL_BATCHES, "seed", "--count", str(count), "--processes", "2"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "MONGO_DB": database.name},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def in_the_middle(database: Database) -> Callable[[], bool]:
    return lambda: database[PRODUCTS].estimated_document_count() > 0


def test_ctrl_c_ends_the_command_with_130_and_the_next_run_completes(own_database: Database) -> None:
    process = start_command(own_database, count=10_000_000)
    wait_until(in_the_middle(own_database))
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    # What a terminal does: the signal goes to the whole process group.
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.strip().endswith("run the same command again to go on.")
    assert "Traceback" not in out + err
    assert not psutil.wait_procs(family, timeout=10)[1]

    report = seed_catalogue(database=own_database, uri=settings.MONGO_URI, count=COUNT, processes=1)
    assert report.created + report.present == COUNT
    assert report.present > 0
    generator = ProductGenerator()
    ordered = [ObjectId(generator.identifier(number)) for number in range(1, COUNT + 1)]
    assert state(own_database, {"_id": {"$in": ordered}}) == expected_state(COUNT)


def test_killing_the_command_leaves_no_process_behind(own_database: Database) -> None:
    process = start_command(own_database, count=10_000_000)
    wait_until(in_the_middle(own_database))
    wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 2)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=30)
    assert not psutil.wait_procs(workers, timeout=30)[1]


def test_a_worker_that_is_killed_is_reported(own_database: Database) -> None:
    plan = SeedPlan(
        uri=settings.MONGO_URI, database=own_database.name, seed=1, count=1_000_000, look_first=False, batch=BATCH
    )

    def kill_one(result: BatchResult) -> None:
        multiprocessing.active_children()[0].kill()

    with pytest.raises(SeedFailed, match="ended unexpectedly"):
        run_workers(plan, workers=2, on_result=kill_one)
    assert not multiprocessing.active_children()


class KillAfterFirstProgress(Progress):
    def __init__(self, server: MongodServer) -> None:
        self.server = server

    def update(self, done: float) -> None:
        del done
        self.server.kill()


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.drill)])
def test_a_server_that_dies_in_the_middle_is_one_line_and_the_next_run_completes(
    tmp_path: Path, processes: int
) -> None:
    server = MongodServer(tmp_path / "mongodb", cache_mb=256)
    try:
        with MongoClient[dict[str, Any]](server.uri, serverSelectionTimeoutMS=1000) as client:
            with pytest.raises(SeedFailed) as caught:
                seed_catalogue(
                    database=client["shop"],
                    uri=f"{server.uri}&serverSelectionTimeoutMS=1000",
                    count=COUNT,
                    processes=processes,
                    progress=KillAfterFirstProgress(server),
                )
            assert "\n" not in str(caught.value)
            assert not multiprocessing.active_children()

        server = MongodServer(tmp_path / "mongodb", port=server.port, cache_mb=256)
        with MongoClient[dict[str, Any]](server.uri) as client:
            report = seed_catalogue(database=client["shop"], uri=server.uri, count=COUNT, processes=processes)
            assert report.created + report.present == COUNT
            assert report.created > 0
            assert state(client["shop"]) == expected_state(COUNT)
            assert len(client["shop"][PRODUCTS].index_information()) > 1
    finally:
        server.stop()


def test_a_seed_that_died_after_another_load_had_ended_is_counted_by_the_next(
    products_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []

    def dies(*arguments: Any, **options: Any) -> BatchResult:
        if len(stored) == 2:
            raise AutoReconnect("connection closed")
        derived.catch_up(products_db)  # As an import does at its end.
        assert not derived.is_behind(products_db)
        stored.append(1)
        return store_batch(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "store_batch", dies)
        patch.setattr(catalogue, "BATCH", 20)
        with pytest.raises(SeedFailed):
            seed_catalogue(database=products_db, uri=settings.MONGO_URI, count=60)
    assert derived.is_behind(products_db)


def test_a_seed_that_died_before_counting_words_is_counted_by_the_next(
    products_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seed(number: int, *, reset: bool = False) -> int:
        return seed_catalogue(database=products_db, uri=settings.MONGO_URI, count=60, seed=number, reset=reset).created

    def lost(*_: Any) -> int:
        raise AutoReconnect("connection closed")

    seed(1)
    with monkeypatch.context() as patch:
        patch.setattr(derived, "build_vocabulary", lost)
        with pytest.raises(SeedFailed):
            seed(2, reset=True)
    assert seed(2) == 0, "all products are there, as many as before"
    found = {row["_id"]: row for row in products_db[TERMS].find()}
    build_vocabulary(products_db)
    assert found == {row["_id"]: row for row in products_db[TERMS].find()}
    assert not derived.is_behind(products_db)
