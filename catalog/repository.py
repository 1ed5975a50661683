"""Reads of the catalogue: the queries that requests run on MongoDB. Returns products, never documents or cursors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from catalog.search.index_keys import ANY_TERM, IN_STOCK_TERM, category_key, category_term, slug
from catalog.search.plan import TOTAL_CAP, SearchPlan

_NOT_NEEDED_BY_PAGES = {"terms": 0, "order": 0}
_COUNT_BUDGET_MS = 100
_FACET_BUDGET_MS = 200
_TERMS_BUDGET_MS = 200
_STREAM_BATCH = 2_000
PRICE_INDEX = "terms_price"
FEW_IN_PRICE_RANGE = 200
"""Up to this many results of a range of prices are put in order here rather than found in order."""
FACET_SAMPLE = 2_000
"""Facet values are counted over at most this many results, the first in order of relevance."""


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A result with the sort key that a cursor needs."""

    product: Product
    order_key: int


@dataclass(frozen=True, slots=True)
class Count:
    """A number of results: exact, or at least that many."""

    value: int
    exact: bool


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value that results can be narrowed to, and how many of the counted results have it."""

    key: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Values by facet; ``exact`` tells whether all results were counted, or only the first of them."""

    brands: tuple[FacetValue, ...]
    categories: tuple[FacetValue, ...]
    exact: bool


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


def find_page(plan: SearchPlan, *, limit: int) -> list[FoundProduct]:
    """Return the next ``limit`` results of a plan, in its order."""
    with mongo.reading() as database:
        cursor = (
            database[PRODUCTS]
            .find(plan.page_filter, {"terms": 0})
            .sort([(plan.order_field, plan.direction)])
            .hint(plan.hint)
            .limit(limit)
        )
        documents = list(cursor)
    key = plan.order_field.removeprefix("order.")
    return [FoundProduct(to_product(document), int(document["order"][key])) for document in documents]


def find_all_in_price_range(plan: SearchPlan) -> list[FoundProduct] | None:
    """Return all results of a plan with a range of prices, in the plan's order; ``None`` where they are many.

    Where few products have such a price, walking through the others in the plan's order could read the whole
    catalogue. The index on the price finds these few, which are then put in order here.
    """
    key = plan.order_field.removeprefix("order.")
    with mongo.reading() as database:
        documents = list(
            database[PRODUCTS].find(plan.filter, {"terms": 0}).hint(PRICE_INDEX).limit(FEW_IN_PRICE_RANGE + 1)
        )
    if len(documents) > FEW_IN_PRICE_RANGE:
        return None
    found = [FoundProduct(to_product(document), int(document["order"][key])) for document in documents]
    found.sort(key=lambda row: (row.order_key * plan.direction, row.product.id))
    return found


def count_results(plan: SearchPlan) -> Count:
    """Count all results of a plan, up to :data:`~catalog.search.plan.TOTAL_CAP` and within a bounded time."""
    with mongo.reading() as database:
        try:
            with mongo.within(_COUNT_BUDGET_MS):
                value = database[PRODUCTS].count_documents(plan.filter, hint=plan.hint, limit=TOTAL_CAP + 1)
        except mongo.OutOfTime:
            return Count(0, exact=False)
    return Count(min(value, TOTAL_CAP), exact=value <= TOTAL_CAP)


def count_facets(plan: SearchPlan, *, values: int = 12) -> Facets:
    """Count brands and categories over the first :data:`FACET_SAMPLE` results."""
    pipeline: list[dict[str, Any]] = [
        {"$match": plan.filter},
        {"$sort": {plan.order_field: plan.direction}},
        {"$limit": FACET_SAMPLE + 1},
        {"$group": {"_id": {"brand": "$brand", "path": "$category_path"}, "count": {"$sum": 1}}},
    ]
    with mongo.reading() as database:
        try:
            with mongo.within(_FACET_BUDGET_MS):
                rows = list(database[PRODUCTS].aggregate(pipeline, hint=plan.hint))
        except mongo.OutOfTime:
            return Facets((), (), exact=False)
    brands: defaultdict[str, Counter[str]] = defaultdict(Counter)
    categories: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        brand, path = row["_id"]["brand"], tuple(row["_id"]["path"])
        categories[path] += row["count"]
        if brand:
            brands[slug(brand)][brand] += row["count"]
    return Facets(
        # Spellings of a brand that lead to the same filter are one value, under its most frequent spelling.
        brands=_largest(((key, of.most_common(1)[0][0], of.total()) for key, of in brands.items()), values),
        categories=_largest(
            ((category_key(path), _told_apart(path, categories), count) for path, count in categories.items()), values
        ),
        exact=sum(row["count"] for row in rows) <= FACET_SAMPLE,
    )


def _told_apart(path: tuple[str, ...], among: Iterable[tuple[str, ...]]) -> str:
    """Return a category's name, with its parent's where another one has the same name."""
    ambiguous = sum(other[-1] == path[-1] for other in among) > 1
    return f"{path[-1]} ({path[-2]})" if ambiguous and len(path) > 1 else path[-1]


def _largest(rows: Iterable[tuple[str, str, int]], limit: int) -> tuple[FacetValue, ...]:
    ranked = sorted(rows, key=lambda row: (-row[2], row[1]))
    return tuple(FacetValue(key=key, label=label, count=count) for key, label, count in ranked[:limit])


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
            .find({"parent": parent, "product_count": {"$gt": 0}})
            .sort([("product_count", -1)])
            .limit(limit)
        )
    return [_category(document) for document in documents]


def find_products(product_ids: Sequence[str]) -> list[Product]:
    """Return the active products among ``product_ids``, in that order; ids that name none are left out."""
    with mongo.reading() as database:
        documents = list(database[PRODUCTS].find(_active(product_ids), _NOT_NEEDED_BY_PAGES))
    found = {str(document["_id"]): document for document in documents}
    return [to_product(found[identifier]) for identifier in product_ids if identifier in found]


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
    """Return how many products were changed or added after ``since``, and how many there are; for commands."""
    with mongo.commanding() as database:
        changed = database[PRODUCTS].count_documents({"updated_at": {"$gt": since}})
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
