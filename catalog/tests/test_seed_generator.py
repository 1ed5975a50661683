"""Seeded products: the same everywhere, right to the byte, and believable."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from statistics import mean, median
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions

from catalog.documents import ProductDocument, ProductDraft, object_id_of, to_document, validated
from catalog.search.analysis import terms
from catalog.seeding.generator import MAX_SEED, ProductGenerator
from catalog.seeding.measures import EPOCH
from catalog.seeding.product_types import load_product_types

SAMPLE = 6000
COMPARED = range(1, 3001)
"""Numbers of the products that are held against what the driver would store."""
DIGEST = "a068055a1ca407194d0e8d26adc2febc"
"""Of the first 2,000 products. It changes whenever the assortment or the generator does, and never by itself."""


@cache
def sample() -> list[dict[str, Any]]:
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
    documents = [bson.decode(document, options) for document in ProductGenerator().documents(range(1, SAMPLE + 1))]
    return sorted(documents, key=lambda document: str(document["sku"]))


def draft_of(document: dict[str, Any]) -> ProductDraft:
    return ProductDraft(**{name: document[name] for name in ProductDraft.__dataclass_fields__})


def digest(documents: list[bytes]) -> str:
    return hashlib.blake2b(b"".join(sorted(documents)), digest_size=16).hexdigest()


def test_a_product_is_byte_for_byte_what_the_driver_would_store_of_its_valid_draft() -> None:
    for raw in ProductGenerator(7).documents(COMPARED):
        document: dict[str, Any] = bson.decode(raw, CodecOptions(tz_aware=True))
        assert bson.encode(to_document(validated(draft_of(document)), now=EPOCH)) == raw


def test_every_type_and_every_value_of_every_attribute_occurs_in_the_sample_that_is_compared() -> None:
    seen: defaultdict[str, set[tuple[str, Any]]] = defaultdict(set)
    for document in map(bson.decode, ProductGenerator(7).documents(COMPARED)):
        seen[document["product_type"]] |= set(document["attributes"].items())
    for product_type in load_product_types():
        assert len(seen[product_type.name]) > 0.6 * sum(len(one.values) for one in product_type.attributes)


def test_a_product_has_every_field_of_a_stored_product_in_order() -> None:
    assert list(sample()[0]) == list(ProductDocument.__annotations__)


def test_the_first_products_are_the_same_on_every_machine() -> None:
    assert digest(ProductGenerator().documents(range(1, 2001))) == DIGEST


def test_a_product_does_not_depend_on_what_is_made_beside_it() -> None:
    generator = ProductGenerator()
    together = set(generator.documents(range(1, 1001)))
    numbers = list(range(1, 1001))
    random.Random(5).shuffle(numbers)
    apart = {
        document
        for start in range(0, 1000, 77)
        for document in ProductGenerator().documents(numbers[start : start + 77])
    }
    assert together == apart
    assert set(generator.documents([500])) <= together


def test_hash_randomisation_of_python_changes_nothing() -> None:
    script = (
        "import hashlib; from catalog.seeding.generator import ProductGenerator as G;"
        "print(hashlib.blake2b(b''.join(sorted(G(3).documents(range(1, 500)))), digest_size=16).hexdigest())"
    )
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    made = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": other},
        check=True,
        capture_output=True,
        text=True,
    )
    assert made.stdout.strip() == digest(ProductGenerator(3).documents(range(1, 500)))


def test_another_seed_is_another_catalogue_with_other_skus() -> None:
    one, two = ([bson.decode(raw) for raw in ProductGenerator(seed).documents(range(1, 301))] for seed in (1, 2))
    assert not {document["sku"] for document in one} & {document["sku"] for document in two}
    assert len({document["name"] for document in one} & {document["name"] for document in two}) < 5


def test_the_largest_seed_works_and_others_are_refused() -> None:
    (raw,) = ProductGenerator(MAX_SEED).documents([1])
    validated(draft_of(bson.decode(raw)))
    for wrong in (-1, MAX_SEED + 1):
        with pytest.raises(ValueError, match="a seed is a whole number"):
            ProductGenerator(wrong)


def test_sku_and_identifier_can_be_told_without_making_the_product() -> None:
    generator = ProductGenerator(4)
    (raw,) = generator.documents([77])
    document = bson.decode(raw)
    assert document["sku"] == generator.sku(77)
    assert document["_id"].binary == generator.identifier(77) == object_id_of(generator.sku(77)).binary


def test_no_two_products_share_a_sku_and_few_share_a_name() -> None:
    assert len({document["sku"] for document in sample()}) == SAMPLE
    assert len({document["name"] for document in sample()}) > 0.99 * SAMPLE


def test_the_default_catalogue_has_six_top_categories_with_several_leaves_each() -> None:
    leaves: defaultdict[str, set[str]] = defaultdict(set)
    for document in sample()[:2000]:
        leaves[document["category_path"][0]].add(document["category"])
    assert set(leaves) == {"Electronics", "Computers", "Accessories", "Home Office", "Audio", "Gaming"}
    assert min(len(names) for names in leaves.values()) >= 4


@pytest.mark.parametrize("query", ["wireless mouse", "gaming laptop", "mechanical keyboard", "office chair", "4k tv"])
def test_common_searches_find_products_in_the_default_catalogue(query: str) -> None:
    found = [document for document in sample()[:2000] if set(terms(query)) <= set(document["terms"])]
    assert len(found) >= 10
    assert sum(document["stock"] > 0 for document in found) >= 8


def test_prices_fit_the_type() -> None:
    prices: defaultdict[str, list[float]] = defaultdict(list)
    for document in sample():
        prices[document["product_type"]].append(document["price"] / 100)
    for product_type in load_product_types():
        assert 0.6 * product_type.price < median(prices[product_type.name]) < 1.7 * product_type.price
        assert min(prices[product_type.name]) > 0.08 * product_type.price
        assert max(prices[product_type.name]) < 15 * product_type.price


def test_prices_end_as_prices_in_shops_do() -> None:
    for document in sample():
        price = document["price"]
        assert price % 100 in {0, 49, 90, 95, 99}
        assert price < 100_00 or price % 1000 // 100 == 9


def test_better_brands_and_better_features_cost_more() -> None:
    def mean_price(**wanted: str) -> float:
        brand, memory = wanted.get("brand"), wanted.get("memory")
        return mean(
            float(document["price"])
            for document in sample()
            if document["product_type"] in {"Laptop", "Gaming Laptop"}
            and brand in {None, document["brand"]}
            and memory in {None, document["attributes"]["Memory"]}
        )

    assert mean_price(brand="Medion") < mean_price(brand="ASUS")
    assert mean_price(memory="16 GB") < mean_price(memory="32 GB") < mean_price(memory="64 GB")


def test_products_have_attributes_that_belong_to_their_type() -> None:
    allowed = {
        product_type.name: {one.name: {value.value for value in one.values} for one in product_type.attributes}
        for product_type in load_product_types()
    }
    counts = Counter(len(document["attributes"]) for document in sample())
    assert min(counts) >= 5
    assert max(counts) <= 8
    for document in sample():
        attributes = allowed[document["product_type"]]
        assert list(document["attributes"]) == list(attributes)
        assert all(value in attributes[name] for name, value in document["attributes"].items())


def test_a_description_says_what_the_attributes_say() -> None:
    types = {product_type.name: product_type for product_type in load_product_types()}
    for document in sample():
        product_type, text = types[document["product_type"]], document["description"]
        told = 0
        for attribute in product_type.attributes:
            for value in attribute.values:
                for sentence in value.sentences:
                    is_true = document["attributes"][attribute.name] == value.value
                    shared = any(
                        sentence in other.sentences
                        for one in product_type.attributes
                        for other in one.values
                        if document["attributes"][one.name] == other.value
                    )
                    if f" {sentence}" in text:
                        assert is_true or shared, (text, sentence)
                        told += is_true
        assert told >= 1
        assert 2 <= text.count(". ") + 1 <= 4


def test_a_description_names_the_product() -> None:
    for document in sample():
        model = document["name"].partition(f" {document['product_type']}")[0]
        assert " ".join(model.split()[: len(document["brand"].split()) + 2]) in document["description"]


def test_a_few_products_are_out_of_stock() -> None:
    share = mean(document["stock"] == 0 for document in sample())
    assert 0.045 < share < 0.075


def test_ratings_are_mostly_good_and_new_products_have_none() -> None:
    rated = [document["rating"] for document in sample() if document["rating_count"]]
    assert mean(3.5 <= rating <= 4.8 for rating in rated) > 0.85
    assert min(rated) < 3
    unrated = [document for document in sample() if not document["rating_count"]]
    assert 0.02 < len(unrated) / SAMPLE < 0.12
    assert all(document["rating"] == 0 for document in unrated)
    age = lambda document: (EPOCH - document["created_at"]).days  # noqa: E731
    assert median(map(age, unrated)) < 60 < median(map(age, sample()))


def test_popularity_has_a_long_tail_and_goes_with_the_number_of_ratings() -> None:
    ranked = sorted(sample(), key=lambda document: document["popularity"], reverse=True)
    popularity = [document["popularity"] for document in ranked]
    tenth = SAMPLE // 10
    assert 0 <= popularity[-1] <= 1000
    assert sum(popularity[: tenth // 10]) > sum(popularity[tenth:])
    counts = [document["rating_count"] for document in ranked]
    assert mean(counts[:tenth]) > 3 * mean(counts[tenth : 5 * tenth]) > 9 * mean(counts[-tenth:])


def test_products_were_created_over_years_and_none_after_the_catalogues_date() -> None:
    created = [document["created_at"] for document in sample()]
    assert max(created) <= EPOCH
    assert len({moment.year for moment in created}) >= 8
    assert {document["updated_at"] for document in sample()} == {EPOCH}
