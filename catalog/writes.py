"""Writes to the catalogue that one person asks for: one product at a time, guarded by its version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteConcernError

from catalog import mongo
from catalog.documents import ProductDocument
from catalog.errors import CatalogUnavailable, NotAcknowledged
from catalog.indexes import CATEGORIES, PRODUCTS
from catalog.search.index_keys import category_key
from catalog.search.suggesting import beginnings

CategoryPath = Sequence[str]


def insert_product(document: ProductDocument) -> bool:
    """Store a new product; return whether its id was free.

    Raises:
        NotAcknowledged: MongoDB did not answer in time.
    """
    with writing() as database:
        try:
            database[PRODUCTS].insert_one(dict(document))
        except DuplicateKeyError:
            return False
    return True


def update_product(product_id: str, *, expected_version: int, fields: dict[str, Any]) -> bool:
    """Change fields of a product; return whether it was still at ``expected_version``.

    Only the fields given are sent: MongoDB's change stream then tells exactly what has changed.

    Raises:
        NotAcknowledged: MongoDB did not answer in time.
    """
    with writing() as database:
        result = database[PRODUCTS].update_one(
            {"_id": ObjectId(product_id), "version": expected_version}, {"$set": fields}
        )
    return result.matched_count == 1


def move_category_count(*, before: CategoryPath | None, after: CategoryPath | None) -> None:
    """Count one active product less below ``before`` and one more below ``after``; ``None`` stands for nowhere.

    A category without products stays stored with a count of 0, which no reader shows. Whatever refreshes all
    categories, such as an import, counts anew.

    Raises:
        NotAcknowledged: MongoDB did not answer in time.
    """
    left, entered = _levels(before), _levels(after)
    writes = [UpdateOne({"_id": key}, {"$inc": {"product_count": -1}}) for key in left.keys() - entered.keys()] + [
        UpdateOne(
            {"_id": key},
            {
                "$inc": {"product_count": 1},
                "$setOnInsert": {
                    "name": path[-1],
                    "path": list(path),
                    "parent": category_key(path[:-1]),
                    "beginnings": beginnings(path[-1]),
                },
                "$currentDate": {"updated_at": True},
            },
            upsert=True,
        )
        for key, path in entered.items()
        if key not in left
    ]
    # Where this is the only product, its spelling of the category is the right one.
    writes += [
        UpdateOne(
            {"_id": key, "product_count": 1},
            {"$set": {"name": path[-1], "path": list(path), "beginnings": beginnings(path[-1])}},
        )
        for key, path in entered.items()
        if left.get(key, path) != path or key not in left
    ]
    if writes:
        with writing() as database:
            try:
                database[CATEGORIES].bulk_write(writes)
            except BulkWriteError as error:
                raise NotAcknowledged(str(error)) from error


def _levels(path: CategoryPath | None) -> dict[str, tuple[str, ...]]:
    levels = [tuple(path[:depth]) for depth in range(1, len(path) + 1)] if path else []
    return {category_key(level): level for level in levels}


@contextmanager
def writing() -> Iterator[mongo.Documents]:
    """Give the database for a request's writes; raise :class:`NotAcknowledged` where it is not known what was done."""
    try:
        with mongo.reading() as database:
            yield database
    except (CatalogUnavailable, WriteConcernError) as error:
        raise NotAcknowledged(str(error)) from error
