"""One batch of a seed: find out what is missing, make it, store it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, PyMongoError

from catalog.derived import mark_behind
from catalog.seeding.generator import ProductGenerator

BATCH = 5000
"""Products made and stored at once: about 6 MB."""
_DUPLICATE_KEY = 11000


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: products that were created, and products that were there already."""

    created: int
    present: int


def store_batch(
    collection: Collection[dict[str, Any]], generator: ProductGenerator, numbers: range, *, look_first: bool
) -> BatchResult:
    """Store the products of ``numbers`` that are missing; leave those that are there as they are.

    Args:
        look_first: ask for the products before making them; spares the work where an earlier run has done it.
    """
    wanted = _missing(collection, generator, numbers) if look_first else numbers
    if not wanted:
        return BatchResult(created=0, present=len(numbers))
    documents: list[Any] = [RawBSONDocument(document) for document in generator.documents(wanted)]
    created = len(documents)
    # Once more for each batch: an import that has ended meanwhile took away the mark that it found.
    mark_behind(collection.database, recount=True)
    try:
        # The validator would take a third of the server's time. Tests hold these very bytes to it instead.
        collection.insert_many(documents, ordered=False, bypass_document_validation=True)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if error.details["writeConcernErrors"] or not all(_is_stored_already(failure) for failure in failures):
            raise
        # Another run stored them between the look and the insert.
        created -= len(failures)
    # Whoever caught up in between has counted without this batch.
    mark_behind(collection.database, recount=True)
    return BatchResult(created=created, present=len(numbers) - created)


def reason_of(error: PyMongoError) -> str:
    """Return what went wrong, in one line for a terminal."""
    if isinstance(error, BulkWriteError):
        failures = error.details["writeErrors"] or error.details["writeConcernErrors"]
        return str(failures[0].get("errmsg", error))[:300] if failures else str(error)[:300]
    return str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0][:300]


def _is_stored_already(failure: Mapping[str, Any]) -> bool:
    # A unique index of somebody else can be violated too, and then the product is nowhere.
    return failure["code"] == _DUPLICATE_KEY and failure.get("keyPattern") == {"_id": 1}


def _missing(collection: Collection[dict[str, Any]], generator: ProductGenerator, numbers: range) -> list[int]:
    by_id = {generator.identifier(number): number for number in numbers}
    ids = [ObjectId(identifier) for identifier in by_id]
    if collection.count_documents({"_id": {"$in": ids}}) == len(ids):
        return []
    for document in collection.find({"_id": {"$in": ids}}, {"_id": 1}, batch_size=BATCH):
        del by_id[document["_id"].binary]
    return list(by_id.values())
