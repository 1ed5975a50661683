"""The counted words of the catalogue: right, complete after an interruption, near the products between two counts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from cachetools import TTLCache
from django.core.management import call_command

from catalog.documents import to_document
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.postings import term_key
from catalog.services.editing import create_product
from catalog.tests.factories import draft, store
from catalog.tests.numbered_catalogue import joined
from catalog.vocabulary import building, numbering
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.learning import drift, refresh_vocabulary
from catalog.vocabulary.postings import POSTINGS, read_pieces
from catalog.vocabulary.recent import RECENT
from catalog.vocabulary.reindexing import is_outdated
from catalog.vocabulary.store import BUILD, TERMS, VocabularyState, lexicon


@pytest.fixture
def catalogue(products_db: Any) -> Any:
    store(
        *(draft(f"MOUSE-{number}", name=f"Wireless Mouse {number}") for number in range(5)),
        draft("PAD", name="Mouse pads", product_type="Pad", description="For a keyboard", category_path=("Pads",)),
        draft("GONE", name="Wireless Mouse", active=False),
    )
    return products_db


def test_terms_are_counted_by_where_products_have_them(catalogue: Any) -> None:
    build_vocabulary(catalogue)
    stats = lexicon.stats(["mous", "wireless", "keyboard", "pad", "brand:logitech", "unicorn"])
    assert "unicorn" not in stats
    assert (stats["mous"].strong, stats["mous"].everywhere, stats["mous"].kind) == (6, 6, 5)
    assert (stats["keyboard"].strong, stats["keyboard"].everywhere) == (0, 1)
    assert stats["pad"].kind == 1
    assert stats["brand:logitech"].strong == 6
    assert stats["mous"].form == "mouse"
    assert lexicon.products == 6


def test_a_build_that_was_interrupted_goes_on_and_counts_nothing_twice(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_vocabulary(catalogue)
    whole = {row["_id"]: row for row in catalogue[TERMS].find()}
    monkeypatch.setattr(building, "PIECE", 2)

    class Impatient(Progress):
        def update(self, done: float) -> None:
            if done >= 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_vocabulary(catalogue, Impatient())
    assert catalogue[BUILD].count_documents({}) == 2
    assert {row["_id"] for row in catalogue[TERMS].find()} == set(whole), "search goes on with the old words"
    build_vocabulary(catalogue)
    assert {row["_id"]: row for row in catalogue[TERMS].find()} == whole
    assert catalogue[BUILD].count_documents({}) == 0


class Ended(BaseException):
    """Stands for the end of the process: nothing catches it, and nothing is tidied up."""


@pytest.mark.parametrize(
    ("module", "step"),
    [
        (building, "switch_to"),  # All lists are written, and searches not yet taken over.
        (building, "begin_anew"),  # Searches are taken over, and nothing after that is done.
        (numbering, "_facet_documents"),  # Some lists are written.
    ],
)
def test_wherever_a_numbering_ends_searches_have_a_complete_build(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str
) -> None:
    build_vocabulary(catalogue)

    def end(*arguments: Any, **options: Any) -> None:
        raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(module, step, end)
        with pytest.raises(Ended):
            build_vocabulary(catalogue)
    lexicon.forget()
    state = lexicon.state().postings
    assert state is not None
    wireless = term_key("wireless")
    assert len(joined(read_pieces(state, [wireless], [0]))[wireless]) == 5
    build_vocabulary(catalogue)
    assert len(builds(catalogue)) == 2, "the one in use and the former one; what was left is gone"
    build_vocabulary(catalogue)
    assert len(builds(catalogue)) == 2


def builds(database: Any) -> set[str]:
    return {row["_id"].partition("/")[0] for row in database[POSTINGS].find({}, {"_id": 1})}


def test_a_first_numbering_that_was_interrupted_counts_as_none(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*arguments: Any) -> None:
        raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(building, "switch_to", end)
        with pytest.raises(Ended):
            build_vocabulary(catalogue)
    lexicon.forget()
    assert lexicon.state() == VocabularyState()
    assert is_outdated(catalogue)
    assert drift(catalogue).share == 1.0
    assert refresh_vocabulary(catalogue)
    assert len(builds(catalogue)) == 1


def test_a_numbering_that_another_one_overtakes_leaves_searches_to_it(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[str] = []

    def overtaken(database: Any, build: str, state: Any) -> bool:
        if not first:
            first.append(build)
            build_vocabulary(catalogue)
        return numbering.switch_to(database, build, state)

    monkeypatch.setattr(building, "switch_to", overtaken)
    build_vocabulary(catalogue)
    state = lexicon.state().postings
    assert state is not None
    assert builds(catalogue) == {state.build} != set(first)


def test_new_words_of_an_edited_product_are_known_at_once(catalogue: Any) -> None:
    build_vocabulary(catalogue)
    assert "trackbal" not in lexicon.stats(["trackbal"])
    create_product(draft=draft("NEW", name="Ergonomic trackball"))
    assert lexicon.stats(["trackbal"])["trackbal"].form == "trackball"


def test_what_is_kept_may_expire_at_any_moment(catalogue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    build_vocabulary(catalogue)
    # A second passes with each look at the clock.
    monkeypatch.setattr(lexicon, "_few", TTLCache(4, 2, timer=itertools.count().__next__))
    assert [lexicon.products for _ in range(9)] == [6] * 9


def test_drift_is_measured_and_a_small_catalogue_counted_anew(catalogue: Any) -> None:
    assert drift(catalogue).share == 1.0
    assert refresh_vocabulary(catalogue)
    assert not refresh_vocabulary(catalogue), "nothing has changed since"
    create_product(draft=draft("NEW", name="Ergonomic trackball"))
    assert drift(catalogue).changed == 1
    assert refresh_vocabulary(catalogue)
    assert lexicon.products == 7


def test_products_of_an_older_analysis_are_analysed_anew(catalogue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue[PRODUCTS].update_many(
        {"sku": "PAD"}, {"$set": {"analyzer": 1, "terms": ["old"], "words": [], "impacts": ""}}
    )
    call_command("reindex_search")
    assert "1 products analysed anew" in capsys.readouterr().out
    stored = catalogue[PRODUCTS].find_one({"sku": "PAD"})
    assert "keyboard" in stored["words"]
    assert len(stored["impacts"]) == len(stored["words"])
    call_command("reindex_search", "--status")
    assert "6 products counted, 0 changed since (0.0%)" in capsys.readouterr().out


def test_a_large_catalogue_learns_what_has_changed_without_being_counted(
    catalogue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.learning.SMALL", 1)
    monkeypatch.setattr("catalog.vocabulary.learning.MOST_DRIFT", 0.5)
    build_vocabulary(catalogue)
    new = to_document(draft("NEW", name="Blue Mouse trackball", product_type="Mouse"), now=datetime.now(UTC))
    catalogue[PRODUCTS].insert_one(dict(new))
    assert not refresh_vocabulary(catalogue)
    assert lexicon.stats(["trackbal"])
    assert [row["_id"] for row in catalogue[RECENT].find({"words": "trackbal"})] == [new["_id"]]
