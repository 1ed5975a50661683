"""What is stored for the indexes: the terms of a product, and one tie-free number for each way to sort.

Filters for equality are terms too, told apart from words by a colon, which no word contains. So one multikey index
``{terms, order.<sort>}`` serves every combination of words and filters in the order asked for, without sorting.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TypedDict

from bson import ObjectId
from bson.int64 import Int64
from django.utils.text import slugify

from catalog.search.analysis import terms

ANY_TERM = "any:"
"""Held by every active product, for lists without words or filters."""
IN_STOCK_TERM = "stock:in"
TIE_BITS = 20


class OrderKeys(TypedDict):
    """One number for each sort. The low bits come from ``_id``, so that equal prices do not make equal keys."""

    popularity: Int64
    price: Int64
    rating: Int64
    newest: Int64


@lru_cache(maxsize=20_000)
def slug(name: str) -> str:
    """Return the form under which a brand or a category level is filtered."""
    return slugify(name, allow_unicode=True) or "-"


def category_key(path: Sequence[str]) -> str:
    """Return the key of a category, such as ``accessories/mice``."""
    return "/".join(slug(name) for name in path)


def category_term(key: str) -> str:
    """Return the term that all products below category ``key`` hold."""
    return f"category:{key}"


def brand_term(brand: str) -> str:
    """Return the term that all products of ``brand`` hold; spelling and case do not matter."""
    return f"brand:{slug(brand)}"


def index_terms(
    *,
    name: str,
    brand: str,
    category_path: Sequence[str],
    product_type: str,
    in_stock: bool,
) -> list[str]:
    """Return all terms of a product: its words, and its filters."""
    words = terms(" ".join((name, brand, product_type, *category_path)))
    filters = [ANY_TERM]
    filters += (category_term(category_key(category_path[:depth])) for depth in range(1, len(category_path) + 1))
    if brand:
        filters.append(brand_term(brand))
    if in_stock:
        filters.append(IN_STOCK_TERM)
    return words + filters


def order_keys(
    *,
    identifier: ObjectId,
    popularity: int,
    price: int,
    rating: float,
    rating_count: int,
    created_at: datetime,
) -> OrderKeys:
    """Return the sort keys of a product; ``price`` is in minor units."""
    tie = int.from_bytes(identifier.binary[:3], "big") >> (24 - TIE_BITS)
    rating_key = (round(rating * 100) << 24) | min(rating_count, 2**24 - 1)
    return OrderKeys(
        popularity=Int64((popularity << TIE_BITS) | tie),
        price=Int64((price << TIE_BITS) | tie),
        rating=Int64((rating_key << TIE_BITS) | tie),
        newest=Int64((max(int(created_at.timestamp()), 0) << TIE_BITS) | tie),
    )


def price_bounds(min_price: int | None, max_price: int | None) -> tuple[int | None, int | None]:
    """Return the range of ``order.price`` (inclusive) that a range of prices in minor units stands for."""
    low = None if min_price is None else min_price << TIE_BITS
    high = None if max_price is None else (max_price << TIE_BITS) | ((1 << TIE_BITS) - 1)
    return low, high
