"""Results of common words come from numbered lists: the same as a walk finds, and as new as the products."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cachelayer.trace import tracing
from catalog.changes import announce_unknown_changes
from catalog.documents import to_document
from catalog.indexes import PRODUCTS
from catalog.search.cursor import decode_cursor
from catalog.search.interpretation import interpret
from catalog.search.lexicon import NoLexicon
from catalog.search.plan import Narrowing, Phase, PhaseName, is_best_walked, narrowing_of
from catalog.search.request import SearchRequest, Sort
from catalog.services import numbered
from catalog.services.editing import change_product, create_product, deactivate_product
from catalog.services.finding import _choice, _numbered, find_page
from catalog.services.found import Page
from catalog.services.numbered import gather
from catalog.services.search import search_products
from catalog.tests import numbered_catalogue
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.numbered_catalogue import BRANDS, COLOURS, KINDS, fill
from catalog.vocabulary import recent
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.postings import (
    POSTINGS,
    PostingsState,
    read_places,
)
from catalog.vocabulary.recent import RECENT, begin_anew
from catalog.vocabulary.store import TERMS, lexicon

small_pieces = numbered_catalogue.small_pieces
catalogue = kept_catalogue(fill)


def request_of(chance: random.Random) -> SearchRequest:
    words = [*COLOURS, *KINDS, "logitech", "keyb", "keybord", "laptop"]
    filters: list[dict[str, Any]] = [
        {"brand": "sony"},
        {"brand": "razer,sony"},
        {"category": "gaming"},
        {"in_stock": True},
        {"min_rating": chance.randint(1, 5)},
        {"min_price": chance.choice((500, 700)), "max_price": chance.choice((999, 1250, 1999))},
    ]
    filters.append({"attributes": (("Size", tuple(sorted(chance.sample("SML", chance.randint(1, 2))))),)})
    request = SearchRequest(query=" ".join(chance.sample(words, chance.randint(1, 3))).lower())
    for chosen in chance.sample(filters, chance.randint(0, 3)):
        request = replace(request, **chosen)
    return request


def counts_of(page: Page) -> dict[tuple[str, str], int]:
    facets = page.facets
    if facets is None:
        return {}
    groups = {"brand": facets.brands, "category": facets.categories, "price": facets.prices, "rating": facets.ratings}
    groups |= {facet.name: facet.values for facet in facets.attributes}
    return {(name, value.key): value.count for name, values in groups.items() for value in values}


@pytest.mark.parametrize(
    ("sort", "edited", "pieces", "cap"),
    # Each value meets each value of the others: with the lower cap the first piece is enough, else all are read.
    [
        (Sort.RELEVANCE, False, 1, 10),
        (Sort.PRICE_ASC, False, 3, 10),
        (Sort.RELEVANCE, False, 3, 10_000),
        (Sort.RELEVANCE, True, 3, 10_000),
        (Sort.PRICE_ASC, True, 1, 10_000),
        (Sort.PRICE_ASC, True, 1, 10),
    ],
)
def test_adding_a_filter_never_raises_a_count_that_the_lists_tell(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, sort: Sort, pieces: int, edited: bool, cap: int
) -> None:
    monkeypatch.setattr("catalog.services.faceting.GROUP", 8)
    monkeypatch.setattr("catalog.services.faceting._FEW", 8)
    monkeypatch.setattr("catalog.services.numbered.FIRST_PIECES", pieces)
    monkeypatch.setattr("catalog.services.numbered.TOTAL_CAP", cap)
    monkeypatch.setattr("catalog.services.numbered.GROUP", 8)
    monkeypatch.setattr("catalog.services.finding.WINDOW", 8)
    monkeypatch.setattr("catalog.candidates.FEW", 8)
    monkeypatch.setattr("catalog.candidates.FACET_SAMPLE", 15)
    if edited:
        stored = catalogue[PRODUCTS].find_one({"words": "red"}, sort=[("order.popularity", -1)])
        change_product(product_id=str(stored["_id"]), expected_version=1, changes={"description": "Edited"})
    filters: dict[str, dict[str, Any]] = {
        "brand": {"brand": "razer,sony"},
        "category": {"category": "gaming"},
        "price": {"min_price": 500, "max_price": 1999},
        "rating": {"min_rating": 3},
        "stock": {"in_stock": True},
        "Size": {"attributes": (("Size", ("L", "M")),)},
    }
    chance = random.Random(17)
    compared = 0
    for _ in range(15):
        first, added = chance.sample(sorted(filters), 2)
        query = chance.choice(("red", "mouse", "laptop", "keyb", ""))
        request = SearchRequest(query=query, sort=sort, **filters[first])
        before, after = find_page(request), find_page(replace(request, **filters[added]))
        assert after.total <= before.total
        if pieces < 3 and after.total <= 8:
            continue  # Few results are counted one by one, also those beyond the pieces that are counted of many.
        wide, narrow = counts_of(before), counts_of(after)
        raised = {key: count for key, count in narrow.items() if key[0] != added and count > wide.get(key, count)}
        assert raised == {}, request
        assert not (edited and before.facets is not None and before.facets.exact)
        compared += len(narrow)
    assert compared > (60 if pieces == 3 else 10)


@pytest.mark.parametrize("at_once", [True, False])
def test_numbered_lists_hold_exactly_what_a_query_on_the_products_finds(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(numbered, "_is_little", lambda *_: at_once)
    chance = random.Random(11)
    found_any = 0
    for _ in range(150):
        request = request_of(chance)
        for meaning in interpret(request.query, lexicon):
            choice = _choice(meaning, 0, narrowing_of(request))
            results = _numbered(choice)
            assert results is not None
            listed = {row["_id"] for row in catalogue[PRODUCTS].find(results.first(1_000).filter, {"_id": 1})}
            true = {row["_id"] for row in catalogue[PRODUCTS].find(choice.everything.filter, {"_id": 1})}
            assert listed == true, request
            total, exact = results.total()
            assert (total, exact) == (len(true), True) if len(results.sure) == results.size else total <= len(true)
            found_any += bool(true)
    assert found_any > 50


@pytest.mark.parametrize(
    ("query", "cap", "least", "reads", "complete"),
    [
        ("red", 10, 8, 1, False),
        ("red mouse", 40, 8, 1, True),
        ("red mouse", 5, 200, 3, True),  # What all results need, and then which of them come first.
        ("red mouse", 5, 8, 1, False),
    ],
)
def test_all_pieces_are_read_at_once_where_the_first_may_not_give_enough(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, query: str, cap: int, least: int, reads: int, complete: bool
) -> None:
    monkeypatch.setattr(numbered, "TOTAL_CAP", cap)
    monkeypatch.setattr(numbered, "_LEAST", least)
    monkeypatch.setattr(numbered, "FIRST_PIECES", 1)
    asked: list[set[int]] = []

    def noted(state: PostingsState, places: Iterable[tuple[int, str]], **others: Any) -> Any:
        wanted = list(places)
        asked.append({piece for piece, _ in wanted})
        return read_places(state, wanted, **others)

    monkeypatch.setattr(numbered, "read_places", noted)
    choice = _choice(interpret(query, lexicon)[0], 0, Narrowing())
    results = _numbered(choice)
    assert results is not None
    assert len(asked) == reads
    true = catalogue[PRODUCTS].count_documents(choice.everything.filter)
    assert results.complete is complete
    assert results.total() == ((true, True) if true <= cap and results.complete else (cap, False))


def test_filters_without_words_are_counted_from_the_lists(catalogue: Any) -> None:
    request = SearchRequest(brand="razer,sony", category="gaming", in_stock=True)
    page = search_products(request=request).value
    wanted = {"brand": {"$in": ["Razer", "Sony"]}, "category_path": "Gaming", "stock": {"$gt": 0}}
    assert (page["total"], page["total_relation"]) == (catalogue[PRODUCTS].count_documents(wanted), "eq")


@pytest.mark.parametrize("sort", [Sort.RELEVANCE, Sort.PRICE_ASC])
@pytest.mark.parametrize("cap", [30, 10_000])
def test_paging_shows_every_result_once(catalogue: Any, monkeypatch: pytest.MonkeyPatch, sort: Sort, cap: int) -> None:
    monkeypatch.setattr("catalog.services.numbered.TOTAL_CAP", cap)
    request, shown = SearchRequest(query="red", sort=sort), list[str]()
    while True:
        page = search_products(request=request).value
        assert page["total_relation"] == ("gte" if cap == 30 and sort is Sort.RELEVANCE else "eq")
        shown += [product["sku"] for product in page["data"]]
        if page["next"] is None:
            break
        request = replace(request, after=decode_cursor(page["next"], sort=sort.value))
    true = {row["sku"] for row in catalogue[PRODUCTS].find({"words": "red"}, {"sku": 1})}
    assert len(shown) == len(set(shown))
    assert set(shown) == true


def test_products_that_changed_since_are_found_by_what_they_have_now(catalogue: Any) -> None:
    identifier = create_product(draft=draft("NEW", name="Purple Mouse", product_type="Mouse")).product.id
    page = search_products(request=SearchRequest(query="purple mouse")).value
    assert [product["sku"] for product in page["data"][: page["matching_all"]]] == ["NEW"]
    renamed = search_products(request=SearchRequest(query="mouse logitech")).value
    assert renamed["total_relation"] == "gte", "it is not known which of the numbered products have changed"
    change_product(
        product_id=identifier, expected_version=1, changes={"name": "Purple Trackball", "product_type": "Ball"}
    )
    assert find_page(SearchRequest(query="purple trackball")).total == 1
    meaning = find_page(SearchRequest(query="purple mouse")).meaning
    assert meaning is not None
    assert meaning.dropped
    deactivate_product(product_id=identifier, expected_version=2)
    assert find_page(SearchRequest(query="purple")).total == 0


def test_a_changed_product_is_shown_once_whatever_the_page(catalogue: Any) -> None:
    stored = catalogue[PRODUCTS].find_one({"words": "red"}, sort=[("order.popularity", 1)])
    change_product(product_id=str(stored["_id"]), expected_version=1, changes={"description": "A red one"})
    request, shown = SearchRequest(query="red"), list[str]()
    while True:
        page = find_page(request)
        shown += [result.product.id for result in page.results]
        if page.next_page is None:
            break
        request = replace(request, after=page.next_page)
    assert shown.count(str(stored["_id"])) == 1
    assert len(shown) == len(set(shown)) == catalogue[PRODUCTS].count_documents({"words": "red"})


def test_what_changed_while_products_were_numbered_is_kept(catalogue: Any) -> None:
    new = create_product(draft=draft("NEW", name="Purple Mouse")).product
    begin_anew(catalogue, since=new.updated_at)
    assert search_products(request=SearchRequest(query="purple mouse")).value["matching_all"] == 1


def test_what_was_loaded_just_before_the_numbering_does_not_count_as_changed(catalogue: Any) -> None:
    drafts = [draft(f"FRESH-{number}", name="Purple Mouse") for number in range(9)]
    catalogue[PRODUCTS].insert_many([dict(to_document(one, now=datetime.now(UTC))) for one in drafts])
    build_vocabulary(catalogue)
    page = find_page(SearchRequest(query="purple mouse"))
    assert sum(result.has_all for result in page.results) == 9
    assert (page.exact, catalogue[RECENT].count_documents({})) == (True, 0)


def test_a_search_that_meets_a_new_numbering_uses_it(catalogue: Any) -> None:
    request = SearchRequest(query="red mouse")
    before = {result.product.id for result in find_page(request).results}
    known = lexicon.state()
    build_vocabulary(catalogue)
    lexicon._few["state"] = known
    assert {result.product.id for result in find_page(request).results} == before


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"in_stock": True},
        {"min_rating": 2},
        {"max_price": 1999},
        {"brand": "sony"},
        {"in_stock": True, "min_rating": 1, "max_price": 4999},
    ],
)
def test_many_results_are_read_once_because_lists_and_category_tell_the_facets(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, filters: dict[str, Any]
) -> None:
    monkeypatch.setattr("catalog.services.faceting._FEW", 10)
    monkeypatch.setattr("catalog.services.numbered.GROUP", 20)
    with tracing() as trace:
        page = find_page(SearchRequest(query="red", **filters))
    assert page.facets is not None
    assert page.facets.in_stock
    assert page.facets.prices
    assert page.facets.ratings
    assert {value.label for value in page.facets.brands} == set(BRANDS), "also those that are not chosen"
    assert sum(span.detail == f"find {PRODUCTS}" for span in trace.spans) == 1


@pytest.mark.parametrize(
    ("piece", "group", "reads"),
    [
        (64, 30, 2),  # The candidates, and all results for their facets.
        (64, 120, 1),  # All results are candidates.
    ],
)
def test_attributes_of_all_results_are_counted(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, piece: int, group: int, reads: int
) -> None:
    monkeypatch.setattr("catalog.search.postings.PIECE", piece)
    monkeypatch.setattr("catalog.services.numbered.GROUP", group)
    build_vocabulary(catalogue)
    with tracing() as trace:
        page = find_page(SearchRequest(query="red"))
    assert page.facets is not None
    assert page.facets.exact
    assert 30 < page.total < 120
    sizes = {facet.name: sum(value.count for value in facet.values) for facet in page.facets.attributes}
    assert sizes == {"Size": page.total}
    assert sum(span.detail == f"find {PRODUCTS}" for span in trace.spans) == reads


def test_all_spellings_of_a_word_are_looked_up_together(catalogue: Any) -> None:
    lexicon.forget()
    find_page(SearchRequest(query="red"))
    with tracing() as trace:
        page = find_page(SearchRequest(query="keybord", in_stock=True))
    assert page.meaning is not None
    assert page.meaning.query == "keyboard"
    # The word and the filter, what is spelt like it, how many products have that, what begins like it.
    assert sum(span.detail == f"find {TERMS}" for span in trace.spans) == 4


def test_values_that_were_not_counted_in_time_make_facets_inexact(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SearchRequest(query="red")
    found = find_page(request)
    assert found.facets is not None
    assert found.facets.exact
    monkeypatch.setattr("catalog.candidates.sample_for_facets", lambda _: ([], False))
    found = find_page(request)
    assert found.facets is not None
    assert not found.facets.exact


def test_more_changes_than_join_the_lists_make_the_pages_that_they_join_incomplete(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.recent.MOST_RECENT", 3)
    for number in range(6):
        create_product(draft=draft(f"SKU-NEW-{number}", name=f"Red novelty {number}"))
    first = find_page(SearchRequest(query="red"))
    assert not first.complete
    assert not find_page(SearchRequest(query="red", after=first.next_page)).complete


def test_a_short_walk_finds_what_more_changes_than_join_the_lists_have_left_out(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.recent.MOST_RECENT", 3)
    for number in range(6):
        create_product(draft=draft(f"SKU-NEW-{number}", name=f"Red novelty mouse {number}"))
    found = find_page(SearchRequest(query="red novelty mouse"))
    assert not found.complete, "with the lists alone"
    monkeypatch.setattr("catalog.search.plan.WINDOW", 40)
    found = find_page(SearchRequest(query="red novelty mouse"))
    assert found.exact
    assert found.complete
    assert {result.product.sku for result in found.results if result.has_all} == {
        f"SKU-NEW-{number}" for number in range(6)
    }


@pytest.mark.parametrize(("looked_at", "is_walked"), [(30, True), (31, False), (None, False)])
def test_a_walk_is_taken_where_it_looks_at_little(
    monkeypatch: pytest.MonkeyPatch, looked_at: int | None, is_walked: bool
) -> None:
    monkeypatch.setattr("catalog.search.plan._WALKED", 30)
    everything = Phase(PhaseName.ANYWHERE, {}, "", looked_at)
    assert is_best_walked(everything, replace(interpret("red", NoLexicon())[0], measured=True)) is is_walked
    assert not is_best_walked(everything, interpret("red", NoLexicon())[0])


def test_that_nothing_has_changed_is_asked_once_until_something_does(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SearchRequest(query="red")

    def looks() -> int:
        with tracing() as trace:
            find_page(request)
        return sum(span.detail == f"count {RECENT}" for span in trace.spans)

    find_page(request)
    assert looks() == 0
    product = create_product(draft=draft("SKU-NEW", name="Red novelty"))
    assert looks() > 0, "for as long as something has changed"
    assert looks() > 0
    assert product.product.id in {result.product.id for result in find_page(request).results}
    catalogue[RECENT].delete_many({})
    assert looks() > 0
    assert looks() == 0
    with monkeypatch.context() as patched:
        patched.setattr(recent, "generation_of", lambda _: None)
        assert looks() > 0, "where changes may not reach this process"
    announce_unknown_changes()
    assert looks() > 0, "whatever changed"
    assert looks() == 0
    lexicon.forget()
    assert looks() > 0


def test_without_lists_search_walks_to_the_products(catalogue: Any) -> None:
    request = SearchRequest(query="red mouse", limit=100)
    before = {result.product.id for result in find_page(request).results}
    catalogue[POSTINGS].drop()
    assert {result.product.id for result in find_page(request).results} == before, "with what this process has kept"
    lexicon.forget()
    meaning = interpret(request.query, lexicon)[0]
    choice = _choice(meaning, 0, narrowing_of(request))
    assert gather(meaning, choice.narrowing, choice.everything) is None
    assert {result.product.id for result in find_page(request).results} == before


def test_facets_of_many_results_tell_at_least_so_many_on_every_page(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.services.faceting._FEW", 40)
    request = SearchRequest(query="red")
    first = find_page(request)
    assert first.facets is not None
    assert first.facets.exact is False, "more pieces than are counted"
    brands = {value.label: value.count for value in first.facets.brands}
    true = {brand: catalogue[PRODUCTS].count_documents({"words": "red", "brand": brand}) for brand in BRANDS}
    assert all(brands[brand] <= true[brand] for brand in BRANDS)
    later = find_page(replace(request, after=first.next_page))
    assert later.facets == first.facets


@pytest.mark.parametrize("sort", [Sort.RELEVANCE, Sort.PRICE_ASC])
def test_attributes_narrow_widen_and_are_counted(products_db: Any, monkeypatch: pytest.MonkeyPatch, sort: Sort) -> None:
    monkeypatch.setattr("catalog.search.postings.PIECE", 2**18)
    monkeypatch.setattr("catalog.services.faceting.GROUP", 10)
    chance = random.Random(3)
    store(
        *(
            draft(
                f"SKU-{number}",
                name=f"Laptop {number}",
                product_type="Laptop",
                attributes={
                    "Colour": chance.choice(("Black", "Silver", "Blue")),
                    "Screen": chance.choice((13.3, 15.6, 17)),
                    "Touch": chance.random() < 0.3,
                    "Serial": f"S{number}",
                },
            )
            for number in range(120)
        )
    )
    build_vocabulary(products_db)

    def count(**filters: Any) -> int:
        return int(products_db[PRODUCTS].count_documents(filters))

    request = SearchRequest(query="laptop", sort=sort)
    facets = search_products(request=request).value["facets"]
    assert facets["exact"]
    counted = {
        facet["name"]: {value["key"]: value["count"] for value in facet["values"]} for facet in facets["attributes"]
    }
    assert set(counted) == {"Colour", "Screen", "Touch"}, "serial numbers tell nothing apart"
    assert counted["Colour"]["Black"] == count(**{"attributes.Colour": "Black"})
    assert counted["Screen"] == {size: count(**{"attributes.Screen": float(size)}) for size in ("13.3", "15.6", "17")}
    assert counted["Touch"]["true"] == count(**{"attributes.Touch": True})
    black = request.with_attribute("Colour", ["Black"])
    page = search_products(request=black).value
    assert (page["total"], page["total_relation"]) == (counted["Colour"]["Black"], "eq")
    chosen = {
        facet["name"]: {value["key"]: value["count"] for value in facet["values"]}
        for facet in page["facets"]["attributes"]
    }
    assert chosen["Colour"] == counted["Colour"], "what is chosen does not narrow itself"
    assert all(chosen["Screen"][size] <= number for size, number in counted["Screen"].items())
    both = search_products(request=black.with_attribute("Colour", ["Black", "Blue"])).value
    assert both["total"] == counted["Colour"]["Black"] + counted["Colour"]["Blue"]
    small = search_products(request=black.with_attribute("Screen", ["17"])).value
    assert small["total"] == count(**{"attributes.Colour": "Black", "attributes.Screen": 17})
