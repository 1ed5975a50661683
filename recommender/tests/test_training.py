"""What a training does to what is live: swap, keep, refuse, roll back, and leave alone when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from catalog import mongo
from catalog.errors import CatalogUnavailable
from catalog.tests.factories import draft, store
from recommender import repository, training
from recommender.artefacts import BadArtefact, directory_of, load_artefact
from recommender.features import product_features
from recommender.lock import LockLost, TrainingLock
from recommender.models import ModelRefused, TrainingRunning, UnknownModel
from recommender.repository import LOCKS, MODEL_TERMS, MODELS, SIMILAR
from recommender.staleness import staleness
from recommender.tests.conftest import forget, keyboard, mouse, train_now
from recommender.training import EmptyCatalogue, Trained, activate
from recommender.vectors import NothingToLearn, transform_lines


def live() -> str:
    active = repository.get_active()
    return active.version if active else ""


def versions() -> list[str]:
    return [manifest.version for manifest, _ in repository.list_models()]


def expire_lock_of(version: str) -> None:
    """Leave the lock as a training of ``version`` does that was killed a while ago."""
    repository.take_lock(owner="dead", version=version, lease_seconds=0)


# --- Swapping ----------------------------------------------------------------------------------------------


def test_a_model_goes_live_and_the_last_two_are_kept(shop: dict[str, str]) -> None:
    first, second, third = (train_now().manifest.version for _ in range(3))
    assert live() == third
    assert versions() == [third, second]
    database = mongo.command_database()
    for collection in (SIMILAR, MODEL_TERMS):
        kept = {key.partition(":")[0] for key in database[collection].distinct("_id")}
        assert kept == {third, second}
    assert not directory_of(first).exists()
    assert directory_of(second).is_dir()


def test_a_rollback_serves_the_model_before(client: Client, shop: dict[str, str]) -> None:
    first = train_now().manifest.version
    second = train_now().manifest.version
    path = f"/api/products/{shop['MOUSE-0']}/similar"
    assert client.get(path).json()["model"] == second
    call_command("train_recommender", "--activate", first)
    forget()
    assert client.get(path).json()["model"] == first
    assert versions() == [second, first], "so that one can go forward again"


def test_making_the_live_model_live_keeps_the_other(shop: dict[str, str]) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version
    activate(second)
    assert versions() == [second, first]


def test_swaps_under_load_are_never_seen(client: Client, shop: dict[str, str]) -> None:
    pair = [train_now().manifest.version, train_now().manifest.version]
    ids = list(shop.values())
    end = threading.Event()
    statuses: list[tuple[int, int, str]] = []

    def ask(number: int) -> None:
        own = Client()
        while not end.is_set():
            answer = own.get(f"/api/products/{ids[number % len(ids)]}/similar?limit=3")
            body = answer.json()
            statuses.append((answer.status_code, body.get("count", 0), body.get("model", "")))
            number += 1

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(ask, number) for number in range(4)]
        for swap in range(30):
            activate(pair[swap % 2])
            forget()
        pair.append(train_now().manifest.version)
        end.set()
        for reader in readers:
            reader.result()
    assert len(statuses) > 50
    assert {(status, count) for status, count, _ in statuses} == {(200, 3)}
    assert {model for _, _, model in statuses} >= set(pair[:2])


# --- Refusing ----------------------------------------------------------------------------------------------


def test_a_model_that_is_worse_is_refused_and_can_be_forced(shop: dict[str, str]) -> None:
    good = train_now().manifest.version
    # The live model remembers having been better in type agreement than anything can be from now on.
    mongo.command_database()[MODELS].update_one({"_id": good}, {"$set": {"metrics.model.coverage": 1.5}})
    worse = train_now()
    assert "coverage" in worse.refused
    assert live() == good
    with pytest.raises(ModelRefused, match="--force"):
        activate(worse.manifest.version)
    assert live() == good
    activate(worse.manifest.version, force=True)
    assert live() == worse.manifest.version


def test_a_margin_decides_how_much_worse_is_too_bad(shop: dict[str, str]) -> None:
    good = train_now()
    coverage = good.manifest.metrics["model"]["coverage"]
    assert coverage is not None
    database = mongo.command_database()
    database[MODELS].update_one({"_id": good.manifest.version}, {"$set": {"metrics.model.coverage": coverage + 0.04}})
    assert train_now(margin=0.02).refused
    assert not train_now(margin=0.06).refused


def test_a_refused_model_is_an_exit_status_of_its_own_and_goes_with_the_next_training(shop: dict[str, str]) -> None:
    good = train_now().manifest.version
    mongo.command_database()[MODELS].update_one({"_id": good}, {"$set": {"metrics.model.coverage": 1.5}})
    with pytest.raises(CommandError, match="does not go live: coverage") as refused:
        call_command("train_recommender", verbosity=0)
    assert refused.value.returncode == 3
    last = train_now(force=True).manifest.version
    assert versions() == [last, good]


@pytest.mark.parametrize("name", ["vectoriser.skops", "ids.npy", "weights.npy"])
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_artefact_is_refused_and_the_live_model_stays(shop: dict[str, str], name: str, damage: str) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version
    path = directory_of(first) / name
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[:-7])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(BadArtefact, match=name):
        activate(first)
    assert live() == second


@pytest.mark.parametrize("content", ["", "{", "[]", '{"checksums": {}}'])
def test_a_damaged_manifest_is_refused(shop: dict[str, str], content: str) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version
    (directory_of(first) / "manifest.json").write_text(content)
    with pytest.raises(BadArtefact, match="manifest"):
        activate(first)
    assert live() == second


def test_a_model_without_all_its_neighbours_is_refused(shop: dict[str, str]) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version
    mongo.command_database()[SIMILAR].delete_one({"_id": f"{first}:{shop['MOUSE-0']}"})
    with pytest.raises(ModelRefused, match="neighbours of 14 products, not 15"):
        activate(first)
    assert live() == second


@pytest.mark.parametrize("version", ["nonsense", "../../etc", "20260101-000000-000"])
def test_an_unknown_version_is_one_line(shop: dict[str, str], version: str) -> None:
    with pytest.raises(UnknownModel):
        activate(version)
    with pytest.raises(CommandError, match="--list"):
        call_command("train_recommender", "--activate", version)


def test_the_artefact_gives_the_vectors_that_were_trained(trained: Trained) -> None:
    from catalog.repository import stream_products

    vectoriser, weights = load_artefact(trained.manifest)
    products = list(stream_products())
    lines = [" ".join([feature.token for feature in product_features(product)]) for product in products]
    matrix = transform_lines(vectoriser, weights, lines)
    assert matrix.shape == (15, trained.manifest.parameters["terms"])
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    assert np.allclose(lengths, 1, atol=1e-5)


# --- One at a time -----------------------------------------------------------------------------------------


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


def test_a_lock_is_renewed_for_as_long_as_the_training_lives(shop: dict[str, str]) -> None:
    with TrainingLock("20260101-000000-000", lease_seconds=0.6):
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
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
    with TrainingLock("20260101-000000-000") as lock:
        mongo.command_database()[LOCKS].update_one({}, {"$set": {"owner": "another"}})
        with pytest.raises(LockLost):
            lock.confirm()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_training_that_is_stopped_harms_nothing(client: Client, shop: dict[str, str], number: signal.Signals) -> None:
    good = train_now().manifest.version
    store(*(draft(f"MANY-{n}", name=f"Thing {n} of {n % 97} and {n % 89} in {n % 83}") for n in range(6000)))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "speedscale.settings", "DATA_DIR": str(settings.DATA_DIR)}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "train_recommender"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    database = mongo.command_database()
    started = {"_id": {"$gt": f"{good};"}}
    deadline = time.monotonic() + 60
    while not database[SIMILAR].find_one(started) and time.monotonic() < deadline:
        assert process.poll() is None, process.stdout and process.stdout.read()
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in output
    assert live() == good
    assert client.get(f"/api/products/{shop['MOUSE-0']}/similar").json()["model"] == good
    if number == signal.SIGINT:
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


# --- Odd catalogues ----------------------------------------------------------------------------------------


def test_an_emptied_catalogue_leaves_the_live_model_alone(trained: Trained) -> None:
    mongo.command_database()["products"].delete_many({})
    with pytest.raises(EmptyCatalogue):
        train_now()
    assert live() == trained.manifest.version
    with pytest.raises(CommandError, match="no active product"):
        call_command("train_recommender", verbosity=0)


def test_one_product_is_a_model_without_neighbours(client: Client, models_db: Any) -> None:
    [only] = store(draft("ONLY"))
    assert train_now().manifest.products == 1
    answer = client.get(f"/api/products/{only}/similar").json()
    assert (answer["source"], answer["count"]) == ("CATEGORY_FALLBACK", 0)


def test_products_without_words_cannot_be_learned_from(models_db: Any) -> None:
    blank = {"product_type": "", "brand": "", "description": "", "attributes": {}, "category_path": ("–",)}
    store(*(draft(f"BLANK-{number}", name="?" * (number + 1), **blank) for number in range(3)))
    trained = train_now()
    assert trained.manifest.products == 3, "their category is a word to the model, if a poor one"


def test_ten_thousand_identical_products_are_one_to_the_model(client: Client, models_db: Any) -> None:
    ids = store(*(draft(f"SAME-{number}") for number in range(10_000)))
    others = store(*(keyboard(number) for number in range(9)))
    started = time.perf_counter()
    trained = train_now()
    assert time.perf_counter() - started < 60
    assert trained.manifest.products == 10_009
    assert trained.manifest.parameters["rows"] == 10
    for identifier in (ids[0], ids[9_999]):
        found = [row["_id"] for row in client.get(f"/api/products/{identifier}/similar").json()["data"]]
        assert len(set(found) & set(ids)) == 1, "one twin, not twelve"
        assert identifier not in found
        assert set(found) - set(ids) <= set(others)


def test_inactive_products_are_not_learned(models_db: Any) -> None:
    store(*(mouse(number) for number in range(6)), keyboard(1, active=False))
    assert train_now().manifest.products == 6


def test_limit_takes_the_most_popular(shop: dict[str, str]) -> None:
    manifest = train_now(limit=6).manifest
    assert manifest.products == 6
    keys = mongo.command_database()[SIMILAR].distinct("_id")
    assert {key.partition(":")[2] for key in keys} == {shop[f"MOUSE-{number}"] for number in range(6)}


# --- Staleness ---------------------------------------------------------------------------------------------


def test_a_fresh_model_is_not_trained_again(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("train_recommender", "--if-stale")
    assert "fresh enough" in capsys.readouterr().out
    assert versions() == [trained.manifest.version]


def test_age_and_change_make_a_model_stale(shop: dict[str, str]) -> None:
    assert staleness(max_age_days=7, max_changed=0.1) == "there is no model"
    version = train_now().manifest.version
    assert staleness(max_age_days=7, max_changed=0.1) == ""
    database = mongo.command_database()
    database["products"].update_many(
        {"sku": {"$in": ["MOUSE-0", "MOUSE-1"]}}, {"$set": {"updated_at": datetime.now(UTC) + timedelta(seconds=1)}}
    )
    assert staleness(max_age_days=7, max_changed=0.1) == "13% of the products have changed"
    assert staleness(max_age_days=7, max_changed=0.2) == ""
    database["products"].delete_many({"sku": {"$regex": "^KEYBOARD"}})
    assert "have changed" in staleness(max_age_days=7, max_changed=0.2)
    long_ago = datetime.now(UTC) - timedelta(days=8)
    database[MODELS].update_one({"_id": version}, {"$set": {"created_at": long_ago}})
    assert staleness(max_age_days=7, max_changed=1) == "the model is 8.0 days old"
    database[MODELS].update_one({"_id": version}, {"$set": {"parameters.features_version": 0}})
    assert "reads products otherwise" in staleness(max_age_days=99, max_changed=1)


def touch(*skus: str, **fields: Any) -> None:
    """Change products now."""
    changes = {"$set": {"updated_at": datetime.now(UTC), **fields}}
    mongo.command_database()["products"].update_many({"sku": {"$in": skus}}, changes)


def test_a_product_that_is_taken_down_counts_once(trained: Trained) -> None:
    touch("MOUSE-0", "MOUSE-1", active=False, terms=[])
    assert staleness(max_age_days=7, max_changed=0.1) == "13% of the products have changed"


def test_a_model_of_the_most_popular_is_measured_by_those(shop: dict[str, str]) -> None:
    train_now(limit=6)
    touch(*(f"KEYBOARD-{number}" for number in range(9)))
    assert staleness(max_age_days=7, max_changed=0.01) == ""
    touch("MOUSE-0")
    assert staleness(max_age_days=7, max_changed=0.01) == "17% of the products have changed"
    mongo.command_database()["products"].delete_one({"sku": "MOUSE-1"})
    assert staleness(max_age_days=7, max_changed=0.01) == "33% of the products have changed"


def test_what_was_refused_is_not_trained_again_until_more_has_changed(
    shop: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    good = train_now().manifest.version
    mongo.command_database()[MODELS].update_one({"_id": good}, {"$set": {"metrics.model.coverage": 1.5}})
    touch("MOUSE-0", "MOUSE-1")
    with pytest.raises(CommandError, match="does not go live"):
        call_command("train_recommender", "--if-stale", verbosity=0)
    [refused, _] = versions()
    capsys.readouterr()
    call_command("train_recommender", "--if-stale", verbosity=0)
    assert f"Model {refused} was refused (coverage" in capsys.readouterr().out
    assert versions() == [refused, good]
    touch("MOUSE-2", "MOUSE-3")
    with pytest.raises(CommandError, match="does not go live"):
        call_command("train_recommender", "--if-stale", verbosity=0)
    assert versions()[0] > refused


def test_the_fingerprint_depends_on_the_products_alone(shop: dict[str, str]) -> None:
    first, second = train_now().manifest, train_now().manifest
    assert first.fingerprint == second.fingerprint
    mongo.command_database()["products"].update_one({"sku": "MOUSE-0"}, {"$set": {"version": 2}})
    assert train_now().manifest.fingerprint != first.fingerprint
    assert replace(first, version="").parameters == replace(second, version="").parameters


def test_the_list_of_models_names_the_live_one(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("train_recommender", "--list")
    [row] = [line for line in capsys.readouterr().out.splitlines() if trained.manifest.version in line]
    assert "live" in row


def test_nothing_to_learn_is_told_in_words(models_db: Any) -> None:
    from recommender.vectors import fit_vectors

    with pytest.raises(NothingToLearn):
        fit_vectors(["", ""], expected=2, max_terms=10)
    with pytest.raises(NothingToLearn):
        fit_vectors(["a:1", "a:2"], expected=5000, max_terms=10)
