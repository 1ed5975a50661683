"""Reads of suggestions: each walks an index in its order, and reads a bounded number of documents in a bounded time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from catalog import mongo
from catalog.indexes import CATEGORIES, PRODUCTS
from catalog.search.index_keys import brand_term
from catalog.vocabulary.store import TERMS

_BUDGET_SHARE = 0.024
"""Of the budget of a search, 6 ms: words that hardly meet make a long walk, and what it finds is worth no more."""
MAX_BRANDS = 200
"""So many brands with one beginning are compared; only a single letter begins more."""
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class FoundCategory:
    """A category with the names of those above it."""

    key: str
    path: tuple[str, ...]
    products: int


@dataclass(frozen=True, slots=True)
class FoundBrand:
    """A brand by its slug, as its best-known product writes it."""

    slug: str
    name: str
    products: int


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A product, and which of the completed words it has."""

    id: str
    name: str
    brand: str
    category_path: tuple[str, ...]
    has: frozenset[str]


def categories_filter(beginning: str) -> dict[str, Any]:
    """Return what :func:`find_categories` matches."""
    return {"beginnings": beginning, "product_count": {"$gt": 0}}


def find_categories(beginning: str, *, limit: int) -> list[FoundCategory]:
    """Return the largest categories of which a word begins so."""
    with mongo.reading() as database:
        documents = list(
            database[CATEGORIES]
            .find(categories_filter(beginning), {"path": 1, "product_count": 1})
            .sort([("product_count", -1)])
            .hint("beginnings_count")
            .limit(limit)
        )
    return [FoundCategory(row["_id"], tuple(row["path"]), row["product_count"]) for row in documents]


def brands_filter(slug: str) -> dict[str, Any]:
    """Return what :func:`find_brands` matches, a range of ids."""
    first = brand_term("")[:-1] + slug
    return {"_id": {"$gte": first, "$lt": first + _LAST_CHARACTER}}


def find_brands(slug: str, *, limit: int) -> list[FoundBrand]:
    """Return the brands with the most products whose slug begins so."""
    with mongo.reading() as database:
        terms = list(database[TERMS].find(brands_filter(slug), {"strong": 1}).limit(MAX_BRANDS))
        terms.sort(key=lambda row: -row["strong"])
        found = []
        for row in terms[:limit]:
            # Besides its spelling, this tells whether the brand still has a product.
            product = database[PRODUCTS].find_one(
                {"terms": row["_id"]}, {"brand": 1}, sort=[("order.popularity", -1)], hint="terms_popularity"
            )
            if product is not None:
                found.append(FoundBrand(row["_id"].partition(":")[2], product["brand"], row["strong"]))
    return found


def products_filter(head: Sequence[str], any_of: Sequence[str], *, head_leads: bool) -> dict[str, Any]:
    """Return what :func:`find_products` matches; the first condition leads the walk through the index."""
    last = {"terms": {"$in": list(any_of)}}
    if not head:
        return last
    first = {"terms": {"$all": list(head)}}
    return {**first, "$and": [last]} if head_leads else {**last, "$and": [first]}


def find_products(
    head: Sequence[str], any_of: Sequence[str], *, head_leads: bool, limit: int
) -> list[FoundProduct] | None:
    """Return the most popular products that have all of ``head`` and one of ``any_of``, outside of their descriptions.

    Args:
        head: the rarest first.
        head_leads: whether ``head[0]`` is rarer than all of ``any_of`` together.

    Returns:
        The products; ``None`` where they cannot be found in time.
    """
    projection = {
        **dict.fromkeys(("name", "brand", "category_path"), 1),
        "has": {"$setIntersection": ["$terms", {"$literal": list(any_of)}]},
    }
    try:
        with mongo.searching() as database:
            documents = list(
                database[PRODUCTS]
                .find(products_filter(head, any_of, head_leads=head_leads), projection)
                .sort([("order.popularity", -1)])
                .hint("terms_popularity")
                .limit(limit)
                .batch_size(limit)
                .max_time_ms(max(int(settings.SEARCH_BUDGET_MS * _BUDGET_SHARE), 1))
            )
    except mongo.OutOfTime:
        return None
    return [
        FoundProduct(str(row["_id"]), row["name"], row["brand"], tuple(row["category_path"]), frozenset(row["has"]))
        for row in documents
    ]
