"""Values to narrow results to, counted over the results or over the first of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.search.index_keys import category_key, slug

VALUES = 12


@dataclass(frozen=True, slots=True)
class FacetRow:
    """What a result adds to the facets; ``price`` is in minor units."""

    brand: str
    category_path: tuple[str, ...]
    price: int
    rating: float
    stock: int


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


def count_facets(rows: Sequence[FacetRow], *, exact: bool, values: int = VALUES) -> Facets:
    """Count the values of ``rows``."""
    brands: defaultdict[str, Counter[str]] = defaultdict(Counter)
    categories: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        categories[row.category_path] += 1
        if row.brand:
            brands[slug(row.brand)][row.brand] += 1
    return Facets(
        # Spellings of a brand that lead to the same filter are one value, under its most frequent spelling.
        brands=_largest(((key, of.most_common(1)[0][0], of.total()) for key, of in brands.items()), values),
        categories=_largest(
            ((category_key(path), _told_apart(path, categories), count) for path, count in categories.items()), values
        ),
        exact=exact,
    )


def _told_apart(path: tuple[str, ...], among: Iterable[tuple[str, ...]]) -> str:
    """Return a category's name, with its parent's where another one has the same name."""
    ambiguous = sum(other[-1] == path[-1] for other in among) > 1
    return f"{path[-1]} ({path[-2]})" if ambiguous and len(path) > 1 else path[-1]


def _largest(rows: Iterable[tuple[str, str, int]], limit: int) -> tuple[FacetValue, ...]:
    ranked = sorted(rows, key=lambda row: (-row[2], row[1]))
    return tuple(FacetValue(key=key, label=label, count=count) for key, label, count in ranked[:limit])
