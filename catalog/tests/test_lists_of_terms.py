"""The lists of products by term: found where they are kept, read once, and what a process keeps of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from zlib import crc32

import pytest

from cachelayer.trace import tracing
from catalog.search.index_keys import brand_term
from catalog.search.postings import FIRST_PIECES, keys_of, term_key, word_key
from catalog.search.request import SearchRequest
from catalog.services.finding import find_page
from catalog.tests import numbered_catalogue
from catalog.tests.kept import kept_catalogue
from catalog.tests.numbered_catalogue import BRANDS, as_numbered, fill, joined
from catalog.vocabulary import postings
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.kept import BLOCK, ID_BYTES, KeptIds, KeptLists
from catalog.vocabulary.learning import drift, refresh_vocabulary
from catalog.vocabulary.numbering import begin_numbering
from catalog.vocabulary.postings import (
    FORMER_LISTS,
    LISTS,
    POSTINGS,
    PostingsGone,
    PostingsState,
    of_build,
    read_ids,
    read_pieces,
)
from catalog.vocabulary.reindexing import is_outdated
from catalog.vocabulary.store import STATE, VOCABULARY, lexicon

small_pieces = numbered_catalogue.small_pieces
catalogue = kept_catalogue(fill)


def test_lists_that_were_read_are_kept_and_so_is_that_there_are_none(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = lexicon.state().postings
    assert state is not None
    keys = {word_key("red"), word_key("nowhere"), term_key(brand_term(BRANDS[0]))}
    first = joined(read_pieces(state, keys, range(FIRST_PIECES)))
    assert word_key("nowhere") not in first
    asked: list[Collection[str]] = []
    by_ids = postings._by_ids

    def noted(database: Any, identifiers: Collection[str]) -> Any:
        asked.append(identifiers)
        return by_ids(database, identifiers)

    monkeypatch.setattr(postings, "_by_ids", noted)
    assert joined(read_pieces(state, keys, range(FIRST_PIECES))) == first
    assert not any(asked)
    # Of the pieces behind, which few searches read, nothing is kept.
    assert len(joined(read_pieces(state, keys, range(state.pieces)))[word_key("red")]) > len(first[word_key("red")])
    assert any(asked)
    lexicon.forget()
    assert joined(read_pieces(state, keys, range(FIRST_PIECES))) == first


@pytest.mark.parametrize("sums", [2**32, 16])
def test_each_list_is_found_where_it_is_kept_in_one_query_even_if_checksums_coincide(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, sums: int
) -> None:
    for module in ("catalog.search.postings", "catalog.vocabulary.postings", "catalog.vocabulary.numbering"):
        monkeypatch.setattr(f"{module}.checksum_of", lambda key: crc32(key.encode()) % sums)
    monkeypatch.setattr("catalog.vocabulary.numbering._LONG", 12)
    monkeypatch.setattr("catalog.vocabulary.numbering._IN_BUCKET", 40)
    build_vocabulary(catalogue)
    state = lexicon.state().postings
    assert state is not None
    true: dict[str, set[int]] = {}
    for number, document in enumerate(as_numbered(catalogue)):
        for key in keys_of(document):
            true.setdefault(key, set()).add(number)
    assert {len(numbers) >= 12 for numbers in true.values()} == {True, False}
    read_pieces(state, [word_key("nowhere")], range(state.pieces))
    with tracing() as trace:
        found = joined(read_pieces(state, [*true, word_key("unknown")], range(state.pieces)))
    assert {key: set(numbers) for key, numbers in found.items()} == true
    assert sum(span.detail == f"find {POSTINGS}" for span in trace.spans) == 1


def test_no_list_is_read_twice_for_one_search(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.vocabulary.postings._lists", KeptLists(0))
    monkeypatch.setattr("catalog.vocabulary.postings.FIRST_PIECES", 0)
    asked: list[tuple[int, str]] = []
    read = postings._read_places

    def noted(state: PostingsState, places: Collection[tuple[int, str]]) -> Any:
        asked.extend(places)
        return read(state, places)

    monkeypatch.setattr(postings, "_read_places", noted)
    request = SearchRequest(query="red mouse laptop", brand="sony", in_stock=True)
    find_page(request)
    once = len(asked)
    assert once == len(set(asked)) > 0
    find_page(request)
    assert len(asked) == 2 * once, "and the next search reads them again"


def test_lists_of_another_version_are_not_read_and_made_anew(catalogue: Any) -> None:
    request = SearchRequest(query="red mouse", min_price=500, limit=100)
    before = {result.product.id for result in find_page(request).results}
    assert not is_outdated(catalogue)
    catalogue[STATE].update_one({"_id": VOCABULARY}, {"$rename": {LISTS: FORMER_LISTS}})
    lexicon.forget()
    assert lexicon.state().postings is None
    assert {result.product.id for result in find_page(request).results} == before
    assert is_outdated(catalogue)
    assert drift(catalogue).share == 1.0
    former = catalogue[STATE].find_one({"_id": VOCABULARY})[FORMER_LISTS]["build"]
    begin_numbering(catalogue)
    assert catalogue[POSTINGS].count_documents(of_build(former)), "processes of the former version go on with theirs"
    assert refresh_vocabulary(catalogue)
    assert lexicon.state().postings is not None
    assert not is_outdated(catalogue)
    catalogue[STATE].update_one(
        {"_id": VOCABULARY}, {"$set": {FORMER_LISTS: {"build": "x", "products": 1, "buckets": [1]}}}
    )
    lexicon.forget()
    assert lexicon.state().postings is None, "a process of the former version has numbered again, and deleted these"
    assert is_outdated(catalogue)
    assert refresh_vocabulary(catalogue)
    assert not is_outdated(catalogue)


def test_what_is_kept_of_lists_is_bounded() -> None:
    kept = KeptLists(10_000)
    kept.put((f"{number}", number, 1_000) for number in range(1_000))
    assert kept.get(["0", "999"]) == {"999": 999}
    kept.put([("too large", 1, 10_000)])
    assert kept.get(["too large", "999"]) == {"999": 999}, "and nothing makes room for it"


def test_ids_are_kept_of_the_most_popular_products_alone() -> None:
    products = 300_000
    ids = [number.to_bytes(ID_BYTES, "big") for number in range(products)]
    kept = KeptIds("build", products)
    last = products // BLOCK
    blocks = {block: b"".join(ids[block * BLOCK : (block + 1) * BLOCK]) for block in (0, 7, last)}
    assert kept.missing(blocks) == [0, 7, last]
    kept.put(blocks)
    assert kept.missing(blocks) == [last]
    assert [kept.get(number) for number in (0, 63, 7 * BLOCK, 8 * BLOCK - 1)] == [
        ids[0], ids[63], ids[7 * BLOCK], ids[8 * BLOCK - 1],
    ]  # fmt: skip


def test_ids_come_in_the_order_asked_for_and_from_the_build_asked_for(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.kept._BLOCKS", 1)
    state = lexicon.state().postings
    assert state is not None
    ordered = [each["_id"] for each in as_numbered(catalogue)]
    numbers = [state.products - 1, 0, BLOCK, 1]
    for _ in range(2):
        assert read_ids(state, numbers) == [ordered[number] for number in numbers]
    with pytest.raises(PostingsGone):
        read_ids(replace(state, build="gone"), numbers)
