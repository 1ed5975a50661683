"""Plans of searches, as MongoDB explains them: an index gives the order, nothing is sorted, little is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from catalog.indexes import PRODUCTS
from catalog.search.cursor import decode_cursor
from catalog.search.interpretation import interpret
from catalog.search.plan import WINDOW, Phase, after_place, narrowing_of, plan_everything, plan_phases, plan_walk
from catalog.search.ranking import terms_of
from catalog.search.request import SearchRequest, Sort
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.store import lexicon

BRANDS = ("Logitech", "Razer", "Sony")


def fill(database: Any) -> None:
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


def fill_and_count(database: Any) -> None:
    fill(database)
    build_vocabulary(database)


def fill_with_television_and_count(database: Any) -> None:
    fill(database)
    store(draft("TV", name="Television mouse"))
    build_vocabulary(database)


catalogue = kept_catalogue(fill)
counted = kept_catalogue(fill_and_count)
television = kept_catalogue(fill_with_television_and_count)


def stages(explained: Any) -> list[str]:
    if isinstance(explained, dict):
        own = [explained["stage"]] if "stage" in explained else []
        return own + [stage for value in explained.values() for stage in stages(value)]
    if isinstance(explained, list):
        return [stage for value in explained for stage in stages(value)]
    return []


def phases_of(request: SearchRequest) -> tuple[Phase, ...]:
    meaning = interpret(request.query, lexicon)[0]
    narrowing = narrowing_of(request)
    frequencies = lexicon.stats({*terms_of(meaning), *narrowing.terms})
    return (
        *plan_phases(meaning, narrowing, frequencies),
        plan_everything(meaning, narrowing, frequencies),
    )


FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"brand": "sony"},
    {"category": "accessories/mice", "in_stock": True},
    {"min_price": 600, "max_price": 900},
)


@pytest.mark.parametrize("filters", FILTERS, ids=repr)
@pytest.mark.parametrize("query", ["wireless mouse", "mouse", "tv mouse", "wirel"])
@pytest.mark.parametrize("stored", ["catalogue", "television"], ids=["uncounted", "counted"])
def test_no_search_by_relevance_needs_a_sort_stage(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, query: str, filters: dict[str, Any], stored: str
) -> None:
    catalogue = request.getfixturevalue(stored)
    monkeypatch.setattr("catalog.search.plan.WINDOW", 20)  # So that all phases are planned.
    for phase in phases_of(SearchRequest(query=query, **filters)):
        for begin in (2**63 - 1, 5 << 20):
            explained = (
                catalogue[PRODUCTS]
                .find(after_place(phase, key=begin, seen=[str(ObjectId())]))
                .sort([("order.popularity", -1)])
                .hint(phase.hint)
                .limit(WINDOW)
                .explain()
            )
            winning = stages(explained["queryPlanner"]["winningPlan"])
            assert "SORT" not in winning
            assert "COLLSCAN" not in winning
            assert "IXSCAN" in winning


WALKS = [SearchRequest(query="wireless mouse", sort=sort, **filters) for sort in Sort for filters in FILTERS] + [
    SearchRequest(query="", sort=sort) for sort in Sort
]


@pytest.mark.parametrize("request_", WALKS, ids=repr)
def test_no_walk_in_another_order_needs_a_sort_stage(catalogue: Any, request_: SearchRequest) -> None:
    meaning = interpret(request_.query, lexicon)[0] if request_.query else None
    for after in ("", _cursor(replace(request_, query=""))):
        request = replace(request_, after=decode_cursor(after, sort=request_.sort.value) if after else None)
        plan = plan_walk(request, meaning)
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


def _cursor(request: SearchRequest) -> str:
    cursor = search_products(request=request).value["next"]
    assert cursor, "the catalogue must be large enough for a second page"
    return str(cursor)


def test_a_window_of_one_common_word_reads_no_more_than_it_ranks(counted: Any) -> None:
    first = phases_of(SearchRequest(query="mouse"))[0]
    statistics = (
        counted[PRODUCTS]
        .find(first.filter)
        .sort([("order.popularity", -1)])
        .hint(first.hint)
        .limit(100)
        .explain()["executionStats"]
    )
    assert statistics["nReturned"] == 100
    assert statistics["totalDocsExamined"] <= 101


def test_the_rarest_of_words_and_filters_leads_the_walk(catalogue: Any) -> None:
    store(*(draft(f"RARE-{number}", name="Mouse of amber", brand="Amberworks") for number in range(3)))
    build_vocabulary(catalogue)
    for request in (SearchRequest(query="mouse amber"), SearchRequest(query="mouse", brand="amberworks")):
        (phase, *_) = phases_of(request)
        statistics = (
            catalogue[PRODUCTS]
            .find(phase.filter)
            .sort([("order.popularity", -1)])
            .hint(phase.hint)
            .limit(100)
            .explain()["executionStats"]
        )
        assert statistics["nReturned"] == 3
        assert statistics["totalDocsExamined"] <= 3


@pytest.mark.parametrize("sort", list(Sort), ids=lambda sort: sort.value)
@pytest.mark.parametrize("stored", ["catalogue", "counted"], ids=["few", "many"])
def test_paging_shows_every_result_once_and_in_order(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, sort: Sort, stored: str
) -> None:
    request.getfixturevalue(stored)
    if stored == "counted":
        monkeypatch.setattr("catalog.candidates.FEW", 50)
        monkeypatch.setattr("catalog.services.finding.WINDOW", 60)
        monkeypatch.setattr("catalog.search.plan.WINDOW", 60)
    asked = SearchRequest(query="mouse", sort=sort)
    shown: list[dict[str, Any]] = []
    while True:
        page = search_products(request=asked).value
        shown += page["data"]
        assert page["total"] == 300
        assert page["total_relation"] == "eq"
        if page["next"] is None:
            break
        asked = replace(asked, after=decode_cursor(page["next"], sort=sort.value))
    assert len(shown) == 300
    assert len({product["_id"] for product in shown}) == 300
    if sort is not Sort.RELEVANCE:
        keys = [_order(product, sort) for product in shown]
        assert keys == sorted(keys, reverse=sort is not Sort.PRICE_ASC)


def _order(product: dict[str, Any], sort: Sort) -> Any:
    if sort is Sort.POPULARITY:
        return int(product["sku"].removeprefix("SKU-")) % 11
    field = {Sort.RATING: "rating", Sort.NEWEST: "createdAt"}.get(sort, "price")
    return product[field]
