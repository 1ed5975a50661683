"""Synonyms as staff keeps them: sets of words that mean the same, and words that mean others as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from pymongo import UpdateOne

from catalog import mongo
from catalog.search.analysis import indexed_terms
from catalog.search.lexicon import SynonymRule

SYNONYMS = "synonyms"
MAX_PHRASES = 12
DEFAULTS: tuple[tuple[str, ...], ...] = (
    ("laptop", "notebook"),
    ("tv", "television"),
    ("headphones", "earphones"),
    ("cell phone", "mobile phone", "smartphone"),
    ("flashlight", "torch"),
    ("usb stick", "usb flash drive", "memory stick"),
    ("hard drive", "hard disk", "hdd"),
    ("solid state drive", "ssd"),
    ("power bank", "powerbank"),
    ("cord", "cable"),
    ("screen", "display"),
    ("beamer", "projector"),
    ("fridge", "refrigerator"),
    ("vacuum cleaner", "hoover"),
    ("webcam", "web camera"),
    ("earbuds", "earphones"),
    ("pc", "computer"),
)
"""Two-way sets that suit most shops. They are stored once; from then on they belong to staff."""


class SynonymDocument(TypedDict):
    """A document of the ``synonyms`` collection.

    Attributes:
        _id: ascending numbers would need a counter; this is the first phrase, folded.
        phrases: words or groups of words that mean the same.
        one_way: whether the first phrase finds the others, and they do not find it.
    """

    _id: str
    phrases: list[str]
    one_way: bool
    updated_at: datetime


def synonym_document(phrases: Sequence[str], *, one_way: bool = False) -> SynonymDocument:
    """Return the document of a set of synonyms.

    Raises:
        ValueError: fewer than two phrases with words in them, or too many.
    """
    kept = list(dict.fromkeys(" ".join(phrase.lower().split()) for phrase in phrases if indexed_terms(phrase)))
    if not 2 <= len(kept) <= MAX_PHRASES:
        raise ValueError(f"a set of synonyms has from 2 to {MAX_PHRASES} different phrases")
    key = f"{kept[0]} > {kept[1]}" if one_way else f"{kept[0]} = {kept[1]}"
    return SynonymDocument(_id=key[:200], phrases=kept, one_way=one_way, updated_at=datetime.now(UTC))


def rules_of(document: Mapping[str, Any]) -> Iterator[SynonymRule]:
    """Yield the rules that a stored set stands for."""
    phrases = [tuple(indexed_terms(phrase)) for phrase in document["phrases"]]
    sources = phrases[:1] if document["one_way"] else phrases
    for source in sources:
        targets = tuple(dict.fromkeys(phrase for phrase in phrases if phrase and phrase != source))
        if source and targets:
            yield SynonymRule(source, targets)


def ensure_default_synonyms(database: mongo.Documents) -> None:
    """Store the default set once; what staff has removed does not come back."""
    marker = {"_id": "synonyms"}
    if database["search_state"].find_one(marker) is not None:
        return
    documents = [synonym_document(phrases) for phrases in DEFAULTS]
    database[SYNONYMS].bulk_write(
        [UpdateOne({"_id": each["_id"]}, {"$setOnInsert": dict(each)}, upsert=True) for each in documents],
        ordered=False,
    )
    database["search_state"].update_one(marker, {"$set": {"created_at": datetime.now(UTC)}}, upsert=True)
