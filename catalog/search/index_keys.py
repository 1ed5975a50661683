"""What is stored for the indexes: the terms of a product, and one tie-free number for each way to sort.

Filters for equality are terms too, told apart from words by a colon, which no word contains. So one multikey index
``{terms, order.<sort>}`` serves every combination of words and filters in the order asked for, without sorting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypedDict

from bson import ObjectId
from bson.int64 import Int64
from django.utils.text import slugify

from catalog.search.analysis import indexed_terms, indexed_words
from catalog.search.impacts import BRAND, CATEGORY, TYPE, packed_impacts

ANY_TERM = "any:"
"""Held by every active product, for lists without words or filters."""
IN_STOCK_TERM = "stock:in"
TIE_BITS = 20
_LARGEST = 2**63 - 1
MAX_POPULARITY = 2**30 - 1
MAX_WORDS = 200
"""So many words of a product are indexed; places among them fit into a byte."""
_BETWEEN = re.compile(r"[&,/()+]| and | or ", re.IGNORECASE)
MAX_DESCRIPTION = 2000
MAX_ATTRIBUTE = 200
"""Characters of a description and of an attribute that are indexed: what matters stands at the beginning."""


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


@dataclass(frozen=True, slots=True)
class TextKeys:
    """What the text indexes hold of a product.

    Attributes:
        terms: words of name, brand, type and category, and the filters; for every way to sort.
        words: words of all fields in the order of their weight, for the order by relevance alone.
        spans: how many of ``words`` come from which field, packed by :func:`packed_spans`.
        impacts: how much the product is about each of ``words``, a character each.
    """

    terms: list[str]
    words: list[str]
    spans: int
    impacts: str


NO_TEXT_KEYS = TextKeys([], [], 0, "")
"""Those of a product that nobody shall find."""


def packed_spans(name: int, labels: int, attributes: int) -> int:
    """Return three places within ``words`` as one number: where name, brand to category, and attributes end."""
    return name | labels << 8 | attributes << 16


def unpacked_spans(spans: int) -> tuple[int, int, int]:
    """Return the places that :func:`packed_spans` was given."""
    return spans & 0xFF, spans >> 8 & 0xFF, spans >> 16 & 0xFF


def text_keys(
    *,
    name: str,
    brand: str,
    category_path: Sequence[str],
    product_type: str,
    description: str,
    attributes: Mapping[str, str | int | float | bool],
    in_stock: bool,
) -> TextKeys:
    """Return everything under which an active product is found."""
    path = tuple(category_path)
    in_name = indexed_words(name)
    labels = label_weights(brand, product_type, path)
    in_attributes = [word for attribute in attributes.items() for word in attribute_words(*attribute)]
    in_description = indexed_words(description[:MAX_DESCRIPTION], stop_words=False)
    words = dict.fromkeys(in_name[:MAX_WORDS])
    after_name = len(words)
    words.update(dict.fromkeys(word for word, _ in labels))
    strong = list(words)
    words.update(dict.fromkeys(in_attributes))
    after_attributes = len(words)
    words.update(dict.fromkeys(in_description))
    kept = list(words)[:MAX_WORDS]
    return TextKeys(
        terms=strong + filter_terms(brand, product_type, path, in_stock=in_stock),
        words=kept,
        spans=packed_spans(after_name, min(len(strong), MAX_WORDS), min(after_attributes, MAX_WORDS)),
        impacts=packed_impacts(kept, name=in_name, labels=labels, attributes=in_attributes, description=in_description),
    )


@lru_cache(maxsize=20_000)
def label_weights(brand: str, product_type: str, category_path: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return the words of what a product shares with others, each with what it counts in this field.

    These are brand, type and category; a brand of several words is also found as one.
    """
    weighed = ((BRAND, brand), (TYPE, product_type), (CATEGORY, " ".join(category_path)))
    found = [(word, weight) for weight, text in weighed for word in indexed_words(text)]
    return (*found, *((word, BRAND) for word in _joined_brand(brand)))


@lru_cache(maxsize=20_000)
def brand_words(brand: str) -> frozenset[str]:
    """Return the words by which a brand is found."""
    return frozenset((*indexed_terms(brand), *_joined_brand(brand)))


@lru_cache(maxsize=20_000)
def kind_words(product_type: str, category: str) -> frozenset[str]:
    """Return the words that say what a product is: the last ones of its type and of its category.

    A ``keyboard cover`` is a cover, even in a category of keyboards.
    """
    types, categories = _heads(product_type), _heads(category)
    mentioned = frozenset(indexed_terms(product_type)) - types
    return types | (categories - mentioned)


def attribute_words(name: str, value: str | int | float | bool) -> list[str]:
    """Return the words by which a feature is found: those of a text, or the name of what the product has.

    Bare numbers are left out: nobody looks for ``9`` and means a weight.
    """
    if isinstance(value, str):
        return indexed_words(value[:MAX_ATTRIBUTE], stop_words=False)
    return indexed_words(name, stop_words=False) if value is True else []


def _heads(label: str) -> frozenset[str]:
    """Return the last word of each thing that a label names: of ``Lamps & projector mounts``, lamps and mounts."""
    named = (indexed_terms(part, stop_words=False) for part in _BETWEEN.split(label))
    return frozenset(words[-1] for words in named if words)


def kind_term(word: str) -> str:
    """Return the term that products hold whose type or category has ``word`` in its name."""
    return f"kind:{word}"


@lru_cache(maxsize=20_000)
def _filters(brand: str, product_type: str, category_path: tuple[str, ...]) -> tuple[str, ...]:
    levels = (category_term(category_key(category_path[:depth])) for depth in range(1, len(category_path) + 1))
    kinds = (kind_term(word) for word in sorted(kind_words(product_type, category_path[-1])))
    return (ANY_TERM, *levels, *((brand_term(brand),) if brand else ()), *kinds)


def filter_terms(brand: str, product_type: str, category_path: tuple[str, ...], *, in_stock: bool) -> list[str]:
    """Return the terms of a product that are no words: what it can be narrowed to, and what kind it is."""
    return [*_filters(brand, product_type, category_path), *((IN_STOCK_TERM,) if in_stock else ())]


def _joined_brand(brand: str) -> list[str]:
    """Return the term of a name of several words written as one, such as ``westerndigital``."""
    parts = brand.split()
    return indexed_terms("".join(parts)) if 2 <= len(parts) <= 3 else []


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


def rating_bound(rating: int) -> int:
    """Return the least ``order.rating`` of products whose mean rating is at least ``rating``."""
    return (rating * 100) << 24 << TIE_BITS


def price_bounds(min_price: int | None, max_price: int | None) -> tuple[int | None, int | None]:
    """Return the range of ``order.price`` (inclusive) that a range of prices in minor units stands for.

    A limit above all that MongoDB can store is one that no product reaches.
    """
    low = None if min_price is None else min(min_price << TIE_BITS, _LARGEST)
    high = None if max_price is None else min((max_price << TIE_BITS) | ((1 << TIE_BITS) - 1), _LARGEST)
    return low, high
