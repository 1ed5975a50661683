"""Keep the vocabulary near the products between two counts: new words at once, numbers at the next count.

A word that no product had before must be known soon, or searches would correct it to another one. By how much the
numbers of products are off hardly matters for ranking, and is measured by :func:`drift`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.index_keys import kind_words
from catalog.vocabulary.building import TEXTS, build_vocabulary, forms_of, term_document
from catalog.vocabulary.postings import is_current
from catalog.vocabulary.recent import KEPT, remember
from catalog.vocabulary.store import COUNTED, STATE, TERMS, lexicon

SMALL = 100_000
"""Up to this many products are counted anew after every load: it takes seconds."""
MOST_DRIFT = 0.02
"""Share of changed products from which a large catalogue is counted anew."""
_BATCH = 500
_LEARNT = {**TEXTS, **KEPT, "category": 1}


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the vocabulary is behind.

    Attributes:
        changed: products written since the count began.
        products: products that were counted; 0 where nothing was, or by a version that made other lists.
    """

    changed: int
    products: int

    @property
    def share(self) -> float:
        """Changed products, as a share of the counted ones."""
        return self.changed / self.products if self.products else 1.0


def drift(database: mongo.Documents) -> Drift:
    """Measure how far the vocabulary is behind."""
    state = database[STATE].find_one(COUNTED)
    if state is None or not is_current(state):
        return Drift(database[PRODUCTS].estimated_document_count(), 0)
    changed = database[PRODUCTS].count_documents({"updated_at": {"$gt": state["built_at"]}})
    # What was removed, or seeded, cannot be found by the time of its change.
    difference = abs(state["documents"] - database[PRODUCTS].estimated_document_count())
    return Drift(max(changed, difference), state["products"])


def refresh_vocabulary(database: mongo.Documents, progress: Progress | None = None) -> bool:
    """Count the words of all products anew where that is quick or due; return whether they were counted."""
    behind = drift(database)
    if behind.changed == 0 and behind.products:
        return False
    if behind.products > SMALL and behind.share < MOST_DRIFT:
        _learn_changed(database)
        return False
    build_vocabulary(database, progress)
    return True


def _learn_changed(database: mongo.Documents) -> None:
    """Learn the words of all products that have changed since the last count."""
    changed = database[PRODUCTS].find({"updated_at": {"$gt": lexicon.state().built_at}, "active": True}, _LEARNT)
    while batch := list(islice(changed, _BATCH)):
        remember(database, batch)
        learn(database, batch)


def learn_products(product_ids: Sequence[str]) -> int:
    """Add the words of products that the vocabulary does not have; return how many were added.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
    """
    wanted = [ObjectId(identifier) for identifier in product_ids if ObjectId.is_valid(identifier)]
    if not wanted or not lexicon.products:
        return 0
    with mongo.reading() as database:
        documents = list(database[PRODUCTS].find({"_id": {"$in": wanted}, "active": True}, _LEARNT))
        found = {document["_id"] for document in documents}
        remember(database, documents, gone=[identifier for identifier in wanted if identifier not in found])
        return learn(database, documents)


def learn(database: mongo.Documents, documents: Iterable[Mapping[str, Any]]) -> int:
    """Add the words of stored products that the vocabulary does not have; return how many were added."""
    writes: dict[str, UpdateOne] = {}
    for document in documents:
        known = lexicon.stats(document.get("words", []))
        new = [word for word in document.get("words", []) if word not in known]
        if not new:
            continue
        forms: dict[str, dict[str, int]] = {}
        for term, form in forms_of(document):
            forms.setdefault(term, {})[form] = 1
        kinds = kind_words(document["product_type"], document["category"])
        for word in new:
            stored = term_document(word, strong=1, everywhere=1, kind=int(word in kinds), forms=forms.get(word, {}))
            identifier = stored.pop("_id")
            writes[word] = UpdateOne({"_id": identifier}, {"$setOnInsert": stored}, upsert=True)
    if writes:
        database[TERMS].bulk_write(list(writes.values()), ordered=False)
        lexicon.forget()
    return len(writes)
