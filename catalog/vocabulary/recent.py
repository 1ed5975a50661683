"""What has changed since the products were numbered: searched beside the numbered lists, so that new words are found.

Each changed product is kept here with what filters ask for, under indexes of its own. The collection stays small: once
2 % of the products have changed, they are numbered anew. Mostly it is empty, and a process that has seen it so asks
again only when somebody tells of a change, or after some seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any

from bson import ObjectId
from pymongo import IndexModel, ReplaceOne

from cachelayer.engine import generation_of, invalidate
from cachelayer.invalidation.announcements import EVERYTHING
from catalog import mongo
from catalog.changes import RECENT_TAG
from catalog.indexes import PRODUCTS
from catalog.search.plan import Phase

RECENT = "search_recent"
MOST_RECENT = 200
"""So many changed products join the results of a search."""
KEPT = {"words": 1, "terms": 1, "order": 1, "attributes": 1}
_BUDGET_MS = 50
_BATCH = 500
_EMPTY_SECONDS = 10.0
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


class _Emptiness:
    """That nothing had changed when this process looked last."""

    def __init__(self) -> None:
        self._seen: tuple[object, float] | None = None

    @staticmethod
    def moment() -> object:
        """Return what differs as soon as this process learns of a change; ``None`` while it may miss one."""
        generations = generation_of(RECENT_TAG), generation_of(EVERYTHING)
        return None if None in generations else generations

    def holds_at(self, moment: object) -> bool:
        """Tell whether there is still nothing, as far as this process knows."""
        seen = self._seen
        return moment is not None and seen is not None and seen[0] == moment and monotonic() < seen[1]

    def note(self, moment: object) -> None:
        """Keep that there was nothing, asked for after ``moment``."""
        self._seen = (moment, monotonic() + _EMPTY_SECONDS)

    def forget(self) -> None:
        """Look again."""
        self._seen = None


_emptiness = _Emptiness()


def forget_emptiness() -> None:
    """Look again whether anything has changed, because the stored changes were replaced without being told of."""
    _emptiness.forget()


def remember(
    database: mongo.Documents, documents: Iterable[Mapping[str, Any]], *, gone: Sequence[ObjectId] = ()
) -> None:
    """Keep changed products as they are now, forget those that are no longer shown, and tell all processes."""
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
    if writes or gone:
        invalidate(tags=(RECENT_TAG,))


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
    moment = _emptiness.moment()
    if _emptiness.holds_at(moment):
        return Recent()
    with mongo.reading() as database:
        changed = database[RECENT].estimated_document_count()
    if not changed:
        _emptiness.note(moment)
        return Recent()
    try:
        with mongo.searching() as database:
            cursor = database[RECENT].find(phase.filter, {"_id": 1}).sort("order.popularity", -1)
            rows = list(cursor.limit(MOST_RECENT + 1).max_time_ms(_BUDGET_MS))
    except mongo.OutOfTime:
        return Recent((), changed, complete=False)
    ids = tuple(row["_id"] for row in rows[:MOST_RECENT])
    return Recent(ids, changed, complete=len(rows) <= MOST_RECENT)
