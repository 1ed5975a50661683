"""The tree of categories with the number of products in each, kept in a collection of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypedDict, TypeVar

from pymongo import ReplaceOne
from pymongo.database import Database

from catalog.changes import announce_category_tree
from catalog.indexes import CATEGORIES, PRODUCTS
from catalog.search.index_keys import category_key
from catalog.search.suggesting import beginnings

T = TypeVar("T")
_WRITES = 1000


class CategoryDocument(TypedDict):
    """A document of the ``categories`` collection.

    Attributes:
        _id: key such as ``accessories/mice``.
        path: names from the top category down to this one.
        parent: key of the category above, or empty.
        product_count: active products in the category and below it.
        beginnings: what it is suggested for.
    """

    _id: str
    name: str
    path: list[str]
    parent: str
    product_count: int
    beginnings: list[str]
    updated_at: datetime


def refresh_categories(database: Database[dict[str, Any]]) -> int:
    """Bring the ``categories`` collection in line with the products, and return the number of categories.

    Readers never find it empty meanwhile: categories are replaced one by one, and those without an active product
    are removed at the end.
    """
    now = datetime.now(UTC)
    categories = _counted(database)
    collection = database[CATEGORIES]
    writes = (ReplaceOne({"_id": document["_id"]}, dict(document), upsert=True) for document in _tree(categories, now))
    for chunk in _chunks(writes):
        collection.bulk_write(chunk, ordered=False)
    vanished = (document["_id"] for document in collection.find({}, {"_id": 1}) if document["_id"] not in categories)
    for keys in _chunks(vanished):
        collection.delete_many({"_id": {"$in": keys}})
    announce_category_tree()
    return len(categories)


def _counted(database: Database[dict[str, Any]]) -> dict[str, Counter[tuple[str, ...]]]:
    """Return, by category key, how many active products use which spelling of its path."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"active": True}},
        {"$group": {"_id": "$category_path", "products": {"$sum": 1}}},
    ]
    counted: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for group in database[PRODUCTS].aggregate(pipeline, allowDiskUse=True):
        path = tuple(group["_id"])
        for depth in range(1, len(path) + 1):
            counted[category_key(path[:depth])][path[:depth]] += group["products"]
    return dict(counted)


def _tree(categories: dict[str, Counter[tuple[str, ...]]], now: datetime) -> Iterator[CategoryDocument]:
    for key, spellings in categories.items():
        # Where products disagree about the spelling, most of them are right; the alphabet settles a draw.
        path = min(spellings, key=lambda spelling: (-spellings[spelling], spelling))
        yield CategoryDocument(
            _id=key,
            name=path[-1],
            path=list(path),
            parent=category_key(path[:-1]),
            product_count=spellings.total(),
            beginnings=beginnings(path[-1]),
            updated_at=now,
        )


def _chunks(items: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(items, _WRITES)):
        yield chunk
