"""Seeding into MongoDB: what is missing is added, everything else is left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from django.conf import settings
from django.core.management import CommandError, call_command
from pymongo import MongoClient

from catalog import mongo
from catalog.documents import VALIDATOR, ProductDraft, to_document, validated
from catalog.indexes import CATEGORIES, INDEXES, PRODUCTS, IndexConflict
from catalog.seeding import catalogue
from catalog.seeding.batches import store_batch
from catalog.seeding.catalogue import SeedReport, seed_catalogue
from catalog.seeding.generator import ProductGenerator
from catalog.seeding.workers import SeedFailed, SeedPlan, run_workers

Database = Any


def seed(database: Database, count: int, **options: Any) -> SeedReport:
    return seed_catalogue(database=database, uri=settings.MONGO_URI, count=count, **options)


def state(database: Database, condition: dict[str, Any] | None = None) -> str:
    """Return a digest of the products, byte for byte."""
    raw = database.get_collection(PRODUCTS, codec_options=bson.CodecOptions(document_class=RawBSONDocument))
    digest = hashlib.blake2b()
    for document in raw.find(condition or {}).sort("_id"):
        digest.update(document.raw)
    return digest.hexdigest()


def expected_state(count: int, number: int = 1) -> str:
    documents = ProductGenerator(number).documents(range(1, count + 1))
    digest = hashlib.blake2b()
    for _, document in sorted((bson.decode(document)["_id"], document) for document in documents):
        digest.update(document)
    return digest.hexdigest()


def own_product(sku: str) -> dict[str, Any]:
    draft = ProductDraft(sku=sku, name="A thing of mine", price=1999, currency="EUR", category_path=["Mine"], stock=3)
    return dict(to_document(validated(draft), now=datetime(2026, 1, 2, tzinfo=UTC)))


def product_indexes(database: Database) -> set[str]:
    return set(database[PRODUCTS].index_information()) - {"_id_"}


ALL_INDEXES = {index.name for index in INDEXES if index.collection == PRODUCTS}


@pytest.fixture
def restored_indexes(products_db: Database) -> Iterator[Database]:
    yield products_db
    from catalog.indexes import ensure_indexes

    ensure_indexes(products_db)


def test_what_is_missing_is_added_and_nothing_else_is_touched(products_db: Database) -> None:
    report = seed(products_db, 100)
    assert (report.created, report.present, report.deleted) == (100, 0, 0)
    assert state(products_db) == expected_state(100), "the products are those of the generator"

    report = seed(products_db, 100)
    assert (report.created, report.present) == (0, 100)
    assert state(products_db) == expected_state(100), "seeding again changes nothing"

    report = seed(products_db, 250)
    assert (report.created, report.present) == (150, 100)
    assert state(products_db) == expected_state(250), "a larger count extends the same catalogue"

    assert seed(products_db, 60).present == 60
    assert products_db[PRODUCTS].count_documents({}) == 250, "a smaller count deletes nothing"

    holes = [ProductGenerator().sku(number) for number in (1, 17, 130, 250)]
    products_db[PRODUCTS].delete_many({"sku": {"$in": holes}})
    assert seed(products_db, 250).created == 4
    assert state(products_db) == expected_state(250), "gaps are filled wherever they are"


def test_products_of_ones_own_and_edited_ones_stay_as_they_are(products_db: Database) -> None:
    edited = ProductGenerator().sku(5)
    products_db[PRODUCTS].insert_many([own_product("MINE-1"), own_product(edited)])
    before = list(products_db[PRODUCTS].find().sort("sku"))
    seed(products_db, 30)
    seed(products_db, 30)
    assert list(products_db[PRODUCTS].find({"sku": {"$in": ["MINE-1", edited]}}).sort("sku")) == before
    assert products_db[PRODUCTS].count_documents({}) == 31


def test_two_catalogues_live_side_by_side(products_db: Database) -> None:
    seed(products_db, 50, seed=1)
    seed(products_db, 50, seed=2)
    assert products_db[PRODUCTS].count_documents({}) == 100


def test_reset_deletes_all_products_and_nothing_else(products_db: Database) -> None:
    products_db[PRODUCTS].insert_one(own_product("MINE-1"))
    products_db["carts"].insert_one({"_id": "mine"})
    seed(products_db, 50)
    report = seed(products_db, 20, reset=True)
    assert report.deleted == 51
    assert state(products_db) == expected_state(20)
    assert products_db["carts"].find_one() == {"_id": "mine"}
    assert products_db[PRODUCTS].options()["validator"] == VALIDATOR
    products_db["carts"].drop()


def test_several_processes_store_what_one_would(products_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "ONE_PROCESS", 100)
    monkeypatch.setattr(catalogue, "BATCH", 150)
    assert seed(products_db, 100).created == 100
    report = seed(products_db, 800, processes=2)
    assert (report.created, report.present) == (700, 100)
    assert state(products_db) == expected_state(800)


def test_an_empty_catalogue_gets_its_indexes_after_the_load(
    restored_indexes: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "BULK", 100)
    report = seed(restored_indexes, 100)
    assert set(report.indexes) == ALL_INDEXES == product_indexes(restored_indexes)
    assert report.index_seconds > 0


def test_a_catalogue_with_products_can_be_searched_all_the_time(
    products_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "BULK", 100)
    seed(products_db, 10)
    assert seed(products_db, 120).indexes == ()
    assert product_indexes(products_db) == ALL_INDEXES


def test_the_faster_way_is_mentioned_where_it_matters(
    restored_indexes: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "WORTH_A_HINT", 20)
    hint = "with --rebuild-indexes this would be much faster"
    said = []
    for arguments in (
        ["--count", "30"],
        ["--count", "40"],
        ["--count", "60"],
        ["--count", "90", "--rebuild-indexes"],
    ):
        out = StringIO()
        call_command("seed", *arguments, stdout=out)
        said.append(hint in out.getvalue())
    assert said == [False, False, True, False]


def test_indexes_can_be_rebuilt_on_demand_and_those_of_others_stay(restored_indexes: Database) -> None:
    seed(restored_indexes, 10)
    restored_indexes[PRODUCTS].create_index("sku", name="somebody_elses")
    report = seed(restored_indexes, 30, rebuild_indexes=True)
    assert set(report.indexes) == ALL_INDEXES
    assert product_indexes(restored_indexes) == ALL_INDEXES | {"somebody_elses"}
    restored_indexes[PRODUCTS].drop_index("somebody_elses")


def test_missing_indexes_are_built_even_when_all_products_are_there(restored_indexes: Database) -> None:
    seed(restored_indexes, 10)
    restored_indexes[PRODUCTS].drop_index("terms_price")
    assert seed(restored_indexes, 10).indexes == ("terms_price",)


def test_an_index_of_the_same_name_with_other_keys_is_reported(restored_indexes: Database) -> None:
    restored_indexes[PRODUCTS].drop_index("terms_price")
    restored_indexes[PRODUCTS].create_index([("terms", 1), ("order.price", 1)], name="terms_prices")
    with pytest.raises(IndexConflict):
        seed(restored_indexes, 10)
    restored_indexes[PRODUCTS].drop_index("terms_prices")


def test_seeded_products_satisfy_the_validator_and_their_categories_are_counted(products_db: Database) -> None:
    report = seed(products_db, 2000)
    assert products_db[CATEGORIES].count_documents({}) == report.categories
    top = products_db[CATEGORIES].find({"parent": ""})
    assert sum(category["product_count"] for category in top) == 2000
    assert products_db[PRODUCTS].count_documents({"$nor": [VALIDATOR]}) == 0
    # The check itself finds what is wrong.
    products_db[PRODUCTS].update_one({}, {"$set": {"price": -1}}, bypass_document_validation=True)
    assert products_db[PRODUCTS].count_documents({"$nor": [VALIDATOR]}) == 1


def test_products_stored_by_another_run_meanwhile_are_no_error(products_db: Database) -> None:
    generator = ProductGenerator()
    collection = products_db[PRODUCTS]
    store_batch(collection, generator, range(50, 101), look_first=False)
    result = store_batch(collection, generator, range(1, 201), look_first=False)
    assert (result.created, result.present) == (149, 51)
    assert state(products_db) == expected_state(200)


def test_other_write_errors_are_not_swallowed(products_db: Database) -> None:
    products_db[PRODUCTS].create_index("currency", name="spoiler", unique=True)
    try:
        with pytest.raises(SeedFailed, match="index: spoiler"):
            seed(products_db, 20)
    finally:
        products_db[PRODUCTS].drop_index("spoiler")


@pytest.mark.parametrize("count", [0, 1, 4999, 5000, 5001, 12_345])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_batches_of_all_workers_cover_each_product_once(count: int, workers: int) -> None:
    plan = SeedPlan(uri="", database="", seed=1, count=count, look_first=True)
    numbers = [number for worker in range(workers) for batch in plan.batches(worker, workers) for number in batch]
    assert sorted(numbers) == list(range(1, count + 1))


def test_a_server_that_is_not_there_is_one_line() -> None:
    uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"
    with MongoClient[dict[str, Any]](uri) as client, pytest.raises(SeedFailed) as caught:
        seed_catalogue(database=client["nowhere"], uri=uri, count=10)
    assert "127.0.0.1:9" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 320


def test_a_worker_reports_a_server_that_is_not_there() -> None:
    plan = SeedPlan(uri="mongodb://127.0.0.1:9/", database="x", seed=1, count=10, look_first=True, answer_ms=300)
    with pytest.raises(SeedFailed, match=r"127\.0\.0\.1:9"):
        run_workers(plan, workers=1, on_result=lambda _: None)


def test_the_command_says_what_it_did(products_db: Database) -> None:
    out = StringIO()
    call_command("seed", "--count", "40", stdout=out)
    assert out.getvalue().startswith("40 products created in ")
    assert out.getvalue().endswith(" categories.\n")
    out = StringIO()
    call_command("seed", "--count", "30", "--reset", stdout=out)
    assert out.getvalue().startswith("40 products deleted, 30 products created in ")
    out = StringIO()
    call_command("seed", "--count", "50", stdout=out)
    assert ", 30 were there already, " in out.getvalue()


@pytest.mark.parametrize("arguments", [["--count", "-1"], ["--count", "many"], ["--seed", "-1"], ["--processes", "0"]])
def test_wrong_numbers_are_refused_before_anything_happens(products_db: Database, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="is not a whole number from"):
        call_command("seed", *arguments)
    assert products_db[PRODUCTS].count_documents({}) == 0


def test_the_command_without_a_server_says_so(settings: Any) -> None:
    mongo.close()
    settings.MONGO_URI = ""
    with pytest.raises(CommandError, match="No MongoDB is known"):
        call_command("seed", "--count", "1")
