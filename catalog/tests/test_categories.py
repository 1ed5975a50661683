"""The tree of categories follows the products."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from catalog.categories import refresh_categories
from catalog.documents import ProductDraft, to_document, validated
from catalog.indexes import CATEGORIES, PRODUCTS

Database = Any
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def store(database: Database, *paths: tuple[str, ...], active: bool = True) -> None:
    first = database[PRODUCTS].count_documents({})
    documents = [
        to_document(
            validated(
                ProductDraft(
                    sku=f"C-{first + index}",
                    name="A product",
                    price=100,
                    currency="EUR",
                    category_path=path,
                    stock=1,
                    active=active,
                )
            ),
            now=NOW,
        )
        for index, path in enumerate(paths)
    ]
    database[PRODUCTS].insert_many(documents)


def counts(database: Database) -> dict[str, int]:
    return {category["_id"]: category["product_count"] for category in database[CATEGORIES].find()}


def test_counts_of_parents_include_their_children(products_db: Database) -> None:
    store(products_db, ("Audio", "Hi-Fi"), ("Audio", "Hi-Fi"), ("Audio", "Radio"), ("Audio",), ("Home Office", "Desks"))
    assert refresh_categories(products_db) == 5
    assert counts(products_db) == {
        "audio": 4,
        "audio/hi-fi": 2,
        "audio/radio": 1,
        "home-office": 1,
        "home-office/desks": 1,
    }


def test_a_category_knows_its_name_path_and_parent(products_db: Database) -> None:
    store(products_db, ("Home Office", "Desks", "Standing Desks"))
    refresh_categories(products_db)
    category = products_db[CATEGORIES].find_one({"_id": "home-office/desks/standing-desks"})
    assert category.pop("updated_at").tzinfo is not None
    assert {"standing d", "des"} <= set(category.pop("beginnings"))
    assert category == {
        "_id": "home-office/desks/standing-desks",
        "name": "Standing Desks",
        "path": ["Home Office", "Desks", "Standing Desks"],
        "parent": "home-office/desks",
        "product_count": 1,
    }
    assert products_db[CATEGORIES].find_one({"_id": "home-office"})["parent"] == ""


def test_refreshing_again_updates_counts_and_removes_what_has_vanished(products_db: Database) -> None:
    store(products_db, ("Audio", "Hi-Fi"), ("Audio", "Radio"))
    refresh_categories(products_db)
    products_db[PRODUCTS].delete_many({"category": "Radio"})
    store(products_db, ("Audio", "Hi-Fi"), ("Gaming",))
    assert refresh_categories(products_db) == 3
    assert counts(products_db) == {"audio": 2, "audio/hi-fi": 2, "gaming": 1}


def test_products_that_shoppers_cannot_see_do_not_count(products_db: Database) -> None:
    store(products_db, ("Audio", "Hi-Fi"))
    store(products_db, ("Audio", "Hi-Fi"), ("Secret",), active=False)
    refresh_categories(products_db)
    assert counts(products_db) == {"audio": 1, "audio/hi-fi": 1}


def test_spellings_of_one_category_are_one_category_with_the_commonest_name(products_db: Database) -> None:
    store(products_db, ("AUDIO", "hi fi"), ("Audio", "Hi-Fi"), ("Audio", "Hi-Fi"))
    refresh_categories(products_db)
    assert counts(products_db) == {"audio": 3, "audio/hi-fi": 3}
    assert products_db[CATEGORIES].find_one({"_id": "audio/hi-fi"})["path"] == ["Audio", "Hi-Fi"]


def test_an_empty_catalogue_has_no_categories(products_db: Database) -> None:
    store(products_db, ("Audio",))
    refresh_categories(products_db)
    products_db[PRODUCTS].delete_many({})
    assert refresh_categories(products_db) == 0
    assert counts(products_db) == {}


def test_more_categories_than_are_written_at_once_are_written_and_removed(products_db: Database) -> None:
    store(products_db, *((f"Top {number % 7}", f"Leaf {number}") for number in range(1100)))
    assert refresh_categories(products_db) == 1107
    assert len(counts(products_db)) == 1107
    products_db[PRODUCTS].delete_many({"category": {"$ne": "Leaf 0"}})
    assert refresh_categories(products_db) == 2
    assert counts(products_db) == {"top-0": 1, "top-0/leaf-0": 1}


def test_the_counts_are_those_that_a_filter_finds(products_db: Database) -> None:
    store(products_db, ("Audio", "Hi-Fi"), ("Audio", "Radio"), ("A/V", "Äther & Wellen"))
    refresh_categories(products_db)
    for key, count in counts(products_db).items():
        assert products_db[PRODUCTS].count_documents({"terms": f"category:{key}"}) == count
