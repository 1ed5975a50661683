"""Values to narrow results to, counted over the results or over the first of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from catalog.money import minor_per_major
from catalog.search.attributes import Value
from catalog.search.index_keys import category_key, slug
from catalog.search.price_bands import counted_bands, even_bands

VALUES = 12
STARS = (4, 3, 2, 1)
"""Ratings that results can be narrowed to: so many stars or better."""


class FacetRow(NamedTuple):
    """What a result adds to the facets; ``price`` is in minor units. A tuple, for hundreds are made in a search."""

    brand: str
    category_path: tuple[str, ...]
    price: int
    rating: float
    stock: int
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value that results can be narrowed to, and how many of the counted results have it."""

    key: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class AttributeFacet:
    """Values of one attribute; the key and the label of a value are its text."""

    name: str
    values: tuple[FacetValue, ...]


@dataclass(frozen=True, slots=True)
class Facets:
    """Values by facet.

    Attributes:
        prices: bands from cheap to dear; the key of one is ``50-100``, or ``500-`` for the last.
        ratings: at least so many stars, from 4 down.
        in_stock: how many of the counted results are in stock.
        attributes: the few that matter for the kind of product that most results are.
        exact: whether all results were counted, or only the first of them.
    """

    brands: tuple[FacetValue, ...]
    categories: tuple[FacetValue, ...]
    prices: tuple[FacetValue, ...]
    ratings: tuple[FacetValue, ...]
    in_stock: int
    attributes: tuple[AttributeFacet, ...]
    exact: bool


def count_facets(rows: Sequence[FacetRow], *, exact: bool, values: int = VALUES) -> Facets:
    """Count the values of ``rows``; what attributes they have is not in them."""
    return Facets(
        brands=count_brands(rows, values=values),
        categories=count_categories(rows, values=values),
        prices=count_prices(rows),
        ratings=count_ratings(rows),
        in_stock=sum(row.stock > 0 for row in rows),
        attributes=(),
        exact=exact,
    )


def leading_category(rows: Sequence[FacetRow]) -> str:
    """Return the key of the category that most of ``rows`` are in, if at least a quarter of them are, or nothing."""
    counted = Counter(row.category_path for row in rows)
    path, count = counted.most_common(1)[0] if counted else ((), 0)
    return category_key(path) if 4 * count >= len(rows) and path else ""


def count_brands(rows: Sequence[FacetRow], *, values: int = VALUES) -> tuple[FacetValue, ...]:
    """Count brands; spellings that lead to the same filter are one value, under the most frequent of them."""
    return largest_brands(Counter(row.brand for row in rows), values=values)


def largest_brands(counted: Mapping[str, int], *, values: int = VALUES) -> tuple[FacetValue, ...]:
    """Return the most frequent of counted brands, with the same spellings as one; see :func:`count_brands`."""
    spelt: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for brand, count in counted.items():
        if brand:
            spelt[slug(brand)][brand] += count
    return _largest(((key, of.most_common(1)[0][0], of.total()) for key, of in spelt.items()), values)


def count_prices(rows: Sequence[FacetRow]) -> tuple[FacetValue, ...]:
    """Count prices in bands with round limits, each with about as many products."""
    return offered_prices(counted_bands(row.price for row in rows))


def offered_prices(counts: Mapping[int, int]) -> tuple[FacetValue, ...]:
    """Return bands with round limits, each with about as many products.

    Args:
        counts: of the bands of :data:`~catalog.search.price_bands.ROUND`.
    """
    minor = minor_per_major()
    keys = (
        (f"{low // minor}-{'' if high is None else high // minor}", count)
        for low, high, count in even_bands(counts, minor=minor)
    )
    return tuple(FacetValue(key, key, count) for key, count in keys)


def count_ratings(rows: Sequence[FacetRow]) -> tuple[FacetValue, ...]:
    """Count products with at least 4, 3, 2 and 1 stars."""
    ratings = sorted([row.rating for row in rows])
    counted = ((stars, len(ratings) - bisect_left(ratings, stars)) for stars in STARS)
    return tuple(FacetValue(str(stars), str(stars), count) for stars, count in counted if count)


def count_categories(rows: Sequence[FacetRow], *, values: int = VALUES) -> tuple[FacetValue, ...]:
    """Count leaf categories; those of one name are told apart."""
    categories = Counter(row.category_path for row in rows)
    counted = ((category_key(path), _told_apart(path, categories), count) for path, count in categories.items())
    return _largest(counted, values)


def _told_apart(path: tuple[str, ...], among: Iterable[tuple[str, ...]]) -> str:
    """Return a category's name, with its parent's where another one has the same name."""
    ambiguous = sum(other[-1] == path[-1] for other in among) > 1
    return f"{path[-1]} ({path[-2]})" if ambiguous and len(path) > 1 else path[-1]


def _largest(rows: Iterable[tuple[str, str, int]], limit: int) -> tuple[FacetValue, ...]:
    ranked = sorted(rows, key=lambda row: (-row[2], row[1]))
    return tuple(FacetValue(key=key, label=label, count=count) for key, label, count in ranked[:limit])
