"""The counted words of the catalogue: right, complete after an interruption, near the products between two counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command

from catalog.documents import to_document
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.cursor import decode_cursor
from catalog.search.request import SearchRequest
from catalog.services.editing import create_product
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.vocabulary import building
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.learning import drift, refresh_vocabulary
from catalog.vocabulary.store import BUILD, TERMS, lexicon


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


def test_new_words_of_an_edited_product_are_known_at_once(catalogue: Any) -> None:
    build_vocabulary(catalogue)
    assert "trackbal" not in lexicon.stats(["trackbal"])
    create_product(draft=draft("NEW", name="Ergonomic trackball"))
    assert lexicon.stats(["trackbal"])["trackbal"].form == "trackball"


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


def test_words_that_never_meet_or_hardly_meet_are_answered_without_a_walk(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.pairs.FREQUENT", 20)
    kinds = ("Red Mouse", "Blue Keyboard")
    store(*(draft(f"SKU-{number}", name=kinds[number % 2], product_type=kinds[number % 2]) for number in range(80)))
    store(draft("BOTH", name="Red Keyboard", product_type="Keyboard", popularity=1))
    build_vocabulary(products_db)
    assert lexicon.seldom_together(["red", "unicorn"]) is None
    assert lexicon.seldom_together(["blue", "mous"]) == ()
    ids = lexicon.seldom_together(["red", "keyboard"])
    assert ids is not None
    assert len(ids) == 1
    page = search_products(request=SearchRequest(query="red keyboard")).value
    assert (page["data"][0]["sku"], page["matching_all"]) == ("BOTH", 1)
    assert search_products(request=SearchRequest(query="blue mouse")).value["dropped_words"] != []
    assert lexicon.seldom_together(["red", "mous"]) is None, "these meet often, so the walk is short"


def test_a_new_product_joins_the_pairs_of_its_words(products_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.vocabulary.pairs.FREQUENT", 20)
    kinds = ("Red Mouse", "Blue Keyboard")
    store(*(draft(f"SKU-{number}", name=kinds[number % 2], product_type=kinds[number % 2]) for number in range(80)))
    build_vocabulary(products_db)
    assert search_products(request=SearchRequest(query="blue mouse")).value["dropped_words"] != []
    create_product(draft=draft("NEW", name="Blue Mouse", product_type="Mouse"))
    page = search_products(request=SearchRequest(query="blue mouse", in_stock=True)).value
    assert (page["data"][0]["sku"], page["dropped_words"]) == ("NEW", [])


def test_later_pages_go_on_among_products_that_were_looked_up(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.pairs.FREQUENT", 20)
    monkeypatch.setattr("catalog.vocabulary.pair_counting.OFTEN", 0.9)
    names = ["Red Mouse"] * 50 + ["Red Keyboard"] * 45 + ["Blue Keyboard"] * 50
    store(*(draft(f"SKU-{number}", name=name, product_type="Thing") for number, name in enumerate(names)))
    build_vocabulary(products_db)
    request, shown = SearchRequest(query="red keyboard"), list[str]()
    while True:
        page = search_products(request=request).value
        shown += [product["sku"] for product in page["data"]]
        assert page["total"] == 45
        if page["next"] is None:
            break
        request = replace(request, after=decode_cursor(page["next"], sort="relevance"))
    assert len(shown) == len(set(shown)) == 45


def test_a_large_catalogue_learns_what_has_changed_without_being_counted(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.pairs.FREQUENT", 20)
    monkeypatch.setattr("catalog.vocabulary.learning.SMALL", 10)
    monkeypatch.setattr("catalog.vocabulary.learning.MOST_DRIFT", 0.5)
    kinds = ("Red Mouse", "Blue Keyboard")
    store(*(draft(f"SKU-{number}", name=kinds[number % 2], product_type=kinds[number % 2]) for number in range(80)))
    build_vocabulary(products_db)
    new = to_document(draft("NEW", name="Blue Mouse trackball", product_type="Mouse"), now=datetime.now(UTC))
    products_db[PRODUCTS].insert_one(dict(new))
    assert not refresh_vocabulary(products_db)
    assert lexicon.stats(["trackbal"])
    assert lexicon.seldom_together(["blue", "mous"]) == (str(new["_id"]),)


def test_a_category_that_hardly_has_a_word_is_answered_without_a_walk(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.vocabulary.pairs.FREQUENT", 20)
    paths = (("Audio", "Speakers"), ("Gaming", "Mice"))
    names = ("Red Speaker", "Blue Mouse")
    store(
        *(
            draft(f"SKU-{number}", name=names[number % 2], product_type="Thing", category_path=paths[number % 2])
            for number in range(80)
        )
    )
    build_vocabulary(products_db)
    assert lexicon.seldom_together(["red", "category:gaming"]) == ()
    page = search_products(request=SearchRequest(query="red", category="gaming")).value
    assert (page["total"], page["dropped_words"]) == (0, [])
    assert search_products(request=SearchRequest(query="red", category="audio")).value["total"] == 40
