"""Synonyms of several words, such as ``hard drive`` for ``hdd``: they apply to the words together."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.search.interpretation import interpret
from catalog.search.meaning import Interpretation, without_least_telling
from catalog.search.request import SearchRequest, Sort
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.store import lexicon
from catalog.vocabulary.synonyms import SYNONYMS, synonym_document


def plain(sku: str, name: str, **fields: Any) -> Any:
    return draft(sku, name=name, **{"product_type": "", "category_path": ("Storage",), "attributes": {}, **fields})


def fill(database: Any) -> None:
    store(
        plain("HDD", "Seagate HDD 2 TB", product_type="HDD"),
        plain("DRIVE", "Seagate hard drive", product_type="Hard drive"),
        plain("CASE", "Case with a hard shell", product_type="Case", description="Keeps a drive."),
        plain("SSD", "Samsung SSD", product_type="SSD"),
        plain("TAPE", "Tape drive", product_type="Tape drive"),
        plain("MOBILE", "Fairphone 5 smartphone", product_type="Smartphone"),
    )
    build_vocabulary(database)


catalogue = kept_catalogue(fill)


def answer(query: str, **fields: Any) -> Any:
    return search_products(request=SearchRequest(query=query, **fields)).value


def having_all(query: str, **fields: Any) -> list[str]:
    found = answer(query, **fields)
    return [product["sku"] for product in found["data"][: found["matching_all"]]]


def meaning_of(query: str) -> Interpretation:
    return interpret(query, lexicon)[0]


def test_words_that_mean_something_together_find_its_synonyms_after_themselves(catalogue: Any) -> None:
    assert having_all("hard drive") == ["DRIVE", "HDD", "CASE"]
    assert set(having_all("hdd")) == {"HDD", "DRIVE", "CASE"}
    assert having_all("hdd")[0] == "HDD"
    assert having_all("seagate hard drive") == ["DRIVE", "HDD"]
    assert answer("hard drive")["corrected_query"] is None


@pytest.mark.parametrize("sort", list(Sort), ids=lambda sort: sort.value)
def test_every_order_has_them(catalogue: Any, sort: Sort) -> None:
    assert set(having_all("hard drive", sort=sort)) == {"DRIVE", "HDD", "CASE"}


def test_the_reasons_tell_which_words_and_that_it_was_by_a_synonym(catalogue: Any) -> None:
    reasons = {
        product["sku"]: [(word["word"], word["found"], word["by"]) for word in product["why"]["words"]]
        for product in answer("seagate hard drive", explain=True)["data"]
    }
    assert reasons["HDD"] == [("seagate", "seagat", "typed"), ("hard drive", "hdd", "synonym")]
    assert reasons["DRIVE"] == [("seagate", "seagat", "typed"), ("hard drive", "hard drive", "typed")]


def test_words_that_no_product_has_are_neither_corrected_nor_left_out_where_synonyms_are_there(catalogue: Any) -> None:
    found = answer("cell phone")
    assert [product["sku"] for product in found["data"]] == ["MOBILE"]
    assert (found["corrected_query"], found["dropped_words"]) == (None, [])
    assert having_all("solid state drive") == ["SSD"]


def test_the_longest_phrase_is_meant_and_only_words_side_by_side_are_one(catalogue: Any) -> None:
    assert [want.terms for want in meaning_of("solid state drive case").wants] == [
        ("solid", "state", "drive"),
        ("case",),
    ]
    assert [want.terms for want in meaning_of("hard case drive").wants] == [("hard",), ("case",), ("drive",)]
    assert len(meaning_of("hard for drive").wants) == 2, "a word stands between them"


def test_what_the_phrase_names_is_what_was_asked_for(catalogue: Any) -> None:
    meaning = meaning_of("hard drive for seagate")
    assert meaning.head == 0
    assert meaning.wants[0].kinds == ("drive", "hdd")
    assert meaning_of("hard drive case").head == 1


def test_a_corrected_word_may_be_part_of_a_phrase(catalogue: Any) -> None:
    found = answer("hard drve")
    assert found["corrected_query"] == "hard drive"
    assert [product["sku"] for product in found["data"][: found["matching_all"]]] == ["DRIVE", "HDD", "CASE"]


def test_a_single_word_of_a_phrase_keeps_its_own_synonyms(catalogue: Any) -> None:
    catalogue[SYNONYMS].insert_one(dict(synonym_document(["drive", "shell"])))
    lexicon.forget()
    assert ("hard", "shell") in meaning_of("hard drive").wants[0].alternatives


def test_words_of_a_phrase_are_left_out_one_by_one(catalogue: Any) -> None:
    rest: Interpretation | None = meaning_of("samsung hard drive")
    left = []
    while rest is not None:
        left.append((" ".join(term for want in rest.wants for term in want.terms), rest.head, len(rest.dropped)))
        rest = without_least_telling(rest)
    assert left == [("samsung hard drive", 1, 0), ("hard drive", 0, 1), ("drive", 0, 2)]


def test_the_words_of_a_phrase_side_by_side_count_more_than_apart(catalogue: Any) -> None:
    store(
        plain("APART", "Drive with hard sides", popularity=2_000),
        plain("TOGETHER", "Sides with hard drive", popularity=1_000),
    )
    build_vocabulary(catalogue)
    ranked = having_all("hard drive")
    assert ranked.index("TOGETHER") < ranked.index("APART")
