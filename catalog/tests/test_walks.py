"""Pages in another order than by relevance, of more results than are put in order one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from catalog import candidates, mongo
from catalog.indexes import PRODUCTS
from catalog.search.cursor import decode_cursor
from catalog.search.interpretation import interpret
from catalog.search.plan import plan_walk
from catalog.search.request import SearchRequest, Sort
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.test_search_plans import stages
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.postings import POSTINGS
from catalog.vocabulary.store import lexicon

SORTS = [sort for sort in Sort if sort is not Sort.RELEVANCE]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all of these searches ones of many results."""
    monkeypatch.setattr("catalog.candidates.FEW", 30)
    monkeypatch.setattr("catalog.search.plan.WINDOW", 10)
    monkeypatch.setattr("catalog.services.finding.WINDOW", 20)
    monkeypatch.setattr("catalog.services.numbered.GROUP", 20)
    monkeypatch.setattr("catalog.services.faceting.GROUP", 10)


def fill(database: Any) -> None:
    kinds = ("Laptop", "Notebook", "Keyboard", "Keyring")
    store(
        *(
            draft(
                f"SKU-{number}",
                name=f"{kinds[number % 4]} {number}",
                product_type=kinds[number % 4],
                brand=("Sony", "Razer", "Cherry")[number % 3],
                category_path=("Shop", f"Shelf {number % 2}"),
                description="Waterproof outside." if number % 2 else "",
                price=500 + (number * 37) % 300,
                rating=float(number % 6),
                popularity=(number * 53) % 211,
            )
            for number in range(160)
        )
    )
    build_vocabulary(database)


catalogue = kept_catalogue(fill)


def popularity_of(product: dict[str, Any]) -> int:
    return int(product["sku"].removeprefix("SKU-")) * 53 % 211


def pages(query: str, sort: Sort, **filters: Any) -> Iterator[dict[str, Any]]:
    request = SearchRequest(query=query, sort=sort, **filters)
    while True:
        page = search_products(request=request).value
        yield page
        if page["next"] is None:
            return
        request = replace(request, after=decode_cursor(page["next"], sort=sort.value))


def ids_of(catalogue: Any, **wanted: Any) -> set[str]:
    return {str(row["_id"]) for row in catalogue[PRODUCTS].find(wanted, {"_id": 1})}


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.value)
@pytest.mark.parametrize(
    ("query", "words"), [("laptop", ["laptop", "notebook"]), ("keyb", ["keyboard"]), ("key", ["keyboard", "keyr"])]
)
def test_synonyms_and_all_completions_are_walked_in_order(
    catalogue: Any, query: str, words: list[str], sort: Sort
) -> None:
    found = list(pages(query, sort))
    shown = [product["_id"] for page in found for product in page["data"]]
    assert len(shown) == len(set(shown))
    assert set(shown) == ids_of(catalogue, words={"$in": words})
    assert {(page["total"], page["total_relation"], page["complete"]) for page in found} == {(len(shown), "eq", True)}
    order, direction = {
        Sort.PRICE_ASC: ("price", 1),
        Sort.PRICE_DESC: ("price", -1),
        Sort.RATING: ("rating", -1),
    }.get(sort, ("order", 0))
    if direction:
        values = [product[order] for page in found for product in page["data"]]
        assert values == sorted(values, reverse=direction < 0)
    if sort is Sort.POPULARITY:
        popular = [popularity_of(product) for page in found for product in page["data"]]
        assert popular == sorted(popular, reverse=True)


def test_popularity_is_an_order_of_the_api_and_of_the_page(catalogue: Any, client: Client) -> None:
    popular = [
        popularity_of(product) for product in client.get("/api/search?query=laptop&sort=popularity").json()["data"]
    ]
    assert popular == sorted(popular, reverse=True)
    page = client.get("/search?q=laptop&sort=popularity").content.decode()
    assert '<option value="popularity" selected>Most popular</option>' in page


def test_no_walk_over_alternatives_needs_a_sort_stage(catalogue: Any) -> None:
    store(draft("DISK", name="HDD"), draft("DRIVE", name="Hard drive"))
    build_vocabulary(catalogue)
    for query in ("laptop", "key", "hard drive", "hdd", "hard drive laptop"):
        meaning = interpret(query, lexicon)[0]
        assert meaning.wants[0].alternatives
        for sort in SORTS:
            plan = plan_walk(SearchRequest(query=query, sort=sort, in_stock=True), meaning)
            cursor = catalogue[PRODUCTS].find(plan.page_filter).sort([(plan.order_field, plan.direction)])
            winning = stages(cursor.hint(plan.hint).limit(21).explain()["queryPlanner"]["winningPlan"])
            assert "IXSCAN" in winning
            assert not {"SORT", "COLLSCAN"}.intersection(winning)


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.value)
@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "not numbered"])
def test_many_results_with_a_word_in_the_description_alone_are_found_and_told_to_be_some(
    catalogue: Any, sort: Sort, numbered: bool
) -> None:
    if not numbered:
        catalogue[POSTINGS].drop()
    found = list(pages("waterproof", sort))
    shown = [product["_id"] for page in found for product in page["data"]]
    assert len(shown) == len(set(shown)) == 30
    assert set(shown) <= ids_of(catalogue, words="waterproof")
    assert all(page["dropped_words"] == [] and page["total_relation"] == "gte" for page in found)
    assert not any(page["complete"] for page in found)
    assert 30 <= found[0]["total"] <= 80


def test_a_filter_never_brings_results_that_were_not_there_without_it(catalogue: Any) -> None:
    store(*(draft(f"SLEEVE-{n}", name="Sleeve", product_type="Sleeve", description="For a laptop.") for n in range(9)))
    build_vocabulary(catalogue)
    every = {product["_id"] for page in pages("laptop", Sort.PRICE_ASC) for product in page["data"]}
    for filters in ({"brand": "sony"}, {"brand": "sony", "min_rating": 3}, {"brand": "logitech,sony"}):
        narrowed = {product["_id"] for page in pages("laptop", Sort.PRICE_ASC, **filters) for product in page["data"]}
        assert narrowed
        assert narrowed < every
    only = list(pages("laptop", Sort.PRICE_ASC, brand="logitech"))
    assert (only[0]["total"], only[0]["total_relation"]) == (9, "eq"), "nothing else is left"
    assert only[0]["dropped_words"] == []


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.value)
def test_a_walk_that_takes_too_long_gives_some_results_and_says_so(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    def ended_by_mongodb(*_: Any, **__: Any) -> Any:
        raise mongo.OutOfTime("operation exceeded time limit")

    # No walk of so few products takes long, and the tests' MongoDB has no fail points.
    monkeypatch.setattr(candidates, "find_keys", ended_by_mongodb)
    answer = search_products(request=SearchRequest(query="laptop", sort=sort))
    envelope = answer.stored.envelope
    assert envelope.soft_ms - envelope.created_ms <= 5_000, "a busy moment must not last a minute"
    page = answer.value
    assert page["count"] == 20
    assert (page["complete"], page["total_relation"], page["dropped_words"]) == (False, "gte", [])
    assert page["total"] <= 80
