"""Plans of searches, as MongoDB explains them: the index gives the order, nothing is sorted, little is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog.indexes import PRODUCTS
from catalog.search.cursor import decode_cursor
from catalog.search.plan import plan_search
from catalog.search.request import SearchRequest, Sort
from catalog.services.search import search_products
from catalog.tests.factories import draft, store

BRANDS = ("Logitech", "Razer", "Sony")


@pytest.fixture
def catalogue(products_db: Any) -> Any:
    store(
        *(
            draft(
                f"SKU-{number}",
                name=f"{'Wireless' if number % 2 else 'Wired'} Mouse {number}",
                brand=BRANDS[number % 3],
                price=500 + 100 * (number % 7),
                popularity=number % 11,
                rating=float(number % 6),
                rating_count=number % 4,
                stock=number % 5,
            )
            for number in range(300)
        )
    )
    return products_db


def stages(explained: Any) -> list[str]:
    if isinstance(explained, dict):
        own = [explained["stage"]] if "stage" in explained else []
        return own + [stage for value in explained.values() for stage in stages(value)]
    if isinstance(explained, list):
        return [stage for value in explained for stage in stages(value)]
    return []


REQUESTS = [
    SearchRequest(query="wireless mouse", sort=sort, **filters)
    for sort in Sort
    for filters in (
        {},
        {"brand": "sony"},
        {"category": "accessories/mice", "in_stock": True},
        {"min_price": 600, "max_price": 900},
    )
] + [SearchRequest(query="", sort=sort) for sort in Sort]


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_no_search_needs_a_sort_stage(catalogue: Any, request_: SearchRequest) -> None:
    for request in (request_, _second_page(request_)):
        plan = plan_search(request)
        explained = (
            catalogue[PRODUCTS]
            .find(plan.page_filter)
            .sort([(plan.order_field, plan.direction)])
            .hint(plan.hint)
            .limit(21)
            .explain()
        )
        winning = stages(explained["queryPlanner"]["winningPlan"])
        assert "SORT" not in winning
        assert "COLLSCAN" not in winning
        assert "IXSCAN" in winning


def test_a_page_of_one_common_word_reads_no_more_than_it_shows(catalogue: Any) -> None:
    plan = plan_search(SearchRequest(query="mouse"))
    statistics = (
        catalogue[PRODUCTS]
        .find(plan.page_filter)
        .sort([(plan.order_field, plan.direction)])
        .hint(plan.hint)
        .limit(21)
        .explain()["executionStats"]
    )
    assert statistics["nReturned"] == 21
    assert statistics["totalDocsExamined"] <= 22


def _second_page(request: SearchRequest) -> SearchRequest:
    cursor = search_products(request=request).value["next"]
    assert cursor, "the catalogue must be large enough for a second page"
    return replace(request, after=decode_cursor(cursor, sort=request.sort.value))


@pytest.mark.parametrize("sort", list(Sort), ids=lambda sort: sort.value)
def test_paging_shows_every_result_once_and_in_order(catalogue: Any, sort: Sort) -> None:
    request = SearchRequest(query="mouse", sort=sort)
    shown: list[dict[str, Any]] = []
    while True:
        page = search_products(request=request).value
        shown += page["data"]
        assert page["total"] == 300
        assert page["total_relation"] == "eq"
        if page["next"] is None:
            break
        request = replace(request, after=decode_cursor(page["next"], sort=sort.value))
    assert len(shown) == 300
    assert len({product["_id"] for product in shown}) == 300
    keys = [_order(product, sort) for product in shown]
    assert keys == sorted(keys, reverse=sort is not Sort.PRICE_ASC)


def _order(product: dict[str, Any], sort: Sort) -> Any:
    if sort is Sort.RELEVANCE:
        return int(product["name"].split()[-1]) % 11
    field = {Sort.RATING: "rating", Sort.NEWEST: "createdAt"}.get(sort, "price")
    return product[field]
