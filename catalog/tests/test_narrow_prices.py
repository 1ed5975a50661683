"""Ranges of prices that lie within a band: the lists tell little of them, and the index of prices may tell all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from cachelayer.trace import tracing
from catalog import candidates, mongo
from catalog.errors import CatalogUnavailable, InvalidParameter
from catalog.indexes import PRODUCTS
from catalog.search.cursor import PRICED, decode_cursor
from catalog.search.interpretation import interpret
from catalog.search.plan import narrowing_of
from catalog.search.request import SearchRequest, Sort
from catalog.services import finding, numbered
from catalog.services.finding import _choice, find_page
from catalog.tests import numbered_catalogue
from catalog.tests.kept import kept_catalogue
from catalog.tests.numbered_catalogue import fill
from catalog.tests.test_search_plans import stages
from catalog.vocabulary.store import lexicon

small_pieces = numbered_catalogue.small_pieces
catalogue = kept_catalogue(fill)


@pytest.mark.parametrize("query", ["red", "mouse", ""])
@pytest.mark.parametrize(("low", "high"), [(501, 502), (1234, 1234), (9_950, 9_999), (499, 499), (1250, 1250)])
@pytest.mark.parametrize(("sort", "vague"), [(Sort.RELEVANCE, 0), (Sort.RELEVANCE, 2_000), (Sort.PRICE_ASC, 2_000)])
def test_a_range_of_prices_without_a_whole_band_is_searched(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, query: str, low: int, high: int, sort: Sort, vague: int
) -> None:
    monkeypatch.setattr(numbered, "_VAGUE", vague)
    request = SearchRequest(query=query, min_price=low, max_price=high, in_stock=True, sort=sort, limit=100)
    page = find_page(request)
    wanted: dict[str, Any] = {"price": {"$gte": low, "$lte": high}, "stock": {"$gt": 0}}
    if query:
        wanted["words"] = {"red": "red", "mouse": "mous"}[query]
    true = {str(row["_id"]) for row in catalogue[PRODUCTS].find(wanted, {"_id": 1})}
    assert {result.product.id for result in page.results if result.has_all} == true


def test_many_products_that_a_narrow_range_of_prices_leaves_none_of_are_not_read(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered, "_VAGUE", 10)
    monkeypatch.setattr(numbered, "_LARGE_GROUP", 5)
    for low, high, bound in ((1_251, 1_252, 0), (1_249, 1_251, 30)):
        with tracing() as trace:
            page = find_page(SearchRequest(query="mouse", min_price=low, max_price=high, limit=100), with_facets=False)
        assert page.complete
        assert bool(page.results) is bool(bound)
        reads = [span for span in trace.spans if span.detail == f"find {PRODUCTS}"]
        assert len(reads) <= 4
        assert sum(span.documents for span in reads) <= 3 * bound


@pytest.mark.parametrize("limit", [3, 7])
def test_pages_of_a_narrow_range_of_prices_show_every_result_once(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(numbered, "_VAGUE", 10)
    request, shown = SearchRequest(query="mouse", min_price=1_249, max_price=1_251, limit=limit), list[str]()
    while True:
        page = find_page(request)
        shown += [result.product.id for result in page.results if result.has_all]
        if page.next_page is None:
            break
        request = replace(request, after=decode_cursor(page.next_page.encoded(), sort="relevance"))
    true = {str(row["_id"]) for row in catalogue[PRODUCTS].find({"words": "mous", "price": 1_250}, {"_id": 1})}
    assert len(true) > 10
    assert len(shown) == len(set(shown))
    assert set(shown) == true


def pages_of(request: SearchRequest, *, late: Collection[int]) -> list[str]:
    """Return what all pages show, where the index of prices is too slow for some of them, by number."""
    found = candidates.find_within_prices
    shown: list[str] = []
    for number in count():

        def sometimes(*given: Any, is_late: bool = number in late, **named: Any) -> Any:
            if is_late:
                raise mongo.OutOfTime("late")
            return found(*given, **named)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(candidates, "find_within_prices", sometimes)
            page = find_page(request)
        shown += [result.product.id for result in page.results if result.has_all]
        if page.next_page is None:
            return shown
        request = replace(request, after=decode_cursor(page.next_page.encoded(), sort="relevance"))
    raise AssertionError


def test_the_pages_of_a_narrow_range_of_prices_go_on_as_they_began(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered, "_VAGUE", 10)
    monkeypatch.setattr(numbered, "_LARGE_GROUP", 5)
    request = SearchRequest(query="mouse", min_price=1_249, max_price=1_251, limit=4)
    true = {str(row["_id"]) for row in catalogue[PRODUCTS].find({"words": "mous", "price": 1_250}, {"_id": 1})}
    for late in ((), (0,), (0, 1, 2)):
        shown = pages_of(request, late=late)
        assert len(shown) == len(set(shown))
        assert set(shown) == true
    with pytest.raises(CatalogUnavailable, match="too long"):
        pages_of(request, late=(1,))
    page = find_page(request)
    assert page.next_page is not None
    assert page.next_page.phase == PRICED
    monkeypatch.setattr(finding, "WINDOW", 5)
    with pytest.raises(InvalidParameter, match="changed meanwhile"):
        find_page(replace(request, after=page.next_page))
    shown = pages_of(request, late=())  # They are too many now, and the lists are gone through.
    assert set(shown) == true


@pytest.mark.parametrize("filters", [{}, {"brand": "sony"}, {"category": "gaming", "in_stock": True}])
def test_a_look_along_the_index_of_prices_examines_no_other_prices(catalogue: Any, filters: dict[str, Any]) -> None:
    request = SearchRequest(query="mouse", min_price=1_249, max_price=1_251, **filters)
    choice = _choice(interpret(request.query, lexicon)[0], 0, narrowing_of(request))
    wanted, most = candidates.within_prices(choice.everything), 200
    found = catalogue[PRODUCTS].find(wanted, {"_id": 1}).hint(candidates.PRICE_INDEX).limit(most + 1).explain()
    assert "SORT" not in stages(found["queryPlanner"]["winningPlan"])
    priced = catalogue[PRODUCTS].count_documents({"price": 1_250})
    assert 0 < found["executionStats"]["totalDocsExamined"] <= priced
