"""What searches find."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.candidates import PRICE_INDEX
from catalog.indexes import PRODUCTS
from catalog.search.cursor import decode_cursor
from catalog.search.interpretation import interpret
from catalog.search.plan import TOTAL_CAP, plan_walk
from catalog.search.request import SearchRequest, Sort
from catalog.services import search as search_service
from catalog.services.finding import find_page
from catalog.services.search import _facets, search_products
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.vocabulary.store import lexicon


def fill(database: Any) -> None:
    store(
        draft("MOUSE-1", name="Silent Wireless Mouse", popularity=10, price=2999),
        draft("MOUSE-2", name="Wireless Gaming Mouse", brand="Razer", popularity=30, price=7999, stock=0),
        draft(
            "KEYS-1",
            name="Mechanical Keyboard",
            category_path=("Gaming", "Keyboards"),
            product_type="Keyboard",
            popularity=20,
            price=12900,
        ),
        draft(
            "CAFE-1",
            name="Café Speaker",
            brand="Müller & Söhne",
            category_path=("Audio", "Speakers"),
            product_type="Speaker",
            popularity=5,
        ),
        draft("GONE-1", name="Wireless Mouse of yesteryear", active=False, popularity=99),
    )


catalogue = kept_catalogue(fill)


def found(query: str = "", **filters: Any) -> list[str]:
    return [product["sku"] for product in search_products(request=SearchRequest(query=query, **filters)).value["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("wireless mouse", ["MOUSE-1", "MOUSE-2"]),
        ("mouse wireless", ["MOUSE-1", "MOUSE-2"]),
        ("mice", ["MOUSE-1", "MOUSE-2"]),
        ("keyboards", ["KEYS-1"]),
        ("gaming", ["MOUSE-2", "KEYS-1"]),
        ("cafe", ["CAFE-1"]),
        ("muller", ["CAFE-1"]),
        ("razer mouse", ["MOUSE-2"]),
        ("unicorn", []),
        ("mouse unicorn", []),
        ("!!!", []),
        (".*", []),
        ("$where", []),
    ],
)
def test_all_words_must_be_there(catalogue: None, query: str, expected: list[str]) -> None:
    assert found(query) == expected


def test_inactive_products_are_never_found(catalogue: None) -> None:
    assert "GONE-1" not in found("wireless") + found("yesteryear") + found("")


def test_filters_narrow_and_combine(catalogue: None) -> None:
    assert found("", category="accessories") == ["MOUSE-2", "MOUSE-1"]
    assert found("", category="accessories/mice", in_stock=True) == ["MOUSE-1"]
    assert found("", brand="razer") == ["MOUSE-2"]
    assert found("mouse", min_price=3000) == ["MOUSE-2"]
    assert found("mouse", max_price=3000) == ["MOUSE-1"]
    assert found("mouse", min_price=2999, max_price=2999) == ["MOUSE-1"]


def test_facets_count_brands_and_categories_of_the_results(catalogue: None) -> None:
    facets = search_products(request=SearchRequest(query="mouse")).value["facets"]
    assert {value["label"]: value["count"] for value in facets["brand"]} == {"Logitech": 1, "Razer": 1}
    assert [value["key"] for value in facets["category"]] == ["accessories/mice"]
    assert facets["exact"] is True


def test_a_total_beyond_the_cap_is_a_lower_bound(products_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.candidates.TOTAL_CAP", 30)
    monkeypatch.setattr("catalog.services.finding.WINDOW", 20)
    assert TOTAL_CAP == 10_000
    store(*(draft(f"SKU-{number}") for number in range(40)))
    page = search_service.search_products(request=SearchRequest(query="mouse")).value
    assert (page["total"], page["total_relation"]) == (30, "gte")


def test_the_second_search_comes_from_the_cache(catalogue: None) -> None:
    first = search_products(request=SearchRequest(query="mouse"))
    second = search_products(request=SearchRequest(query="mouse"))
    assert (first.source, first.outcome.header) == ("MONGODB", "MISS")
    assert (second.source, second.outcome.header) == ("L1_CACHE", "HIT")
    assert second.value == first.value


def test_spellings_of_a_brand_are_one_value_of_the_facet(products_db: Any) -> None:
    store(*(draft(f"SKU-{number}", brand=brand) for number, brand in enumerate(["Cherry", "CHERRY", "CHERRY"])))
    facets = search_products(request=SearchRequest(query="mouse")).value["facets"]
    assert facets["brand"] == [{"key": "cherry", "label": "CHERRY", "count": 3}]


def test_categories_of_the_same_name_are_told_apart_by_their_parent(products_db: Any) -> None:
    store(
        draft("SKU-1", category_path=("Displays", "Monitors")),
        draft("SKU-2", category_path=("Computers", "Monitors")),
        draft("SKU-3", category_path=("Computers", "Mice")),
    )
    facets = search_products(request=SearchRequest(query="mouse")).value["facets"]
    labels = {value["label"] for value in facets["category"]}
    assert labels == {"Monitors (Displays)", "Monitors (Computers)", "Mice"}


@pytest.mark.parametrize("sort", list(Sort), ids=lambda sort: sort.value)
def test_a_rare_price_is_found_without_reading_the_catalogue(products_db: Any, sort: Sort) -> None:
    store(*(draft(f"SKU-{number}", price=1000 + number, popularity=number) for number in range(300)))
    plan = plan_walk(SearchRequest(min_price=1290, max_price=1291, sort=sort), interpret("mouse", lexicon)[0])
    explained = products_db[PRODUCTS].find(plan.filter).hint(PRICE_INDEX).explain()["executionStats"]
    assert explained["totalDocsExamined"] <= 2
    page = search_products(request=SearchRequest(query="mouse", min_price=1290, max_price=1291, sort=sort)).value
    assert (page["total"], page["count"]) == (2, 2)
    nothing = SearchRequest(query="mouse", min_price=999_999, sort=sort)
    assert search_products(request=nothing).value["data"] == []


@pytest.mark.parametrize("sort", list(Sort), ids=lambda sort: sort.value)
def test_paging_through_a_range_of_prices_shows_everything_once(products_db: Any, sort: Sort) -> None:
    store(*(draft(f"SKU-{number}", price=1000 + number % 50, popularity=number % 7) for number in range(120)))
    request = SearchRequest(query="mouse", min_price=1010, max_price=1039, sort=sort)
    shown: list[str] = []
    while True:
        page = search_products(request=request).value
        shown += [product["sku"] for product in page["data"]]
        assert page["total"] == 70
        if page["next"] is None:
            break
        request = replace(request, after=decode_cursor(page["next"], sort=sort.value))
    assert len(shown) == len(set(shown)) == 70


def test_several_brands_widen_the_results_and_leave_the_counts_of_brands_as_they_were(products_db: Any) -> None:
    store(*(draft(f"SKU-{number}", brand=("Cherry", "Trust", "Razer")[number % 3]) for number in range(12)))
    every = search_products(request=SearchRequest(query="mouse")).value
    one = search_products(request=SearchRequest(query="mouse", brand="cherry")).value
    two = search_products(request=SearchRequest(query="mouse", brand="cherry,razer")).value
    assert (every["total"], one["total"], two["total"]) == (12, 4, 8)
    assert one["facets"]["brand"] == two["facets"]["brand"] == every["facets"]["brand"]


def _counts(facets: Any, *, without: str) -> dict[tuple[str, str], int]:
    counted = {
        (name, value["key"]): value["count"]
        for name in ("brand", "category", "price", "rating")
        if name != without
        for value in facets[name]
    }
    return counted | ({} if without == "in_stock" else {("in_stock", ""): facets["in_stock"]})


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), sort=st.sampled_from(list(Sort)), query=st.sampled_from(["", "mouse", "red mouse"]))
def test_adding_a_filter_never_raises_a_count(products_db: Any, seed: int, sort: Sort, query: str) -> None:
    chance = random.Random(seed)
    products_db[PRODUCTS].delete_many({})
    store(
        *(
            draft(
                f"SKU-{number}",
                name=chance.choice(["Red Mouse", "Blue Mouse", "Mouse"]),
                brand=chance.choice(["Cherry", "Trust", "Razer"]),
                category_path=chance.choice([("Accessories", "Mice"), ("Gaming", "Mice")]),
                price=chance.choice([900, 1900, 4900, 9900]),
                rating=chance.choice([2.0, 3.5, 4.5]),
                stock=chance.choice([0, 5]),
                attributes={
                    "Colour": chance.choice(["Black", "Red", "Blue"]),
                    "Wireless": chance.choice([True, False]),
                },
            )
            for number in range(30)
        )
    )
    filters: tuple[tuple[str, dict[str, Any]], ...] = (
        ("brand", {"brand": "cherry"}),
        ("brand", {"brand": "cherry,trust"}),
        ("category", {"category": "gaming"}),
        ("price", {"max_price": 4900}),
        ("rating", {"min_rating": 3}),
        ("in_stock", {"in_stock": True}),
        ("attributes", {"attributes": (("Colour", ("Black",)),)}),
        ("attributes", {"attributes": (("Wireless", ("true",)),)}),
    )
    request = SearchRequest(query=query, sort=sort, **chance.choice(filters)[1])
    before = find_page(request)
    for name, added in filters:
        if any(getattr(request, field) for field in added):
            continue
        after = find_page(replace(request, **added))
        assert after.total <= before.total
        if before.facets is None or after.facets is None:
            continue
        wide, narrow = (_counts(_facets(page.facets), without=name) for page in (before, after) if page.facets)
        assert {key: count for key, count in narrow.items() if count > wide.get(key, count)} == {}
