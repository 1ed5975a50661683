"""Few results are read together with what is shown after them: products that have some of the words."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import pytest
from bson import ObjectId

from cachelayer.trace import tracing
from catalog import candidates, mongo
from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS
from catalog.search.interpretation import interpret
from catalog.search.meaning import shortened
from catalog.search.plan import Narrowing, Phase
from catalog.search.ranking import Ranking, terms_of
from catalog.search.request import SearchRequest
from catalog.services import finding
from catalog.services.editing import change_product
from catalog.services.finding import _choice, find_page
from catalog.tests import numbered_catalogue
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.numbered_catalogue import BRANDS, COLOURS, KINDS, fill
from catalog.vocabulary.store import lexicon

small_pieces = numbered_catalogue.small_pieces


def fill_with_drives(database: Any) -> None:
    """Add products with a synonym of two words together, and others with one of these."""
    names = [*("Red HDD",) * 4, *("Blue hard drive",) * 3, *("Red screw drive",) * 9, *("Hard hat",) * 9]
    store(
        *(
            draft(f"D-{number}", name=f"{name} {200 + number}", product_type=name, brand="Sony", popularity=number)
            for number, name in enumerate(names)
        )
    )
    fill(database)


catalogue = kept_catalogue(fill_with_drives)


def query_of(chance: random.Random) -> str:
    kinds = (*KINDS, "hard drive", "drive")
    words = [chance.choice(COLOURS), chance.choice(kinds), chance.choice(BRANDS), str(chance.randrange(240))]
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
    assert at_once.count(True) > 10
    assert at_once.count(False) > 5


def test_which_products_have_all_words_is_told_as_mongodb_tells_it(catalogue: Any) -> None:
    chance = random.Random(3)
    told = 0
    others = ("keyb", "red keyb", "notebook", "wireless mouse blue", "hard drive", "hdd red", "sony hard drive")
    for query in (*(query_of(chance) for _ in range(20)), *others):
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
    stored = catalogue[PRODUCTS].find_one({"name": {"$regex": "^Red Mouse"}})
    find_page(SearchRequest(query="red mouse"))
    with tracing() as trace:
        page = find_page(SearchRequest(query=f"{stored['name']} {stored['brand']}"), with_facets=False)
    assert [result.has_all for result in page.results] == [True] + [False] * 19
    assert page.results[0].product.id == str(stored["_id"])
    assert sum(span.detail == f"find {PRODUCTS}" for span in trace.spans) == 1


@pytest.mark.parametrize("query", ["hard drive", "hard drive sony", "red hard drive"])
def test_few_results_with_a_synonym_of_several_words_are_all_there(catalogue: Any, query: str) -> None:
    page = find_page(SearchRequest(query=query))
    names = [result.product.name.rsplit(" ", 1)[0] for result in page.results if result.has_all]
    wanted = {"Red HDD": 4} if query.startswith("red") else {"Red HDD": 4, "Blue hard drive": 3}
    assert Counter(names) == wanted
    assert (page.total, page.exact, page.meaning and page.meaning.dropped) == (16, True, ())


def test_what_has_changed_is_placed_by_what_it_has_now(catalogue: Any) -> None:
    for stored in list(catalogue[PRODUCTS].find({"words": "red"}).limit(9)):
        name = f"Green thing {stored['name'].split()[-1]}"
        change_product(product_id=str(stored["_id"]), expected_version=1, changes={"name": name})
    chance = random.Random(3)
    looked_at = 0
    for _ in range(300):
        request = SearchRequest(query=query_of(chance))
        page = find_page(request)
        if page.meaning is None:
            continue
        levels = [_choice(meaning, 0, Narrowing()).everything for meaning in shortened(page.meaning)]
        related = [ObjectId(result.product.id) for result in page.results if not result.has_all]
        places = [
            next((place for place, each in enumerate(levels) if matches(catalogue, each, identifier)), len(levels))
            for identifier in related
        ]
        assert places == sorted(places), request.query
        looked_at += len(set(places)) > 1
    assert looked_at >= 3


def matches(database: Any, phase: Phase, identifier: ObjectId) -> bool:
    return database[PRODUCTS].find_one({**phase.filter, "_id": identifier}, {"_id": 1}) is not None


@pytest.fixture
def exact_query(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A query of one result, which nothing but reading it with others may find."""
    stored = catalogue[PRODUCTS].find_one({"name": {"$regex": "^Red Mouse"}})

    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(finding, "_shown", unused)
    query = f"{stored['name']} {stored['brand']}"
    assert [result.has_all for result in find_page(SearchRequest(query=query)).results].count(True) == 1
    return query


def test_few_results_that_are_not_read_in_time_are_no_empty_page(
    exact_query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: Any, **__: Any) -> Any:
        raise mongo.OutOfTime("late")

    monkeypatch.setattr(candidates, "find_among", late)
    with pytest.raises(CatalogUnavailable, match="too long"):
        find_page(SearchRequest(query=exact_query))


def test_a_slow_look_for_fewer_words_does_not_cost_the_results_of_all(
    exact_query: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SEARCH_BUDGET_MS = 1_000
    with_fewer_words = finding._with_fewer_words

    def slowly(*given: Any, **named: Any) -> Any:
        found = with_fewer_words(*given, **named)
        time.sleep(1.1)
        return found

    monkeypatch.setattr(finding, "_with_fewer_words", slowly)
    assert find_page(SearchRequest(query=exact_query)).results[0].has_all
