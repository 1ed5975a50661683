"""Candidates are put in order by what their lists tell, before any of them is read."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from typing import Any

import orjson
import pytest
from bson import ObjectId
from pyroaring import BitMap

from cachelayer.trace import tracing
from catalog import candidates, mongo
from catalog.candidates import Place
from catalog.errors import CatalogUnavailable, InvalidParameter
from catalog.indexes import PRODUCTS
from catalog.search.cursor import Cursor, decode_cursor
from catalog.search.estimate import MARKS, Told, about_term
from catalog.search.impacts import AMOUNTS, CHARACTERS, SATURATED, tier_of
from catalog.search.index_keys import TIE_BITS
from catalog.search.interpretation import interpret
from catalog.search.lexicon import NoLexicon
from catalog.search.meaning import shortened
from catalog.search.plan import Narrowing
from catalog.search.postings import (
    FIRST_PIECES,
    LARGER,
    apart,
    bounds_of_piece,
    end_of_first_pieces,
    evaluate,
    piece_of,
    wanted_phases,
)
from catalog.search.ranking import ADJACENT, Ranking
from catalog.search.request import SearchRequest
from catalog.services import finding, numbered
from catalog.services.editing import change_product
from catalog.services.finding import _choice, _numbered, find_page
from catalog.services.found import Choice
from catalog.tests import numbered_catalogue
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.numbered_catalogue import fill, joined
from catalog.vocabulary import numbering
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.postings import PostingsState, facets_id, read_ids, read_offer, read_pieces
from catalog.vocabulary.store import STATE, lexicon

small_pieces = numbered_catalogue.small_pieces
catalogue = kept_catalogue(fill)
STEP = max(abs(SATURATED[character] - AMOUNTS[tier_of(character)]) for character in CHARACTERS)
"""By so much the amount of a tier may differ from that of a product in it."""


def state() -> PostingsState:
    found = lexicon.state().postings
    assert found is not None
    return found


def test_a_tier_stands_for_amounts_close_to_its_own() -> None:
    assert STEP < 0.05
    assert [tier_of(character) for character in CHARACTERS] == sorted(map(tier_of, CHARACTERS))
    assert tier_of(CHARACTERS[-1]) == len(AMOUNTS) - 1
    assert list(AMOUNTS) == sorted(AMOUNTS)


def test_pieces_follow_each_other_and_the_later_ones_are_larger() -> None:
    bounds = [bounds_of_piece(piece) for piece in range(6)]
    assert bounds[: FIRST_PIECES + 1] == [(0, 64), (64, 128), (128, 128 + LARGER * 64)]
    assert [first for first, _ in bounds[1:]] == [end for _, end in bounds[:-1]]
    for piece, (first, end) in enumerate(bounds):
        assert (piece_of(first), piece_of(end - 1)) == (piece, piece)


def test_popularity_is_known_at_marks_that_lie_close_where_it_falls_steeply(catalogue: Any) -> None:
    ordered = [
        row["order"]["popularity"] >> TIE_BITS
        for row in catalogue[PRODUCTS].find({"active": True}, {"order": 1}).sort("order.popularity", -1)
    ]
    known = [mark for mark in MARKS if mark < len(ordered)]
    assert known[:6] == [0, 1, 2, 3, 4, 5]
    assert list(state().popularity) == [ordered[mark] for mark in known]


@pytest.mark.parametrize(
    "query", ["red mouse", "red", "laptop mouse", "wireless mouse logitech", "keyb", "black notebook"]
)
def test_an_estimate_differs_from_the_score_by_less_than_side_by_side_and_the_width_of_tiers(
    catalogue: Any, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered, "GROUP", 1)
    told: list[Told] = []
    estimated = Ranking.estimated

    def noted(self: Ranking, numbers: list[int], of: Told) -> list[int]:
        told.append(of)
        return estimated(self, numbers, of)

    monkeypatch.setattr(Ranking, "estimated", noted)
    meaning = interpret(query, lexicon)[0]
    results = _numbered(_choice(meaning, 0, Narrowing()))
    assert results is not None
    numbers, _ = results._block(Place())
    order = results._best_first(meaning, numbers)
    assert sorted(order) == sorted(numbers)
    ids = dict(zip(read_ids(results.state, numbers), numbers, strict=True))
    ranking = Ranking(meaning)
    score = {
        ids[key]: ranking.plain_score(candidate)
        for candidate in results.find(list(ids), meaning, deadline=candidates.deadline())
        for key in ids
        if str(key) == candidate.id
    }
    assert score.keys() == set(numbers)
    rarities = [want.rarity for want in meaning.wants]
    # Between two marks popularity falls; at most by half of what it adds at all.
    slack = ADJACENT * sum(rarities) + STEP * sum(rarities) + 0.25
    best = -1e9
    for number in reversed(order):
        assert score[number] > best - slack
        best = max(best, score[number])
    assert told[-1].in_stock == {
        ids[row["_id"]]
        for row in catalogue[PRODUCTS].find({"_id": {"$in": list(ids)}, "stock": {"$gt": 0}}, {"_id": 1})
    }


def test_products_of_equal_score_stay_in_their_static_order() -> None:
    ranking = Ranking(interpret("red", NoLexicon())[0])
    told = Told({"red": dict.fromkeys((1, 2, 3), 1.0)}, set(), {1, 2, 3}, (5,))
    assert ranking.estimated([3, 1, 2], told) == [3, 1, 2]
    told = replace(told, in_stock={1})
    assert ranking.estimated([3, 1, 2], told) == [1, 3, 2]
    told = replace(told, about={"red": {2: 2.9}})
    assert ranking.estimated([3, 1, 2], told)[0] == 2


def test_what_a_term_has_no_products_for_counts_nothing() -> None:
    assert about_term(BitMap([1, 2]), []) == {}
    assert about_term(BitMap([1, 2, 3]), [(0.5, BitMap([2, 9])), (1.5, BitMap([3]))]) == {2: 0.5, 3: 1.5}


def phases_of(query: str) -> tuple[Choice, list[list[int]]]:
    """Return what a query means, and the numbers of its results phase by phase."""
    choice = _choice(interpret(query, lexicon)[0], 0, Narrowing())
    phases = wanted_phases(choice.meaning, Narrowing())
    keys = {key for phase in phases for key in phase.needed()}
    lists = joined(read_pieces(state(), keys, range(state().pieces)))
    return choice, [list(numbers) for numbers in apart(evaluate(phase, lists) for phase in phases)]


MANY = ("red", "mouse", "red mouse", "laptop mouse", "wireless mouse", "black notebook", "keyb", "blue keyboard sony")


@pytest.mark.parametrize("least", [1, 5, 20, 60, 500])
@pytest.mark.parametrize("query", MANY)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_first_block_is_what_comes_first_of_all_phase_by_phase(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, query: str, least: int, at_once: bool
) -> None:
    monkeypatch.setattr(numbered, "_LEAST", least)
    monkeypatch.setattr(numbered, "_is_little", lambda *_: at_once)
    choice, phases = phases_of(query)
    results = _numbered(choice)
    assert results is not None
    block, end = results._block(Place())
    whole = [number for numbers in phases for number in numbers]
    assert block == whole[: len(block)]
    assert (end is None) is (len(block) == len(whole))
    assert len(block) >= min(least, len(whole), numbered.BLOCK)


@pytest.mark.parametrize("least", [1, 5, 20, 60, 500])
@pytest.mark.parametrize("query", MANY)
def test_of_few_results_those_are_a_block_that_lead_and_all_others_another(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, query: str, least: int
) -> None:
    monkeypatch.setattr(numbered, "_LEAST", least)
    monkeypatch.setattr(numbered, "_LARGE_BLOCK", 1_000)
    choice, phases = phases_of(query)
    results = _numbered(choice)
    assert results is not None
    whole = {number for numbers in phases for number in numbers}
    first, end = results._block(Place())
    if not results.leads:
        assert (set(first), end) == (whole, None)
        return
    last = max(place for place, numbers in enumerate(phases) if not set(first).isdisjoint(numbers))
    before = [number for numbers in phases[:last] for number in numbers]
    assert set(first) == {*before, *(number for number in phases[last] if number < end_of_first_pieces())}
    assert least <= len(first)
    if end is None:
        assert set(first) == whole
        return
    others = _numbered(choice, end)
    assert others is not None
    second, end = others._block(end)
    assert end is None
    assert {*first, *second} == whole
    assert set(first).isdisjoint(second)


@pytest.mark.parametrize("limit", [7, 20, 50])
@pytest.mark.parametrize(("group", "block"), [(15, 45), (30, 60), (200, 400)])
@pytest.mark.parametrize(
    ("limits", "query"),
    [
        ((120, 0, 10_000), "mouse"),
        ((20, 0, 10_000), "mouse"),
        ((20, 1_000, 10_000), "laptop mouse"),
        ((20, 0, 10), "sony"),  # The first pieces suffice to tell how many there are at least.
        ((20, 0, 10), "red"),
    ],
)
def test_pages_of_any_size_show_every_result_once_over_groups_and_blocks(
    catalogue: Any,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    group: int,
    block: int,
    limits: tuple[int, int, int],
    query: str,
) -> None:
    least, large, cap = limits
    if cap < 100:
        monkeypatch.setattr(numbered, "_is_little", lambda *_: False)
    monkeypatch.setattr(numbered, "TOTAL_CAP", cap)
    monkeypatch.setattr(numbered, "_LEAST", least)
    monkeypatch.setattr(numbered, "_LARGE_BLOCK", large)
    monkeypatch.setattr(numbered, "GROUP", group)
    monkeypatch.setattr(numbered, "BLOCK", block)
    monkeypatch.setattr(finding, "_WINDOWS", 9)
    request = SearchRequest(query=query, limit=limit)
    shown: list[str] = []
    sizes = []
    while True:
        page = find_page(request, with_facets=False)
        shown += [result.product.id for result in page.results if result.has_all]
        sizes.append(len(page.results))
        if page.next_page is None:
            break
        request = replace(request, after=decode_cursor(page.next_page.encoded(), sort="relevance"))
    assert set(sizes[:-1]) <= {limit}, "each page but the last is full"
    everything = _choice(interpret(query, lexicon)[0], 0, Narrowing()).everything
    true = {str(row["_id"]) for row in catalogue[PRODUCTS].find(everything.filter, {"_id": 1})}
    assert len(shown) == len(set(shown))
    assert set(shown) == true


def test_a_page_size_that_changes_in_between_shows_no_result_twice(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered, "GROUP", 15)
    chance = random.Random(7)
    request = SearchRequest(query="mouse", limit=4)
    shown: list[str] = []
    while True:
        page = find_page(request, with_facets=False)
        shown += [result.product.id for result in page.results]
        if page.next_page is None:
            break
        request = replace(request, after=page.next_page, limit=chance.randint(1, 20))
    assert len(shown) == len(set(shown)) == catalogue[PRODUCTS].count_documents({"words": "mous"})


@pytest.mark.parametrize("large", [0, 70, 1_000])
@pytest.mark.parametrize("query", ["red mouse", "mouse", "laptop mouse"])
def test_pages_go_on_where_a_block_ends_with_a_phase(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, query: str, large: int
) -> None:
    meaning = interpret(query, lexicon)[0]
    results = _numbered(_choice(meaning, 0, Narrowing()))
    assert results is not None
    first = next(len(numbers) for numbers in results.sets if numbers)
    monkeypatch.setattr(numbered, "BLOCK", first)
    monkeypatch.setattr(numbered, "GROUP", 10)
    monkeypatch.setattr(numbered, "_LARGE_BLOCK", large)
    request, shown = SearchRequest(query=query, limit=5), list[str]()
    while True:
        page = find_page(request, with_facets=False)
        shown += [result.product.id for result in page.results if result.has_all]
        if page.next_page is None:
            break
        request = replace(request, after=decode_cursor(page.next_page.encoded(), sort="relevance"))
    true = {str(row["_id"]) for row in catalogue[PRODUCTS].find(results.everything.filter, {"_id": 1})}
    assert len(shown) == len(set(shown))
    assert set(shown) == true


@pytest.mark.parametrize("place", [{"phase": 5, "group": 3}, {"group": 2}, {"phase": 7, "offset": 3}])
def test_a_place_among_numbered_products_means_nothing_without_lists(catalogue: Any, place: dict[str, int]) -> None:
    cursor = Cursor("relevance", 20, (), 100, "gte", **place)
    assert decode_cursor(cursor.encoded(), sort="relevance") == cursor
    request = SearchRequest(query="mouse", after=cursor)
    assert find_page(request) is not None
    catalogue[STATE].delete_many({})
    lexicon.forget()
    with pytest.raises(InvalidParameter, match="start again"):
        find_page(request)


@pytest.mark.parametrize("key", [2**31 + 1, 2**32, 2**63 - 1])
def test_a_number_that_no_product_has_is_refused(key: int) -> None:
    raw = orjson.dumps(["relevance", key, [], 100, "gte", [5, 0, 0, 0, 0]])
    with pytest.raises(InvalidParameter):
        decode_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), sort="relevance")


def test_a_page_that_runs_out_of_time_in_its_second_group_goes_on_there(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered, "GROUP", 12)
    request = SearchRequest(query="mouse")
    whole = [result.product.id for result in find_page(request, with_facets=False).results]
    find_among, asked = candidates.find_among, list[int]()

    def late_at_last(*given: Any, **named: Any) -> Any:
        asked.append(1)
        if len(asked) > 1:
            raise mongo.OutOfTime("late")
        return find_among(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(candidates, "find_among", late_at_last)
        page = find_page(request, with_facets=False)
    assert [result.product.id for result in page.results] == whole[:12]
    assert not page.complete
    assert page.next_page is not None
    rest = find_page(replace(request, after=page.next_page), with_facets=False)
    assert [result.product.id for result in rest.results][:8] == whole[12:]


def test_all_groups_of_a_page_share_one_deadline(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbered, "GROUP", 6)
    find_among, until = candidates.find_among, set[float]()

    def noted(*given: Any, deadline: float, **named: Any) -> Any:
        until.add(deadline)
        return find_among(*given, deadline=deadline, **named)

    monkeypatch.setattr(candidates, "find_among", noted)
    assert len(find_page(SearchRequest(query="mouse"), with_facets=False).results) == 20
    assert len(until) == 1


def test_sets_that_are_compressed_in_between_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "_UNCOMPRESSED", 50)
    monkeypatch.setattr(numbering, "_SMALL", 4)
    chance = random.Random(3)
    sets = numbering._Sets[str]()
    true: dict[str, set[int]] = {}
    for number in range(500):
        keys = [f"often {chance.randrange(4)}", *(f"rare {number // 7}" for _ in range(chance.randrange(2)))]
        sets.add(keys, number)
        for key in keys:
            true.setdefault(key, set()).add(number)
    assert {key: set(held) for key, held in sets.taken()} == true
    assert list(sets.taken()) == []


def test_facets_offer_the_same_values_on_all_pages(products_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.services.faceting._FEW", 50)
    chance = random.Random(11)
    store(
        *(
            draft(
                f"SKU-{number}",
                name=f"Mouse {number}",
                brand=f"Brand {chance.randrange(60)}",
                category_path=("Shop", f"Shelf {chance.randrange(40)}"),
                popularity=number,
                stock=chance.randrange(2),
            )
            for number in range(200)
        )
    )
    build_vocabulary(products_db)
    first = find_page(SearchRequest(query="mouse"))
    assert first.facets is not None
    second = find_page(SearchRequest(query="mouse", after=first.next_page))
    assert second.facets == first.facets


def test_facets_of_few_results_lack_no_value(products_db: Any) -> None:
    store(
        *(
            draft(
                f"SKU-{number}",
                name="Mouse",
                brand="Early" if number < 150 else "Late",
                category_path=("Shop", "Early" if number < 150 else "Late"),
                popularity=1_000 - number,
            )
            for number in range(190)
        )
    )
    build_vocabulary(products_db)
    facets = find_page(SearchRequest(query="mouse")).facets
    assert facets is not None
    assert facets.exact
    assert {value.label: value.count for value in facets.brands} == {"Early": 150, "Late": 40}
    assert {value.label: value.count for value in facets.categories} == {"Early": 150, "Late": 40}


def test_a_page_is_filled_though_much_of_what_the_lists_tell_of_no_longer_matches(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered, "GROUP", 10)
    request = SearchRequest(query="mouse", limit=10)
    first = {result.product.id for result in find_page(request).results}
    # Other programs have changed them, and nobody has told yet.
    changed = [
        row["_id"] for row in catalogue[PRODUCTS].find({"words": "mous"}, {"_id": 1}) if str(row["_id"]) in first
    ]
    catalogue[PRODUCTS].update_many({"_id": {"$in": changed}}, {"$pull": {"words": "mous", "terms": "mous"}})
    page = find_page(request)
    assert len(page.results) == 10
    assert not first & {result.product.id for result in page.results}


def test_nothing_within_the_time_is_not_told_as_nothing(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbered, "GROUP", 5)
    catalogue[PRODUCTS].update_many({"words": "mous"}, {"$pull": {"words": "mous", "terms": "mous"}})
    # All groups are looked at, and there is nothing.
    assert find_page(SearchRequest(query="mouse")).results == ()
    monkeypatch.setattr("catalog.candidates.deadline", lambda: 0.0)
    with pytest.raises(CatalogUnavailable):
        find_page(SearchRequest(query="mouse"))


def test_products_with_some_of_the_words_are_read_together(catalogue: Any) -> None:
    change = catalogue[PRODUCTS].find_one({"words": {"$all": ["red", "keyboard"]}})
    change_product(product_id=str(change["_id"]), expected_version=1, changes={"name": "Red keyboard unicorn"})
    request = SearchRequest(query="unicorn red keyboard logitech")
    find_page(request)
    with tracing() as trace:
        page = find_page(request, with_facets=False)
    assert len(page.results) == 20
    assert sum(result.has_all for result in page.results) <= 1
    assert len({result.product.id for result in page.results}) == 20
    related = next(result.product.id for result in page.results if not result.has_all)
    fewer = [
        {term for want in meaning.wants for term in want.terms}
        for meaning in shortened(interpret(request.query, lexicon)[0])
    ]
    having = next(words for words in fewer if catalogue[PRODUCTS].count_documents({"words": {"$all": list(words)}}) > 1)
    assert having <= set(catalogue[PRODUCTS].find_one({"_id": ObjectId(related)})["words"]), (
        "the fewest are left out first"
    )
    assert sum(span.detail == f"find {PRODUCTS}" for span in trace.spans) <= 3


def test_a_category_offers_its_most_frequent_brands(catalogue: Any) -> None:
    offer = read_offer(state(), "gaming/mice")
    counted = list(
        catalogue[PRODUCTS].aggregate(
            [
                {"$match": {"category_path": ["Gaming", "Mice"]}},
                {"$group": {"_id": "$brand", "count": {"$sum": 1}}},
                {"$sort": {"count": -1, "_id": 1}},
            ]
        )
    )
    assert list(offer.brands) == [row["_id"] for row in counted]
    assert [attribute.name for attribute in offer.attributes] == ["Size"]
    assert facets_id("b", "gaming/mice") == "b/facets/gaming/mice"
    assert read_offer(state(), "nowhere").brands == ()
