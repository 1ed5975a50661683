"""Facets of a page of results: what is chosen in one of them narrows the others, not itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from catalog import candidates
from catalog.search.facets import FacetRow as Row
from catalog.search.facets import Facets, count_brands, count_facets, count_prices, count_ratings
from catalog.search.plan import Phase
from catalog.search.request import SearchRequest

Matched = Callable[[SearchRequest], Phase]
"""Gives the query that matches all results of a request with these filters."""


def facets_of(request: SearchRequest, matched: Matched, *, rows: list[Row] | None = None) -> Facets:
    """Count the facets of a request.

    Args:
        rows: all its results, where they are at hand.
    """
    exact = True
    if rows is None:
        rows, exact = candidates.sample_for_facets(matched(request))
    facets = count_facets(rows, exact=exact)
    if request.brand:
        wider, is_all = candidates.sample_for_facets(matched(replace(request, brand="")))
        facets = replace(facets, brands=count_brands(wider), exact=facets.exact and is_all)
    if request.min_price is not None or request.max_price is not None:
        wider, is_all = candidates.sample_for_facets(matched(replace(request, min_price=None, max_price=None)))
        facets = replace(facets, prices=count_prices(wider), exact=facets.exact and is_all)
    if request.min_rating:
        wider, is_all = candidates.sample_for_facets(matched(replace(request, min_rating=0)))
        facets = replace(facets, ratings=count_ratings(wider), exact=facets.exact and is_all)
    if request.in_stock:
        wider, is_all = candidates.sample_for_facets(matched(replace(request, in_stock=False)))
        in_stock = sum(row.stock > 0 for row in wider)
        facets = replace(facets, in_stock=in_stock, exact=facets.exact and is_all)
    return facets
