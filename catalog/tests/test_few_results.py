"""Few results are read together with what is shown after them: products that have some of the words."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cachelayer.trace import tracing
from catalog import candidates, mongo
from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS
from catalog.search.interpretation import interpret
from catalog.search.plan import Narrowing
from catalog.search.ranking import Ranking, terms_of
from catalog.search.request import SearchRequest
from catalog.services import finding
from catalog.services.editing import change_product
from catalog.services.finding import _choice, find_page
from catalog.tests import numbered_catalogue
from catalog.tests.kept import kept_catalogue
from catalog.tests.numbered_catalogue import BRANDS, COLOURS, KINDS, fill
from catalog.vocabulary.store import lexicon

small_pieces = numbered_catalogue.small_pieces
catalogue = kept_catalogue(fill)


def query_of(chance: random.Random) -> str:
    words = [chance.choice(COLOURS), chance.choice(KINDS), chance.choice(BRANDS), str(chance.randrange(160))]
    return " ".join(chance.sample(words, chance.randint(2, 4)))


def shown(request: SearchRequest) -> tuple[Any, ...]:
    page = find_page(request)
    return (
        [(result.product.id, result.has_all, result.score) for result in page.results],
        *(page.total, page.exact, page.complete, page.next_page, page.facets),
    )


@pytest.mark.parametrize("edited", [False, True])
def test_a_page_of_few_results_is_the_same_as_read_one_after_the_other(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, edited: bool
) -> None:
    if edited:
        for stored in catalogue[PRODUCTS].find({"words": "red"}).limit(3):
            change_product(product_id=str(stored["_id"]), expected_version=1, changes={"name": "Blue Keyboard 17"})
    few, at_once = finding._few, list[bool]()

    def noted(*given: Any, **named: Any) -> Any:
        found = few(*given, **named)
        at_once.append(found is not None)
        return found

    chance = random.Random(23)
    for _ in range(60):
        request = SearchRequest(
            query=query_of(chance),
            brand=chance.choice(("", "", "sony", "razer,sony")),
            max_price=chance.choice((None, None, 1_000, 1_300)),
            limit=chance.choice((5, 20, 50)),
            explain=True,
        )
        monkeypatch.setattr(finding, "_few", noted)
        together = shown(request)
        monkeypatch.setattr(finding, "_few", lambda *_, **__: None)
        assert together == shown(request), request
    assert at_once.count(True) > 20
    assert at_once.count(False) > 5


def test_which_products_have_all_words_is_told_as_mongodb_tells_it(catalogue: Any) -> None:
    chance = random.Random(3)
    told = 0
    for query in (*(query_of(chance) for _ in range(20)), "keyb", "red keyb", "notebook", "wireless mouse blue"):
        for meaning in interpret(query, lexicon):
            everything = _choice(meaning, 0, Narrowing()).everything
            matched = {str(row["_id"]) for row in catalogue[PRODUCTS].find(everything.filter, {"_id": 1})}
            ranking = Ranking(meaning)
            for document in catalogue[PRODUCTS].find({"active": True}):
                candidate = candidates._candidate(document, terms_of(meaning), labelled=False)
                assert ranking.has_all(candidate) is (candidate.id in matched), (query, document["name"])
            told += len(matched)
    assert told > 100


def test_few_results_and_others_cost_one_query_on_the_products(catalogue: Any) -> None:
    stored = catalogue[PRODUCTS].find_one()
    find_page(SearchRequest(query="red mouse"))
    with tracing() as trace:
        page = find_page(SearchRequest(query=f"{stored['name']} {stored['brand']}"), with_facets=False)
    assert [result.has_all for result in page.results] == [True] + [False] * 19
    assert page.results[0].product.id == str(stored["_id"])
    assert sum(span.detail == f"find {PRODUCTS}" for span in trace.spans) == 1


def test_few_results_that_are_not_read_in_time_are_no_empty_page(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> Any:
        raise mongo.OutOfTime("late")

    monkeypatch.setattr(candidates, "find_among", late)
    with pytest.raises(CatalogUnavailable, match="too long"):
        find_page(SearchRequest(query="red mouse sony 17"))
