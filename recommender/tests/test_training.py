"""What a training does to what is live: swap, keep, refuse, roll back, and leave alone when it fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from catalog import mongo
from catalog.tests.factories import draft, store
from recommender.artefacts import BadArtefact, directory_of, load_artefact
from recommender.features import product_features
from recommender.models import ModelRefused, UnknownModel
from recommender.repository import MODEL_TERMS, MODELS, SIMILAR
from recommender.tests.conftest import forget, keyboard, live, mouse, train_now, versions
from recommender.training import EmptyCatalogue, Trained, activate
from recommender.vectors import NothingToLearn, transform_lines

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


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_model_that_is_damaged_or_incomplete_is_refused_and_the_live_one_stays(shop: dict[str, str]) -> None:
    first, second = train_now().manifest.version, train_now().manifest.version
    for name in ("vectoriser.skops", "ids.npy", "weights.npy"):
        path = directory_of(first) / name
        whole = path.read_bytes()
        for damage in (truncate, flip_a_bit, Path.unlink):
            damage(path)
            with pytest.raises(BadArtefact, match=name):
                activate(first)
            assert live() == second
            path.write_bytes(whole)
    path = directory_of(first) / "manifest.json"
    told = path.read_text()
    for content in ("", "{", "[]", '{"checksums": {}}'):
        path.write_text(content)
        with pytest.raises(BadArtefact, match="manifest"):
            activate(first)
        assert live() == second
    path.write_text(told)
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


@pytest.mark.parametrize("count", [3_000, pytest.param(10_000, marks=pytest.mark.drill)])
def test_thousands_of_identical_products_are_one_to_the_model(client: Client, models_db: Any, count: int) -> None:
    ids = store(*(draft(f"SAME-{number}") for number in range(count)))
    others = store(*(keyboard(number) for number in range(9)))
    trained = train_now()
    assert trained.manifest.products == count + 9
    assert trained.manifest.parameters["rows"] == 10
    for identifier in (ids[0], ids[-1]):
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


# --- Telling ----------------------------------------------------------------------------------------------


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
