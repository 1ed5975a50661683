"""Lookups in the stored vocabulary, by key and within bounds, so that web workers need not hold it.

A worker keeps what it has looked up lately: some thousand terms, for some seconds.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeVar

from cachetools import TTLCache

from cachelayer.engine import generation_of
from catalog import mongo
from catalog.changes import SYNONYMS_TAG
from catalog.search.lexicon import SynonymRule, TermStats
from catalog.search.spelling import Spelling, best_spellings, deletions_of_typed
from catalog.vocabulary.postings import LISTS, POSTINGS, PostingsState, forget_lists, is_current, postings_state
from catalog.vocabulary.recent import RECENT, forget_emptiness
from catalog.vocabulary.synonyms import SYNONYMS, rules_of

TERMS = "search_terms"
STATE = "search_state"
VOCABULARY = "vocabulary"
COUNTED = {"_id": VOCABULARY, "built_at": {"$exists": True}}
"""The filter for the state once words have been counted; before that it may name a numbering under way."""
BUILD = "search_build"
SEARCH_COLLECTIONS = (TERMS, STATE, BUILD, POSTINGS, RECENT, SYNONYMS)
T = TypeVar("T")
_KEPT_TERMS = 20_000
_KEPT_SECONDS = 60.0
_STATE_SECONDS = 10.0
_MAX_SIMILAR = 300
_SPELLINGS = 4
_COMPLETIONS = 8
MAX_SYNONYMS = 2_000
_PLAIN = {"_id": 1, "strong": 1, "everywhere": 1, "kind": 1, "form": 1}


@dataclass(frozen=True, slots=True)
class VocabularyState:
    """What the vocabulary was made of.

    Attributes:
        products: active products that were counted; 0 where there is no vocabulary.
        terms: distinct terms.
        built_at: when the count began.
        analyzer: version of the analysis that made the terms.
        postings: the lists of products by term; ``None`` where they have not been made.
    """

    products: int = 0
    terms: int = 0
    built_at: datetime | None = None
    analyzer: int = 0
    postings: PostingsState | None = None


class MongoLexicon:
    """The vocabulary of the catalogue; one for each process, safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._terms: TTLCache[str, TermStats | None] = TTLCache(_KEPT_TERMS, _KEPT_SECONDS)
        self._few: TTLCache[str, Any] = TTLCache(4, _STATE_SECONDS)

    @property
    def products(self) -> int:
        return self.state().products

    def state(self) -> VocabularyState:
        """Return what the vocabulary was made of, at most some seconds old."""
        return self._kept("state", _read_state)

    def stats(self, terms: Collection[str]) -> Mapping[str, TermStats]:
        found: dict[str, TermStats] = {}
        missing = []
        with self._lock:
            for term in terms:
                try:
                    stats = self._terms[term]
                except KeyError:
                    missing.append(term)
                else:
                    if stats is not None:
                        found[term] = stats
        if missing:
            with mongo.reading() as database:
                documents = list(database[TERMS].find({"_id": {"$in": missing}}, _PLAIN))
            read = {document["_id"]: _stats(document) for document in documents}
            with self._lock:
                self._terms.update({term: read.get(term) for term in missing})
            found |= read
        return found

    def spellings(self, word: str) -> Sequence[Spelling]:
        deletions = deletions_of_typed(word)
        if not deletions:
            return ()
        with mongo.reading() as database:
            cursor = database[TERMS].find(
                {"deletions": {"$in": deletions}}, {"_id": 0, "forms": 1, "everywhere": 1, "strong": 1}
            )
            documents = list(cursor.limit(_MAX_SIMILAR))
        known = [
            # A word of names and types is far more often looked for than one of descriptions.
            Spelling(form, document["everywhere"] + 4 * document["strong"])
            for document in documents
            for form in document["forms"]
        ]
        return best_spellings(word, known, limit=_SPELLINGS)

    def completions(self, prefix: str) -> Sequence[TermStats]:
        with mongo.reading() as database:
            documents = list(
                database[TERMS]
                .find({"prefixes": prefix[:MAX_PREFIX]} | _longer(prefix), _PLAIN)
                .sort("everywhere", -1)
                .limit(_COMPLETIONS)
            )
        return [_stats(document) for document in documents]

    def synonyms(self, terms: Sequence[str]) -> Sequence[SynonymRule]:
        # Under the number of their last change, so that no search is cached with rules that are old.
        rules = self._kept(f"synonyms {generation_of(SYNONYMS_TAG)}", _read_synonyms)
        held = set(terms)
        found = [each for term in held for each in rules.get(term, ()) if held.issuperset(each[1].source)]
        return [rule for _, rule in sorted(found, key=itemgetter(0))]

    def forget(self) -> None:
        """Drop what was looked up, because the stored vocabulary has changed."""
        self.forget_terms()
        forget_lists()
        forget_emptiness()
        with self._lock:
            self._few.clear()

    def forget_terms(self) -> None:
        """Drop what was looked up of single terms."""
        with self._lock:
            self._terms.clear()

    def _kept(self, name: str, read: Callable[[], T]) -> T:
        with self._lock:
            try:
                # Not asked for beforehand: it may expire between the question and this.
                kept: T = self._few[name]
            except KeyError:
                pass
            else:
                return kept
        value = read()
        with self._lock:
            self._few[name] = value
        return value


MIN_PREFIX = 3
MAX_PREFIX = 6
"""Terms are kept under their beginnings of these lengths; longer ones are compared."""
lexicon = MongoLexicon()


def _longer(prefix: str) -> dict[str, Any]:
    return {"_id": {"$regex": f"^{re.escape(prefix)}"}} if len(prefix) > MAX_PREFIX else {}


def _read_state() -> VocabularyState:
    with mongo.reading() as database:
        stored = database[STATE].find_one(COUNTED)
    if stored is None:
        return VocabularyState()
    return VocabularyState(
        products=stored["products"],
        terms=stored["terms"],
        built_at=stored["built_at"],
        analyzer=stored["analyzer"],
        postings=postings_state(stored[LISTS]) if is_current(stored) else None,
    )


def _read_synonyms() -> Mapping[str, list[tuple[int, SynonymRule]]]:
    """Return the rules, numbered in their order, by their first term: each search looks for those of its own."""
    with mongo.reading() as database:
        rules = [rule for document in database[SYNONYMS].find().limit(MAX_SYNONYMS) for rule in rules_of(document)]
    by_term: dict[str, list[tuple[int, SynonymRule]]] = {}
    for number, rule in enumerate(rules):
        by_term.setdefault(rule.source[0], []).append((number, rule))
    return by_term


def _stats(document: Mapping[str, Any]) -> TermStats:
    return TermStats(
        term=document["_id"],
        strong=document["strong"],
        everywhere=document["everywhere"],
        kind=document["kind"],
        form=document["form"],
    )
