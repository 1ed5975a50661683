"""Synonyms that staff edits: rules, versions, who did it, and that every search follows at once."""

from __future__ import annotations

from typing import Any

import pytest

from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.memory.local import LocalCache
from catalog.changes import SYNONYMS_TAG
from catalog.errors import InvalidFields
from catalog.search.request import SearchRequest
from catalog.services.search import search_products
from catalog.staff_log import list_changes
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.test_watching import wait_for
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.store import lexicon
from catalog.vocabulary.synonym_sets import (
    SynonymsConflict,
    SynonymsNotFound,
    change_synonyms,
    create_synonyms,
    delete_synonyms,
    get_synonyms,
    list_synonyms,
)
from catalog.vocabulary.synonyms import SYNONYMS, synonym_document


def fill(database: Any) -> None:
    store(
        draft("B1", name="Office Projector", product_type="Projector"),
        draft("P1", name="Pocket Beamer", product_type="Beamer"),
    )
    build_vocabulary(database)
    database[SYNONYMS].delete_many({})
    lexicon.forget()


shop = kept_catalogue(fill)


def found(query: str) -> list[str]:
    return sorted(product["sku"] for product in search_products(request=SearchRequest(query=query)).value["data"])


def test_searches_follow_each_change_at_once(shop: Any) -> None:
    assert found("beamer") == ["P1"]
    create_synonyms(phrases=["Beamer", "projector"], one_way=False, by="editor")
    wait_for(lambda: found("beamer") == ["B1", "P1"] == found("projector"))
    stored = list_synonyms()[0]
    change_synonyms(set_id=stored.id, expected_version=1, phrases=["beamer", "projector"], one_way=True, by="editor")
    wait_for(lambda: found("projector") == ["B1"])
    assert found("beamer") == ["B1", "P1"]
    delete_synonyms(set_id=stored.id, expected_version=2, by="other")
    wait_for(lambda: found("beamer") == ["P1"])
    log = list_changes(subject=SYNONYMS, key=stored.id)
    assert [(entry.action, entry.by) for entry in log] == [
        ("deleted", "other"),
        ("changed", "editor"),
        ("created", "editor"),
    ]


def test_a_process_that_hears_of_a_change_reads_the_rules_anew(shop: Any) -> None:
    assert lexicon.synonyms(["beamer"]) == []
    shop[SYNONYMS].insert_one(dict(synonym_document(["beamer", "projector"])))
    assert lexicon.synonyms(["beamer"]) == [], "nothing was told"
    elsewhere = InvalidationBus(LocalCache(max_bytes=1_000))
    elsewhere.announce(tags=[SYNONYMS_TAG])
    wait_for(lambda: len(lexicon.synonyms(["beamer"])) == 1)


@pytest.mark.parametrize(
    ("phrases", "reason"),
    [
        ([], "at least two"),
        (["laptop"], "at least two"),
        (["laptop", "  ", "\u202e"], "at least two"),
        (["laptop", "Laptops"], "are the same to search already"),
        (["laptop", "!!!"], "holds no word"),
        (["laptop", "note\x00book"], "NUL"),
        (["laptop", "x" * 1_000_000], "at most 100 characters"),
        ([f"word{number}" for number in range(13)], "at most 12"),
    ],
)
def test_what_cannot_be_synonyms_is_refused_with_a_reason(products_db: Any, phrases: list[str], reason: str) -> None:
    with pytest.raises(InvalidFields, match=reason):
        create_synonyms(phrases=phrases, one_way=False, by="editor")
    assert list_synonyms() == []


def test_the_same_set_exists_once_and_the_other_direction_is_another(products_db: Any) -> None:
    create_synonyms(phrases=["laptop", "notebook"], one_way=False, by="editor")
    with pytest.raises(InvalidFields, match="such a set already"):
        create_synonyms(phrases=["Notebook", "laptop"], one_way=False, by="editor")
    create_synonyms(phrases=["laptop", "notebook"], one_way=True, by="editor")
    create_synonyms(phrases=["notebook", "laptop"], one_way=True, by="editor")
    assert len(list_synonyms()) == 3


def test_a_set_whose_phrases_have_changed_is_in_nobodys_way(products_db: Any) -> None:
    create_synonyms(phrases=["laptop", "notebook"], one_way=False, by="editor")
    first = list_synonyms()[0]
    change_synonyms(set_id=first.id, expected_version=1, phrases=["tv", "television"], one_way=False, by="editor")
    create_synonyms(phrases=["laptop", "notebook"], one_way=False, by="editor")
    assert [each.phrases for each in list_synonyms()] == [("laptop", "notebook"), ("tv", "television")]


def test_of_two_editors_the_slower_one_is_told(products_db: Any) -> None:
    products_db[SYNONYMS].insert_one(dict(synonym_document(["laptop", "notebook"])))
    stored = list_synonyms()[0]
    assert (stored.version, stored.updated_by) == (1, "")
    changed: dict[str, Any] = {"set_id": stored.id, "one_way": False, "by": "editor"}
    change_synonyms(expected_version=1, phrases=["laptop", "notebook", "ultrabook"], **changed)
    with pytest.raises(SynonymsConflict) as told:
        change_synonyms(expected_version=1, phrases=["laptop", "netbook"], **changed)
    assert told.value.stored is not None
    assert told.value.stored.phrases == ("laptop", "notebook", "ultrabook")
    with pytest.raises(SynonymsConflict):
        delete_synonyms(set_id=stored.id, expected_version=1, by="editor")
    delete_synonyms(set_id=stored.id, expected_version=2, by="editor")
    with pytest.raises(SynonymsConflict) as gone:
        delete_synonyms(set_id=stored.id, expected_version=2, by="editor")
    assert gone.value.stored is None
    with pytest.raises(SynonymsNotFound):
        get_synonyms(stored.id)


@pytest.mark.parametrize("phrase", ["$where", "<b>bold</b>", "شاشة عرض", "{'$gt': ''}", "a.b.c", "😀 smile"])
def test_any_words_may_be_synonyms(products_db: Any, phrase: str) -> None:
    create_synonyms(phrases=[phrase, "screen"], one_way=False, by="editor")
    stored = list_synonyms()[0]
    assert phrase.lower() in stored.phrases
    assert get_synonyms(stored.id) == stored
