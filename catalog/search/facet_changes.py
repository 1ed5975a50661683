"""Facets after some results were added or left out, without counting all of them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from catalog.money import minor_per_major
from catalog.search.facets import VALUES, AttributeFacet, FacetRow, Facets, FacetValue, count_brands, count_facets


def changed_facets(facets: Facets, *, added: Sequence[FacetRow], removed: Sequence[FacetRow]) -> Facets:
    """Return ``facets`` with some rows more and some less."""
    more, less = (count_facets(rows, exact=True, values=len(rows)) for rows in (added, removed))
    return replace(
        facets,
        brands=_changed(facets.brands, more.brands, less.brands),
        categories=_changed(facets.categories, more.categories, less.categories),
        prices=changed_prices(facets.prices, added=added, removed=removed),
        ratings=_changed(facets.ratings, more.ratings, less.ratings),
        in_stock=max(facets.in_stock + more.in_stock - less.in_stock, 0),
    )


def changed_brands(
    values: tuple[FacetValue, ...], *, added: Sequence[FacetRow], removed: Sequence[FacetRow]
) -> tuple[FacetValue, ...]:
    """Return the brands with some rows more and some less."""
    return _changed(values, count_brands(added, values=len(added)), count_brands(removed, values=len(removed)))


def changed_prices(
    bands: tuple[FacetValue, ...], *, added: Sequence[FacetRow], removed: Sequence[FacetRow]
) -> tuple[FacetValue, ...]:
    """Return the bands of prices, whose limits stay, with some rows more and some less."""
    counted = []
    for band in bands:
        low, high = _limits(band.key)
        change = sum(low <= row.price < high for row in added) - sum(low <= row.price < high for row in removed)
        if band.count + change > 0:
            counted.append(replace(band, count=band.count + change))
    return tuple(counted)


def changed_ratings(
    values: tuple[FacetValue, ...], *, added: Sequence[FacetRow], removed: Sequence[FacetRow]
) -> tuple[FacetValue, ...]:
    """Return the ratings with some rows more and some less."""
    more, less = (count_facets(rows, exact=True).ratings for rows in (added, removed))
    return tuple(sorted(_changed(values, more, less), key=lambda value: value.key, reverse=True))


def changed_attribute(
    facet: AttributeFacet, *, added: Sequence[str | None], removed: Sequence[str | None]
) -> AttributeFacet:
    """Return the values of an attribute with some products more and some less, given their texts."""
    changed = (
        replace(value, count=value.count + added.count(value.key) - removed.count(value.key)) for value in facet.values
    )
    return replace(facet, values=tuple(value for value in changed if value.count > 0))


def _limits(key: str) -> tuple[float, float]:
    low, _, high = key.partition("-")
    minor = minor_per_major()
    return int(low) * minor, int(high) * minor if high else float("inf")


def _changed(
    values: tuple[FacetValue, ...], more: tuple[FacetValue, ...], less: tuple[FacetValue, ...]
) -> tuple[FacetValue, ...]:
    counts = {value.key: value for value in values}
    for value in more:
        known = counts.get(value.key)
        if known is not None:
            counts[value.key] = replace(known, count=known.count + value.count)
        elif len(counts) < VALUES:
            counts[value.key] = value
    for value in less:
        if (known := counts.get(value.key)) is not None:
            counts[value.key] = replace(known, count=known.count - value.count)
    return tuple(value for value in counts.values() if value.count > 0)
