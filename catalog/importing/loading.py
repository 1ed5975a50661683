"""Drafts into the catalogue: a batch is compared with what is stored, and only what differs is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import bson
import pymongo
from bson import ObjectId
from pymongo import InsertOne, ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from catalog.changes import announce_changes, search_tags, tags_of_beginnings
from catalog.derived import catch_up, is_behind, mark_behind
from catalog.documents import ProductDocument, object_id_of, to_document
from catalog.errors import CatalogUnavailable
from catalog.importing.drafts import Built
from catalog.importing.errors import ImportFailed
from catalog.importing.rows import Rejection, shown
from catalog.indexes import PRODUCTS, IndexConflict, ensure_collections, ensure_indexes
from catalog.mongo import Documents
from catalog.search.index_keys import brand_term

Products = Collection[dict[str, Any]]
Write = InsertOne[dict[str, Any]] | ReplaceOne[dict[str, Any]]
BATCH_TIMEOUT_SECONDS = 30
"""Long enough for the driver to sit out an election or a restart of MongoDB."""
FIRST_ANSWER_SECONDS = 5
_ATTEMPTS = 5
_DUPLICATE_KEY = 11000
_COMPARED = tuple(
    name
    for name in ProductDocument.__annotations__
    if name not in {"_id", "updated_at", "version", "terms", "words", "spans", "impacts", "order"}
)
"""What an import decides; the rest of a document is derived from it or counts its changes."""


class Outcome(Enum):
    """What became of a draft."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(slots=True)
class LoadedBatch:
    """What became of a batch.

    Attributes:
        outcomes: by product id.
        rejections: drafts that MongoDB did not take.
        words: words and brands of what was to be written.
        caches_told: whether the caches have dropped what was written.
    """

    outcomes: dict[ObjectId, Outcome] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    caches_told: bool = True


def prepare(database: Documents, *, dry_run: bool) -> None:
    """Make sure that the catalogue answers, and has its validator and indexes.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
        ImportFailed: an index stands in the way.
    """
    try:
        with pymongo.timeout(FIRST_ANSWER_SECONDS):
            database.command("ping")
        if not dry_run:
            ensure_collections(database)
            ensure_indexes(database)
    except IndexConflict as error:
        raise ImportFailed(str(error)) from error
    except PyMongoError as error:
        raise _unavailable(error) from error


def finish(database: Documents, *, written: bool) -> None:
    """Bring what is derived from the products up to date: the categories with their counts, the words of search.

    Args:
        database: the catalogue.
        written: whether this import has written; where not, only what an earlier run left behind is done.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
    """
    try:
        if written or is_behind(database):
            catch_up(database)
    except PyMongoError as error:
        raise _unavailable(error) from error


def load_batch(database: Documents, batch: Sequence[Built], *, dry_run: bool) -> LoadedBatch:
    """Bring the catalogue to what the drafts say.

    A product that someone else writes at the same time is compared again, so that neither write is lost unseen.

    Args:
        database: the catalogue.
        batch: drafts with distinct skus.
        dry_run: report what would be done, and write nothing.

    Raises:
        CatalogUnavailable: MongoDB does not answer; what was written stays, and the batch can be loaded again.
    """
    loaded = LoadedBatch()
    products = database[PRODUCTS]
    pending = {object_id_of(item.draft.sku): item for item in batch}
    try:
        with pymongo.timeout(BATCH_TIMEOUT_SECONDS):
            for _ in range(_ATTEMPTS):
                writes = _planned(products, pending, loaded)
                if dry_run or not writes:
                    return loaded
                mark_behind(database)
                if _written(products, writes, pending, loaded):
                    return loaded
    except PyMongoError as error:
        raise _unavailable(error) from error
    finally:
        # Also what was written before MongoDB was lost.
        if not dry_run:
            loaded.caches_told = _announce(batch, loaded)
    raise CatalogUnavailable("someone else changes the same products all the time")


def _unavailable(error: PyMongoError) -> CatalogUnavailable:
    does_not = "refuses" if isinstance(error, OperationFailure) else "does not answer"
    return CatalogUnavailable(f"MongoDB {does_not} ({type(error).__name__}: {shown(error)})")


def _planned(products: Products, pending: dict[ObjectId, Built], loaded: LoadedBatch) -> dict[ObjectId, Write]:
    """Compare the drafts with what is stored, note the outcomes, and return the writes that are needed."""
    # MongoDB keeps milliseconds, and a product that is read back has to equal the one that was written.
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    writes: dict[ObjectId, Write] = {}
    stored_ids = set()
    # The stored products are looked at one after the other: a whole batch of large ones need not fit into memory.
    for stored in products.find({"_id": {"$in": list(pending)}}, batch_size=100):
        identifier = stored["_id"]
        stored_ids.add(identifier)
        item = pending[identifier]
        if stored["sku"] != item.draft.sku:
            reason = f"has the id of another product, whose sku is {shown(stored['sku'])}"
            loaded.rejections.append(Rejection(item.line, reason, field="sku", sku=item.draft.sku))
            del pending[identifier]
        elif (wanted := _successor(item, stored, now=now)) is not None:
            # The version makes the write miss a product that has changed since it was read.
            loaded.words |= _words(wanted)
            writes[identifier] = ReplaceOne({"_id": identifier, "version": stored["version"]}, wanted)
            loaded.outcomes[identifier] = Outcome.UPDATED
        else:
            loaded.outcomes.setdefault(identifier, Outcome.UNCHANGED)
    for identifier, item in pending.items():
        if identifier not in stored_ids:
            fresh = dict(to_document(item.draft, now=now))
            loaded.words |= _words(fresh)
            writes[identifier] = InsertOne(fresh)
            loaded.outcomes[identifier] = Outcome.CREATED
    return writes


def _words(document: Mapping[str, Any]) -> set[str]:
    return {*document["words"], brand_term(document["brand"])}


def _successor(item: Built, stored: Mapping[str, Any], *, now: datetime) -> dict[str, Any] | None:
    """Return the document that follows ``stored``, or ``None`` where the draft says the same."""
    kept: dict[str, Any] = {name: stored[name] for name in item.unstated}
    draft = replace(item.draft, **kept)
    wanted = dict(to_document(draft, now=now, version=stored["version"] + 1))
    return None if _fingerprint(wanted) == _fingerprint(stored) else wanted


def _fingerprint(document: Mapping[str, Any]) -> bytes:
    # Encoded, values differ as they do for MongoDB: 1 is not True, and the order of attributes counts.
    return bson.encode({name: document.get(name) for name in _COMPARED})


def _written(
    products: Products, writes: Mapping[ObjectId, Write], pending: dict[ObjectId, Built], loaded: LoadedBatch
) -> bool:
    """Send the writes; return whether all arrived, or some met a product that has changed meanwhile."""
    try:
        result = products.bulk_write(list(writes.values()), ordered=False)
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise
        identifiers = list(writes)
        for failure in error.details["writeErrors"]:
            identifier = identifiers[failure["index"]]
            del loaded.outcomes[identifier]
            if failure["code"] != _DUPLICATE_KEY:
                item = pending.pop(identifier)
                reason = f"is refused by MongoDB: {shown(failure['errmsg'])}"
                loaded.rejections.append(Rejection(item.line, reason, sku=item.draft.sku))
        return False
    return result.inserted_count + result.matched_count == len(writes)


def _announce(batch: Sequence[Built], loaded: LoadedBatch) -> bool:
    """Tell the caches what was written; return whether Redis heard it."""
    written = {key for key, outcome in loaded.outcomes.items() if outcome is not Outcome.UNCHANGED}
    if not written:
        return True
    paths = {tuple(item.draft.category_path) for item in batch}
    # An updated product may have been in another category before.
    moved = Outcome.UPDATED in loaded.outcomes.values()
    # What an updated product has lost is not looked up: what shows it carries its category, or is unplaced.
    searches = search_tags(loaded.words, narrowed=True) | tags_of_beginnings(loaded.words)
    return announce_changes([str(key) for key in written], paths, unplaced=moved, searches=searches)
