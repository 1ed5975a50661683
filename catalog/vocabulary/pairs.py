"""Which frequent words meet in few products, and in which: a walk through either word's index would be a long one.

The index on words is walked along the rarest word of a query, and the others are checked on each product. Two words
that tens of thousands of products have, and hardly any together, make that walk as long as the rarer one's list. So
the words that many products have are counted in pairs. Of pairs that meet in few products, these are stored; pairs
that meet often are found quickly by the walk; what is not stored at all does not meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from pymongo import UpdateOne

from catalog import mongo
from catalog.search.lexicon import pair_key
from catalog.vocabulary.store import PAIRS

_FILTERS = ("category:", "brand:")
FREQUENT = 3_000
"""Words that so many products have are counted in pairs: a walk along a rarer one takes a few milliseconds."""
MOST_FREQUENT = 1_500
COMPLETE = 600
"""Of pairs that meet in up to so many products, the products are stored."""
OFTEN = 0.1
"""Share of the rarer word's products from which a pair meets often enough to be walked to."""


def frequent_words(everywhere: Mapping[str, int], strong: Mapping[str, int]) -> list[str]:
    """Return the words, and the filters by category and brand, to be counted in pairs, the most frequent first."""
    filters = {term: count for term, count in strong.items() if term.startswith(_FILTERS)}
    frequent = [(count, word) for word, count in (*everywhere.items(), *filters.items()) if count >= FREQUENT]
    return [word for _, word in sorted(frequent, reverse=True)[:MOST_FREQUENT]]


def held_by(document: Mapping[str, Any]) -> set[str]:
    """Return the words and filters of a stored product that may be counted in pairs."""
    return {*document.get("words", ()), *(term for term in document.get("terms", ()) if term.startswith(_FILTERS))}


def learn_pairs(database: mongo.Documents, documents: Iterable[Mapping[str, Any]], frequent: frozenset[str]) -> None:
    """Add changed products to the stored pairs of their words; what they no longer have is checked by each search."""
    for document in documents:
        held = sorted(frequent.intersection(held_by(document)))
        keys = [pair_key(left, right) for left, right in combinations(held, 2)]
        if not keys:
            continue
        known = {row["_id"]: row for row in database[PAIRS].find({"_id": {"$in": keys}}, {"complete": 1})}
        writes = [
            UpdateOne(
                {"_id": key},
                {"$addToSet": {"ids": document["_id"]}, "$setOnInsert": {"complete": True}},
                upsert=True,
            )
            for key in keys
            if key not in known or known[key]["complete"]
        ]
        if writes:
            database[PAIRS].bulk_write(writes, ordered=False)
