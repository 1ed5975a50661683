"""Loading: what is stored becomes what the drafts say, and nothing else is touched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from pymongo import MongoClient

from cachelayer import engine
from catalog.documents import DERIVED_FIELDS, VALIDATOR, ProductDraft, object_id_of, to_document
from catalog.errors import CatalogUnavailable
from catalog.importing import loading
from catalog.importing.drafts import Built
from catalog.importing.errors import ImportFailed
from catalog.importing.loading import LoadedBatch, Outcome, load_batch, prepare
from catalog.indexes import PRODUCTS
from catalog.tests.factories import NOW, draft


def batch_of(*drafts: ProductDraft) -> list[Built]:
    return [
        Built(line, 100, item, unstated=() if item.created_at else ("created_at",))
        for line, item in enumerate(drafts, start=2)
    ]


def load(database: Any, *drafts: ProductDraft, dry_run: bool = False) -> LoadedBatch:
    return load_batch(database, batch_of(*drafts), dry_run=dry_run)


def outcomes_of(loaded: LoadedBatch) -> list[str]:
    return [outcome.value for outcome in loaded.outcomes.values()]


def stored(database: Any, sku: str = "SKU-1") -> dict[str, Any]:
    found = database[PRODUCTS].find_one({"_id": object_id_of(sku)})
    assert found is not None
    return dict(found)


def test_a_new_product_is_created_as_version_1(products_db: Any) -> None:
    assert outcomes_of(load(products_db, draft())) == ["created"]
    document = stored(products_db)
    assert (document["sku"], document["version"], document["created_at"]) == ("SKU-1", 1, NOW)
    assert document["terms"]


def test_the_same_product_again_is_not_written(products_db: Any) -> None:
    load(products_db, draft())
    before = stored(products_db)
    assert outcomes_of(load(products_db, draft())) == ["unchanged"]
    assert stored(products_db) == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Loud Mouse"},
        {"price": 1},
        {"stock": 0},
        {"rating": 4.6},
        {"popularity": 1001},
        {"category_path": ("Mice",)},
        {"attributes": {"Sensor": "4000 DPI", "Colour": "Black"}},
        {"attributes": {"Colour": "Black"}},
        {"active": False},
        {"created_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"image_url": "https://example.com/a.jpg"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_change_makes_a_new_version(products_db: Any, change: dict[str, Any]) -> None:
    load(products_db, draft())
    before = stored(products_db)
    assert outcomes_of(load(products_db, draft(**change))) == ["updated"]
    after = stored(products_db)
    assert after["version"] == 2
    assert after["updated_at"] > before["updated_at"]
    assert after["order"]["price"] >> 20 == after["price"]


def test_a_change_of_type_alone_is_a_change(products_db: Any) -> None:
    for value in (1, True, 1.0, "1"):
        assert outcomes_of(load(products_db, draft(attributes={"Cells": value}))) in (["created"], ["updated"])
        assert type(stored(products_db)["attributes"]["Cells"]) is type(value)


def test_the_time_of_creation_is_kept_where_the_file_has_none(products_db: Any) -> None:
    load(products_db, draft(created_at=None))
    created = stored(products_db)["created_at"]
    assert outcomes_of(load(products_db, draft(created_at=None))) == ["unchanged"]
    assert outcomes_of(load(products_db, draft(created_at=None, price=1))) == ["updated"]
    assert stored(products_db)["created_at"] == created


def test_what_the_row_does_not_state_stays_as_it_is_stored(products_db: Any) -> None:
    load(products_db, draft(stock=3, active=False, rating=4.0, rating_count=9, popularity=77))
    unstated = ("stock", "active", "rating", "rating_count", "popularity", "created_at")
    silent = draft(stock=10, active=True, rating=0.0, rating_count=0, popularity=0, created_at=None)
    for price, outcome in ((2999, "unchanged"), (1, "updated")):
        item = Built(2, 100, replace(silent, price=price), unstated=unstated)
        assert outcomes_of(load_batch(products_db, [item], dry_run=False)) == [outcome]
    document = stored(products_db)
    kept = [document[name] for name in unstated]
    assert kept == [3, False, 4.0, 9, 77, NOW]
    assert document["terms"] == []


def test_a_dry_run_tells_the_same_and_writes_nothing(products_db: Any) -> None:
    load(products_db, draft("A"), draft("B"))
    loaded = load(products_db, draft("A"), draft("B", price=1), draft("C"), dry_run=True)
    assert sorted(outcomes_of(loaded)) == ["created", "unchanged", "updated"]
    assert stored(products_db, "B")["version"] == 1
    assert products_db[PRODUCTS].count_documents({}) == 2


def test_an_id_that_another_sku_holds_is_rejected_and_the_rest_loaded(products_db: Any) -> None:
    foreign = {**to_document(draft("OTHER"), now=NOW), "_id": object_id_of("SKU-1")}
    products_db[PRODUCTS].insert_one(dict(foreign))
    loaded = load(products_db, draft("SKU-1"), draft("SKU-2"))
    assert outcomes_of(loaded) == ["created"]
    (rejection,) = loaded.rejections
    assert (rejection.line, rejection.field, rejection.sku) == (2, "sku", "SKU-1")
    assert "another product, whose sku is 'OTHER'" in rejection.reason
    assert stored(products_db)["sku"] == "OTHER"


def test_what_mongodb_refuses_is_rejected_and_the_rest_loaded(products_db: Any) -> None:
    stricter = {"$and": [VALIDATOR, {"name": {"$ne": "Refused"}}]}
    products_db.command("collMod", PRODUCTS, validator=stricter)
    try:
        loaded = load(products_db, draft("A", name="Refused"), draft("B"))
    finally:
        products_db.command("collMod", PRODUCTS, validator=VALIDATOR)
    assert outcomes_of(loaded) == ["created"]
    assert [(rejection.line, rejection.sku) for rejection in loaded.rejections] == [(2, "A")]
    assert "is refused by MongoDB" in loaded.rejections[0].reason
    assert products_db[PRODUCTS].count_documents({}) == 1


def test_a_product_that_changes_between_reading_and_writing_is_compared_again(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(products_db, draft(), draft("GONE"))
    write = loading._written
    calls: list[int] = []

    def late_write(products: Any, *rest: Any) -> bool:
        if not calls:
            # Someone sells a piece, and someone creates the very product that this import is about to create.
            products.update_one({"_id": object_id_of("SKU-1")}, {"$set": {"stock": 9}, "$inc": {"version": 1}})
            products.insert_one(dict(to_document(draft("NEW"), now=NOW)))
        calls.append(1)
        return write(products, *rest)

    monkeypatch.setattr(loading, "_written", late_write)
    loaded = load(products_db, draft(price=1), draft("NEW"))
    assert len(calls) == 2
    assert sorted(outcomes_of(loaded)) == ["unchanged", "updated"]
    document = stored(products_db)
    assert (document["version"], document["price"], document["stock"]) == (3, 1, 10)


def test_two_imports_at_once_leave_every_product_whole(products_db: Any) -> None:
    def run(price: int) -> None:
        for start in range(0, 200, 50):
            load(products_db, *(draft(f"S{number}", price=price) for number in range(start, start + 50)))

    threads = [threading.Thread(target=run, args=(price,)) for price in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    documents = list(products_db[PRODUCTS].find({}))
    assert len(documents) == 200
    assert all(document["order"]["price"] >> 20 == document["price"] for document in documents)
    assert {document["version"] for document in documents} <= {1, 2}


def test_written_products_leave_the_cache_and_unchanged_ones_stay(products_db: Any) -> None:
    load(products_db, draft("A"), draft("B"))
    keys = {sku: f"product:{object_id_of(sku)}" for sku in ("A", "B")}
    for key in keys.values():
        engine.get_or_load(key, "product", lambda: "old")
    loaded = load(products_db, draft("A", price=1), draft("B"))
    assert loaded.caches_told
    engine.clear_local()
    found = {sku: engine.get_or_load(key, "product", lambda: "new").value for sku, key in keys.items()}
    assert found == {"A": "new", "B": "old"}


@pytest.fixture
def lost_database() -> Iterator[Any]:
    """A database on a port where nothing listens."""
    with MongoClient[dict[str, Any]]("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=50) as client:
        yield client[settings.MONGO_DB]


def test_a_lost_mongodb_is_one_sentence(lost_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(loading, "FIRST_ANSWER_SECONDS", 0.1)
    for action in (
        lambda: prepare(lost_database, dry_run=False),
        lambda: prepare(lost_database, dry_run=True),
        lambda: loading.finish(lost_database, written=True),
        lambda: load(lost_database, draft()),
    ):
        with pytest.raises(CatalogUnavailable) as caught:
            action()
        assert str(caught.value).startswith("MongoDB does not answer (ServerSelectionTimeoutError: ")
        assert len(str(caught.value)) < 200


def test_an_index_in_the_way_is_one_sentence(products_db: Any) -> None:
    products_db[PRODUCTS].drop_index("terms_newest")
    products_db[PRODUCTS].create_index("sku", name="terms_newest")
    try:
        with pytest.raises(ImportFailed, match="An index of products differs"):
            prepare(products_db, dry_run=False)
        prepare(products_db, dry_run=True)
    finally:
        products_db[PRODUCTS].drop_index("terms_newest")


def test_the_comparison_covers_every_field_that_an_import_decides() -> None:
    document = dict(to_document(draft(), now=NOW))
    derived = {"_id", "updated_at", "version", *DERIVED_FIELDS} - {"analyzer"}
    assert set(loading._COMPARED) == set(document) - derived
    assert Outcome.UNCHANGED.value == "unchanged"
