"""The product as clients see it: the JSON of the API, which is also what is cached and what pages are made from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypedDict
from urllib.parse import quote

from catalog.money import major_units
from catalog.products import AttributeValue, Product
from catalog.search.index_keys import slug

PICTURE_VERSION = 1
"""Part of every drawn picture's address: raise it with the design, because browsers keep pictures for a year."""


class ProductJSON(TypedDict):
    """A product in an answer. ``price`` is in major units of ``currency``; times are ISO 8601 in UTC."""

    _id: str
    sku: str
    name: str
    brand: str
    category: str
    categoryPath: list[str]
    productType: str
    description: str
    price: float
    currency: str
    inStock: bool
    stock: int
    rating: float
    ratingCount: int
    attributes: Mapping[str, AttributeValue]
    imageUrl: str
    createdAt: str
    updatedAt: str
    version: int


class StaffProductJSON(ProductJSON):
    """A product as staff sees it, with what shoppers need not know."""

    active: bool
    popularity: int


@lru_cache(maxsize=4096)
def drawn_picture_path(*, kind: str, brand: str) -> str:
    """Return the address of the picture that is drawn for products which have none of their own.

    Args:
        kind: what the product is: its type, else its category.
        brand: decides the colours; may be empty.
    """
    return f"/pictures/{quote(slug(kind))}/{quote(slug(brand))}.svg?v={PICTURE_VERSION}"


def product_json(product: Product) -> ProductJSON:
    """Return the JSON form of a product."""
    return ProductJSON(
        _id=product.id,
        sku=product.sku,
        name=product.name,
        brand=product.brand,
        category=product.category,
        categoryPath=list(product.category_path),
        productType=product.product_type,
        description=product.description,
        price=major_units(product.price, product.currency),
        currency=product.currency,
        inStock=product.in_stock,
        stock=product.stock,
        rating=product.rating,
        ratingCount=product.rating_count,
        attributes=product.attributes,
        imageUrl=product.image_url
        or drawn_picture_path(kind=product.product_type or product.category, brand=product.brand),
        createdAt=product.created_at.isoformat(),
        updatedAt=product.updated_at.isoformat(),
        version=product.version,
    )


def staff_product_json(product: Product) -> StaffProductJSON:
    """Return the JSON form of a product, active or not, for staff."""
    return StaffProductJSON(**product_json(product), active=product.active, popularity=product.popularity)
