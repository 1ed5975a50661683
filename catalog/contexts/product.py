"""The product page."""

from __future__ import annotations

from dataclasses import dataclass

from cachelayer.engine import Cached
from cachelayer.web.presentation import Provenance, provenance_of
from catalog.changes import product_cache_key
from catalog.contexts.cards import Picture, Rating, StockState, picture_of, rating_of, stock_state
from catalog.contexts.facets import Crumb, breadcrumbs
from catalog.contexts.formatting import format_attribute, format_date, format_price
from catalog.contexts.links import brand_url
from catalog.representation import ProductJSON
from catalog.search.index_keys import slug

_HIGHLIGHTS = 4
_SHORT_VALUE = 24
_STOCK_DETAILS = {"in": "{:,} on hand", "low": "", "out": "Not available at present"}


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Everything a product page shows.

    Attributes:
        summary: one line for search engines.
        paragraphs: the description, split at empty lines.
        highlights: the first attributes with short values, as pairs of name and value.
        attributes: all of them, and what the shop itself knows.
        similar_url: answers with the similar products, as a fragment or a page.
    """

    id: str
    name: str
    brand: str
    brand_url: str
    summary: str
    crumbs: tuple[Crumb, ...]
    picture: Picture
    price: str
    stock: StockState
    stock_detail: str
    rating: Rating | None
    paragraphs: tuple[str, ...]
    highlights: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, str], ...]
    api_url: str
    similar_url: str
    provenance: Provenance


def build_product_page(answer: Cached) -> ProductPage:
    """Prepare the page of the product that ``answer`` holds."""
    product: ProductJSON = answer.value
    stock = stock_state(product["stock"])
    attributes = [(name, format_attribute(value)) for name, value in product["attributes"].items()]
    return ProductPage(
        id=product["_id"],
        name=product["name"],
        brand=product["brand"],
        brand_url=brand_url(slug(product["brand"])) if product["brand"] else "",
        summary=" ".join(product["description"].split())[:160],
        crumbs=breadcrumbs(product["categoryPath"], last_is_link=True),
        picture=picture_of(product),
        price=format_price(product["price"], product["currency"]),
        stock=stock,
        stock_detail=_STOCK_DETAILS[stock.level].format(product["stock"]),
        rating=rating_of(product["rating"], product["ratingCount"]),
        paragraphs=tuple(part.strip() for part in product["description"].split("\n\n") if part.strip()),
        highlights=tuple(pair for pair in attributes if len(pair[1]) <= _SHORT_VALUE)[:_HIGHLIGHTS],
        attributes=(
            *attributes,
            ("Article", product["sku"]),
            ("In the catalogue since", format_date(product["createdAt"])),
            ("Last change", format_date(product["updatedAt"])),
        ),
        api_url=f"/api/products/{product['_id']}",
        similar_url=f"/products/{product['_id']}/similar",
        provenance=provenance_of(answer, key=product_cache_key(product["_id"])),
    )
