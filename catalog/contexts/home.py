"""The home page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cachelayer.engine import Cached
from cachelayer.web.presentation import Provenance, provenance_of
from catalog.contexts.cards import ProductCard, product_card
from catalog.contexts.formatting import plural
from catalog.contexts.links import category_url, query_url, search_url
from catalog.representation import ProductJSON, drawn_picture_path
from catalog.search.request import SearchRequest, Sort
from catalog.services.products import CategoryJSON

_TILES = 12
_IDEAS = 5


@dataclass(frozen=True, slots=True)
class CategoryTile:
    """A category to browse."""

    name: str
    url: str
    count: str
    picture: str


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything the home page shows; ``ideas`` of what to search for stand in for what is trending."""

    product_count: str
    trending: tuple[Link, ...]
    ideas: tuple[Link, ...]
    categories: tuple[CategoryTile, ...]
    popular: tuple[ProductCard, ...]
    newest: tuple[ProductCard, ...]
    newest_url: str
    all_url: str
    provenance: Provenance


def build_home_page(*, trending: Sequence[str], categories: Cached, popular: Cached, newest: Cached) -> HomePage:
    """Prepare the home page.

    Args:
        categories: all top categories, whose numbers add up to that of all products.
    """
    total = sum(category["product_count"] for category in categories.value)
    return HomePage(
        product_count=plural(total, "product", "products"),
        trending=tuple(Link(query, query_url(query)) for query in trending),
        ideas=() if trending else _ideas(popular.value),
        categories=category_tiles(categories.value[:_TILES]),
        popular=tuple(product_card(product) for product in popular.value),
        newest=tuple(product_card(product) for product in newest.value),
        newest_url=search_url(SearchRequest(sort=Sort.NEWEST)),
        all_url=search_url(SearchRequest()),
        provenance=provenance_of(popular),
    )


def _ideas(products: Sequence[ProductJSON]) -> tuple[Link, ...]:
    """Return searches for what the most popular products are."""
    kinds = dict.fromkeys(product["productType"] for product in products if product["productType"])
    return tuple(Link(kind, query_url(kind.lower())) for kind in list(kinds)[:_IDEAS])


def category_tiles(categories: Sequence[CategoryJSON]) -> tuple[CategoryTile, ...]:
    """Prepare categories to browse."""
    return tuple(
        CategoryTile(
            name=category["name"],
            url=category_url(category["key"]),
            count=plural(category["product_count"], "product", "products"),
            picture=drawn_picture_path(kind=category["name"], brand=""),
        )
        for category in categories
    )
