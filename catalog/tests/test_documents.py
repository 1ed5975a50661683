"""The stored shape of products: validation here and by MongoDB, identity, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import DuplicateKeyError, WriteError

from catalog.documents import object_id_of, to_document, to_product, validated
from catalog.errors import InvalidProduct
from catalog.indexes import PRODUCTS, ensure_collections, ensure_indexes
from catalog.tests.factories import NOW, draft


def test_the_id_follows_from_the_sku_alone() -> None:
    assert object_id_of("A-1") == object_id_of("A-1")
    assert object_id_of("A-1") != object_id_of("a-1")


def test_a_product_comes_back_as_it_was_stored(products_db: Any) -> None:
    document = to_document(draft(), now=NOW)
    products_db[PRODUCTS].insert_one(document)
    product = to_product(products_db[PRODUCTS].find_one({"_id": document["_id"]}))
    assert product == to_product(document)
    assert product.price == 2999
    assert product.category == "Mice"


def test_a_second_product_of_the_same_sku_is_refused(products_db: Any) -> None:
    products_db[PRODUCTS].insert_one(to_document(draft(), now=NOW))
    with pytest.raises(DuplicateKeyError):
        products_db[PRODUCTS].insert_one(to_document(replace(draft(), name="Other"), now=NOW))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"sku": ""}, "sku"),
        ({"sku": "s" * 101}, "sku"),
        ({"name": " "}, "name"),
        ({"name": "n\x00"}, "name"),
        ({"description": "d" * 20_001}, "description"),
        ({"price": -1}, "price"),
        ({"price": 10**13}, "price"),
        ({"price": 9.99}, "price"),
        ({"price": True}, "price"),
        ({"stock": -1}, "stock"),
        ({"rating": 5.1}, "rating"),
        ({"rating": float("nan")}, "rating"),
        ({"currency": "euro"}, "currency"),
        ({"category_path": ()}, "category"),
        ({"category_path": ("A",) * 7}, "category"),
        ({"category_path": ("",)}, "category"),
        ({"image_url": "javascript:alert(1)"}, "image_url"),
        ({"image_url": "https://user:secret@shop.example/a.jpg"}, "image_url"),
        ({"image_url": "https://shop.example/a b.jpg"}, "image_url"),
        ({"image_url": "https:///a.jpg"}, "image_url"),
        ({"image_url": "https://[::1/a.jpg"}, "image_url"),
        ({"attributes": {"$where": "1"}}, "attributes"),
        ({"attributes": {"a.b": "1"}}, "attributes"),
        ({"attributes": {"n": 10**30}}, "attributes"),
        ({"attributes": {"n": float("inf")}}, "attributes"),
        ({"attributes": {"n": ["list"]}}, "attributes"),
        ({"attributes": {str(n): n for n in range(401)}}, "attributes"),
    ],
)
def test_a_product_that_breaks_a_rule_names_the_field(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidProduct) as refused:
        validated(draft(**fields))
    assert refused.value.field == name


@pytest.mark.parametrize(
    "damage",
    [{"price": Int64(-1)}, {"price": "12"}, {"stock": "many"}, {"name": ""}, {"currency": "€"}, {"terms": "mouse"}],
)
def test_mongodb_itself_refuses_a_document_of_another_shape(products_db: Any, damage: dict[str, Any]) -> None:
    with pytest.raises(WriteError):
        products_db[PRODUCTS].insert_one({**to_document(draft(), now=NOW), **damage})


def test_collections_and_indexes_can_be_ensured_again_and_again(products_db: Any) -> None:
    before = products_db[PRODUCTS].index_information()
    ensure_collections(products_db)
    ensure_indexes(products_db)
    assert products_db[PRODUCTS].index_information() == before


@given(
    price=st.integers(0, 10**12),
    other=st.integers(0, 10**12),
    rating=st.floats(0, 5),
    popularity=st.integers(0, 2**30 - 1),
)
def test_sort_keys_fit_64_bits_and_keep_the_order(price: int, other: int, rating: float, popularity: int) -> None:
    first = to_document(draft("A", price=price, rating=rating, popularity=popularity), now=NOW)["order"]
    second = to_document(draft("B", price=other, rating=rating, popularity=popularity), now=NOW)["order"]
    assert all(0 <= int(str(key)) < 2**63 for key in first.values())
    if price < other:
        assert first["price"] < second["price"]
    if price > other:
        assert first["price"] > second["price"]
