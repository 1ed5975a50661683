"""Reads of the catalogue: the queries that requests run on MongoDB. Returns products, never documents or cursors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId

from catalog import mongo
from catalog.documents import to_product
from catalog.errors import ProductNotFound
from catalog.indexes import CATEGORIES, INACTIVE_INDEX, PRODUCTS
from catalog.products import Product
from catalog.search.index_keys import ANY_TERM, IN_STOCK_TERM, category_term

_NOT_NEEDED_BY_PAGES = dict.fromkeys(("terms", "words", "spans", "impacts", "order", "analyzer"), 0)
_TERMS_BUDGET_MS = 200
_STREAM_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Category:
    """A node of the category tree with the number of active products below it."""

    key: str
    name: str
    path: tuple[str, ...]
    parent: str
    product_count: int


def get_product(product_id: str) -> Product:
    """Return an active product; raise :class:`~catalog.errors.ProductNotFound` without one."""
    try:
        identifier = ObjectId(product_id)
    except (InvalidId, TypeError):
        raise ProductNotFound(product_id[:40]) from None
    with mongo.reading() as database:
        document = database[PRODUCTS].find_one({"_id": identifier, "active": True}, _NOT_NEEDED_BY_PAGES)
    if document is None:
        raise ProductNotFound(product_id)
    return to_product(document)


def get_stored_product(product_id: str) -> Product:
    """Return a product, active or not; raise :class:`~catalog.errors.ProductNotFound` without one."""
    if not ObjectId.is_valid(product_id):
        raise ProductNotFound(product_id[:40])
    with mongo.reading() as database:
        document = database[PRODUCTS].find_one({"_id": ObjectId(product_id)}, _NOT_NEEDED_BY_PAGES)
    if document is None:
        raise ProductNotFound(product_id)
    return to_product(document)


def list_inactive_products(*, limit: int, after: tuple[datetime, str] | None = None) -> list[Product]:
    """Return inactive products, the last changed first.

    Args:
        limit: the largest number to return.
        after: time of the last change, and id, of the product that the page before ended with.
    """
    wanted: dict[str, Any] = {"active": False}
    if after is not None:
        moment, identifier = after
        wanted["$or"] = [
            {"updated_at": {"$lt": moment}},
            {"updated_at": moment, "_id": {"$lt": ObjectId(identifier)}},
        ]
        wanted["updated_at"] = {"$lte": moment}
    with mongo.reading() as database:
        documents = list(
            database[PRODUCTS]
            .find(wanted, _NOT_NEEDED_BY_PAGES)
            .sort([("updated_at", -1), ("_id", -1)])
            .hint(INACTIVE_INDEX)
            .limit(limit)
        )
    return [to_product(document) for document in documents]


def list_products(*, order: str, limit: int, category: str = "", in_stock: bool = True) -> list[Product]:
    """Return the first products by a stored order (``popularity`` or ``newest``), optionally of one category."""
    wanted = [category_term(category)] if category else [ANY_TERM]
    if in_stock:
        wanted.append(IN_STOCK_TERM)
    with mongo.reading() as database:
        documents = list(
            database[PRODUCTS]
            .find({"terms": {"$all": wanted}}, _NOT_NEEDED_BY_PAGES)
            .sort([(f"order.{order}", -1)])
            .hint(f"terms_{order}")
            .limit(limit)
        )
    return [to_product(document) for document in documents]


def list_categories(*, parent: str = "", limit: int = 50) -> list[Category]:
    """Return the children of a category, largest first; those of ``""`` are the top categories."""
    with mongo.reading() as database:
        documents = list(
            database[CATEGORIES]
            .find({"parent": parent, "product_count": {"$gt": 0}}, {"beginnings": 0})
            .sort([("product_count", -1)])
            .limit(limit)
        )
    return [_category(document) for document in documents]


def joined_products(identifiers: str, *, into: str) -> dict[str, Any]:
    """Return the stage of an aggregation that adds the active products whose ids a field holds, in any order.

    Args:
        identifiers: name of the field.
        into: name of the field for what :func:`~catalog.documents.to_product` reads.
    """
    pipeline = [{"$match": {"active": True}}, {"$project": _NOT_NEEDED_BY_PAGES}]
    return {
        "$lookup": {
            "from": PRODUCTS, "localField": identifiers, "foreignField": "_id", "pipeline": pipeline, "as": into,
        }
    }  # fmt: skip


def stock_of(product_ids: Sequence[str]) -> dict[str, int]:
    """Return the stock of each active product among ``product_ids``, in one query."""
    with mongo.reading() as database:
        documents = list(database[PRODUCTS].find(_active(product_ids), {"stock": 1}))
    return {str(document["_id"]): document["stock"] for document in documents}


def products_with_terms(terms: Sequence[str], *, limit: int) -> list[Product]:
    """Return the most popular products in stock that hold all of ``terms``; none where that takes too long."""
    with mongo.reading() as database:
        try:
            with mongo.within(_TERMS_BUDGET_MS):
                documents = list(
                    database[PRODUCTS]
                    .find({"terms": {"$all": [*terms, IN_STOCK_TERM]}}, _NOT_NEEDED_BY_PAGES)
                    .sort([("order.popularity", -1)])
                    .hint("terms_popularity")
                    .limit(limit)
                )
        except mongo.OutOfTime:
            return []
    return [to_product(document) for document in documents]


def stream_products(*, limit: int = 0) -> Iterator[Product]:
    """Yield all active products for a command, or the ``limit`` most popular ones, without holding them."""
    with mongo.commanding() as database:
        cursor = database[PRODUCTS].find({"active": True}, _NOT_NEEDED_BY_PAGES)
        if limit:
            cursor = database[PRODUCTS].find({"terms": ANY_TERM}, _NOT_NEEDED_BY_PAGES)
            cursor = cursor.sort([("order.popularity", -1)]).hint("terms_popularity").limit(limit)
        for document in cursor.batch_size(_STREAM_BATCH):
            yield to_product(document)


def count_changes(since: datetime) -> tuple[int, int]:
    """Return how many active products were changed or added after ``since``, and how many there are; for commands."""
    with mongo.commanding() as database:
        changed = database[PRODUCTS].count_documents({"active": True, "updated_at": {"$gt": since}})
        return changed, database[PRODUCTS].count_documents({"active": True})


def _active(product_ids: Sequence[str]) -> dict[str, Any]:
    wanted = [ObjectId(identifier) for identifier in product_ids if ObjectId.is_valid(identifier)]
    return {"_id": {"$in": wanted}, "active": True}


def estimated_product_count() -> int:
    """Return about how many products are stored, from the collection's metadata."""
    with mongo.reading() as database:
        return database[PRODUCTS].estimated_document_count()


def _category(document: Mapping[str, Any]) -> Category:
    return Category(
        key=document["_id"],
        name=document["name"],
        path=tuple(document["path"]),
        parent=document["parent"],
        product_count=document["product_count"],
    )
