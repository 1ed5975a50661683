"""What has changed since the products were numbered: searched beside the numbered lists, so that new words are found.

Each changed product is kept here with what filters ask for, under indexes of its own. The collection stays small: once
2 % of the products have changed, they are numbered anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from bson import ObjectId
from pymongo import IndexModel, ReplaceOne

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.search.plan import Phase

RECENT = "search_recent"
MOST_RECENT = 200
"""So many changed products join the results of a search."""
KEPT = {"words": 1, "terms": 1, "order": 1, "attributes": 1}
_BUDGET_MS = 50
_BATCH = 500
_CLOCKS = timedelta(seconds=5)
"""By so much the clocks of servers may differ."""
_INDEXES = [
    IndexModel([("words", 1), ("order.popularity", -1)], name="words_popularity"),
    IndexModel([("terms", 1), ("order.popularity", -1)], name="terms_popularity"),
]


@dataclass(frozen=True, slots=True)
class Recent:
    """Changed products that match a search.

    Attributes:
        ids: of those that match, the most popular first.
        changed: how many products have changed in all.
        complete: whether no more match.
    """

    ids: tuple[ObjectId, ...] = ()
    changed: int = 0
    complete: bool = True


def remember(
    database: mongo.Documents, documents: Iterable[Mapping[str, Any]], *, gone: Sequence[ObjectId] = ()
) -> None:
    """Keep changed products as they are now; forget those that are no longer shown."""
    now = datetime.now(UTC)
    writes = [
        ReplaceOne(
            {"_id": document["_id"]},
            {"_id": document["_id"], "at": now, **{name: document[name] for name in KEPT if name in document}},
            upsert=True,
        )
        for document in documents
    ]
    if writes:
        database[RECENT].bulk_write(writes, ordered=False)
    if gone:
        # They count as changed, and match nothing.
        emptied = [ReplaceOne({"_id": identifier}, {"_id": identifier, "at": now}, upsert=True) for identifier in gone]
        database[RECENT].bulk_write(emptied, ordered=False)


def begin_anew(database: mongo.Documents, *, since: datetime) -> None:
    """Keep only what has changed since the last numbering began, wherever it was changed from."""
    database[RECENT].create_indexes(_INDEXES)
    database[RECENT].delete_many({"at": {"$lt": since - _CLOCKS}})
    # Without a margin: what an import has just written would count as changed. What a server with a slow clock writes
    # meanwhile has been remembered by itself.
    changed = database[PRODUCTS].find({"updated_at": {"$gte": since}, "active": True}, KEPT)
    while batch := list(islice(changed, _BATCH)):
        remember(database, batch)


def find_recent(phase: Phase) -> Recent:
    """Return the changed products that match ``phase``."""
    with mongo.reading() as database:
        changed = database[RECENT].estimated_document_count()
    if not changed:
        return Recent()
    try:
        with mongo.searching() as database:
            cursor = database[RECENT].find(phase.filter, {"_id": 1}).sort("order.popularity", -1)
            rows = list(cursor.limit(MOST_RECENT + 1).max_time_ms(_BUDGET_MS))
    except mongo.OutOfTime:
        return Recent((), changed, complete=False)
    ids = tuple(row["_id"] for row in rows[:MOST_RECENT])
    return Recent(ids, changed, complete=len(rows) <= MOST_RECENT)
