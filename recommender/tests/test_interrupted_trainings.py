"""One training at a time, and nothing left behind by one that is killed, interrupted or loses its servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from catalog import mongo
from catalog.errors import CatalogUnavailable
from recommender import lock, repository, training
from recommender.artefacts import directory_of
from recommender.lock import LockLost, TrainingLock
from recommender.models import TrainingRunning
from recommender.repository import LOCKS, MODEL_TERMS, SIMILAR
from recommender.tests.conftest import live, train_now, versions
from recommender.training import activate


def expire_lock_of(version: str) -> None:
    """Leave the lock as a training of ``version`` does that was killed a while ago."""
    repository.take_lock(owner="dead", version=version, lease_seconds=0)


def test_a_second_training_is_refused_while_the_first_runs(shop: dict[str, str]) -> None:
    with TrainingLock("20260101-000000-000"):
        with pytest.raises(TrainingRunning, match="since"):
            train_now()
        with pytest.raises(CommandError, match="Another training"):
            call_command("train_recommender", verbosity=0)
    assert not train_now().refused


def test_a_rollback_is_refused_while_a_training_runs(shop: dict[str, str]) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version
    with TrainingLock("20260101-000000-000"):
        with pytest.raises(TrainingRunning, match="since"):
            activate(first)
        with pytest.raises(CommandError, match="Another training"):
            call_command("train_recommender", "--activate", first)
        assert live() == second
    activate(first)
    assert live() == first


def test_a_training_killed_once_its_model_is_live_leaves_a_model(client: Client, shop: dict[str, str]) -> None:
    good = train_now().manifest.version
    expire_lock_of(good)
    last = train_now().manifest.version
    assert versions() == [last, good]
    assert repository.count_neighbours(good) == 15
    activate(good)


def test_a_rollback_after_a_killed_training_removes_its_remains(shop: dict[str, str]) -> None:
    good, dead = train_now().manifest.version, "20260101-000000-000"
    mongo.command_database()[SIMILAR].insert_one({"_id": f"{dead}:{shop['MOUSE-0']}", "ids": []})
    directory_of(dead).mkdir(parents=True)
    expire_lock_of(dead)
    activate(good)
    assert repository.stored_versions() == {good}
    assert not directory_of(dead).exists()


def test_a_lock_is_renewed_for_as_long_as_the_training_lives(
    shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_RENEW_SECONDS", 0.05)
    with TrainingLock("20260101-000000-000"):
        ends: set[datetime] = set()
        deadline = time.monotonic() + 60
        while len(ends) < 4:
            assert time.monotonic() < deadline, "it was not renewed"
            ends |= {found["until"] for found in mongo.command_database()[LOCKS].find()}
            with pytest.raises(TrainingRunning):
                repository.take_lock(owner="other", version="v", lease_seconds=1)


def test_a_killed_training_loses_its_lock_and_its_remains(shop: dict[str, str]) -> None:
    good = train_now().manifest.version
    dead = "20260101-000000-000"
    database = mongo.command_database()
    database[SIMILAR].insert_one({"_id": f"{dead}:{shop['MOUSE-0']}", "ids": []})
    directory_of(dead).mkdir(parents=True)
    expire_lock_of(dead)
    assert live() == good
    train_now()
    assert database[SIMILAR].count_documents({"_id": {"$regex": f"^{dead}"}}) == 0
    assert not directory_of(dead).exists()


def test_a_training_that_lost_its_lock_does_not_go_live(shop: dict[str, str]) -> None:
    with TrainingLock("20260101-000000-000") as held:
        mongo.command_database()[LOCKS].update_one({}, {"$set": {"owner": "another"}})
        with pytest.raises(LockLost):
            held.confirm()


STOPPED = """
import os, runpy, sys
from recommender import materialising
write = materialising._write_block
def write_and_be_stopped(*arguments):
    write(*arguments)
    os.kill(os.getpid(), int(os.environ["STOPPED_BY"]))
materialising._write_block = write_and_be_stopped
sys.argv = ["manage.py", "train_recommender"]
runpy.run_path("manage.py", run_name="__main__")
"""
"""A training that is sent a signal as soon as it has written neighbours."""


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.drill), signal.SIGKILL])
def test_a_training_that_is_stopped_harms_nothing(client: Client, shop: dict[str, str], number: signal.Signals) -> None:
    good = train_now().manifest.version
    stopped = subprocess.run(
        [sys.executable, "-c", STOPPED],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATA_DIR": str(settings.DATA_DIR), "STOPPED_BY": str(int(number))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    output = stopped.stdout
    database = mongo.command_database()
    started = {"_id": {"$gt": f"{good};"}}
    assert stopped.returncode == (130 if number == signal.SIGINT else -number), output
    assert "Traceback" not in output
    assert live() == good
    assert client.get(f"/api/products/{shop['MOUSE-0']}/similar").json()["model"] == good
    if number == signal.SIGKILL:
        assert database[SIMILAR].count_documents(started) == 15, "it was killed in the middle"
    else:
        assert f"Interrupted; the live model, {good}, is untouched." in output
        assert database[SIMILAR].count_documents(started) == 0
        assert [path.name for path in (Path(settings.DATA_DIR) / "models").iterdir()] == [good]


def test_neighbours_that_no_model_claims_go_with_the_next_training(shop: dict[str, str]) -> None:
    good = train_now().manifest.version
    database = mongo.command_database()
    for number in range(3):
        dead = f"20260101-00000{number}-000"
        database[SIMILAR].insert_many([{"_id": f"{dead}:{identifier}", "ids": []} for identifier in shop.values()])
        database[MODEL_TERMS].insert_one({"_id": f"{dead}:w:mous", "weight": 1.0})
    database[MODEL_TERMS].insert_one({"_id": "29990101-000000-000:w:mous", "weight": 1.0})
    last = train_now().manifest.version
    assert repository.stored_versions() == {good, last}
    assert repository.count_neighbours(good) == 15


def test_a_deletion_that_was_interrupted_is_taken_up_by_the_next_training(
    shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version

    def interrupted(version: str) -> None:
        raise KeyboardInterrupt(version)

    with monkeypatch.context() as patch:
        patch.setattr(training, "delete_artefact", interrupted)
        with pytest.raises(KeyboardInterrupt, match=first):
            train_now()
    third = live()
    assert versions() == [third, second, first], "so that it is known to be there"
    assert third not in {first, second}
    fourth = train_now().manifest.version
    assert versions() == [fourth, third]
    assert repository.stored_versions() == {fourth, third}
    assert sorted(path.name for path in (Path(settings.DATA_DIR) / "models").iterdir()) == [third, fourth]


def test_a_model_that_cannot_be_listed_leaves_nothing(shop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    good = train_now().manifest.version

    def lost(*_: Any, **__: Any) -> None:
        raise CatalogUnavailable("MongoDB has gone")

    with monkeypatch.context() as patch:
        patch.setattr(repository, "insert_model", lost)
        with pytest.raises(CatalogUnavailable):
            train_now()
    assert repository.stored_versions() == {good}
    assert [path.name for path in (Path(settings.DATA_DIR) / "models").iterdir()] == [good]


def test_an_interrupt_says_what_is_live(shop: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit_vectors", interrupted)
        with pytest.raises(CommandError, match="there is no live model yet") as early:
            call_command("train_recommender", verbosity=0)
    assert early.value.returncode == 130
    with monkeypatch.context() as patch:
        patch.setattr(training, "forget_active_version", interrupted)
        with pytest.raises(CommandError) as late:
            call_command("train_recommender", verbosity=0)
    assert live()
    assert str(late.value) == f"Interrupted, but model {live()} had gone live before that."
