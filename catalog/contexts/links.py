"""Addresses of result pages, written in one canonical form so that equal searches have equal addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from catalog.contexts.formatting import format_minor
from catalog.search.request import ATTRIBUTE_PREFIX, SearchRequest, Sort


def search_url(request: SearchRequest, **changes: Any) -> str:
    """Return the address of the first page of ``request`` with some of its fields changed."""
    changed = replace(request, **{"after": None, **changes})
    parameters = [
        ("q", changed.query),
        ("category", changed.category),
        ("brand", changed.brand),
        ("min_price", format_minor(changed.min_price)),
        ("max_price", format_minor(changed.max_price)),
        ("in_stock", "true" if changed.in_stock else ""),
        ("as_typed", "true" if changed.as_typed and changed.query else ""),
        ("explain", "true" if changed.explain and changed.query else ""),
        ("min_rating", str(changed.min_rating or "")),
        *attribute_parameters(changed),
        ("sort", "" if changed.sort is Sort.RELEVANCE else changed.sort.value),
    ]
    given = urlencode([(name, value) for name, value in parameters if value])
    return f"{reverse('catalog:search')}?{given}" if given else reverse("catalog:search")


def attribute_parameters(request: SearchRequest) -> list[tuple[str, str]]:
    """Return the parameters that filter by attributes, as pairs of name and value."""
    return [(f"{ATTRIBUTE_PREFIX}{name}", value) for name, values in request.attributes for value in values]


def next_page_url(request: SearchRequest, cursor: str, *, shown: int = 0) -> str:
    """Return the address of the page that begins after ``cursor``, behind ``shown`` products."""
    url = search_url(request)
    told = {"after": cursor, **({"shown": shown} if request.query and shown else {})}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(told)}"


def found_product_url(path: str, request: SearchRequest, *, place: int) -> str:
    """Return the address of a product that was found, which tells the query and the place among its results."""
    return f"{path}?{urlencode({'q': request.query, 'pos': place})}" if request.query else path


def category_url(key: str) -> str:
    """Return the address that lists a category."""
    return search_url(SearchRequest(category=key))


def brand_url(slug: str) -> str:
    """Return the address that lists a brand."""
    return search_url(SearchRequest(brand=slug))


def query_url(query: str) -> str:
    """Return the address of a search for ``query``."""
    return search_url(SearchRequest(query=query))
