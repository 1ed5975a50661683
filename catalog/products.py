"""The product as the rest of the code sees it: a frozen value, free of storage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

AttributeValue = str | int | float | bool
_ID = re.compile(r"[0-9a-f]{24}")


def is_product_id(text: str) -> bool:
    """Tell whether ``text`` is an id in its one form; another spelling would be a cache key that no write clears."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the catalogue.

    Attributes:
        id: 24 hexadecimal digits, derived from ``sku``.
        sku: the shop's own identifier; never changes.
        category_path: names from the top category to the leaf, at least one.
        product_type: what the thing is, in the singular, such as ``Keyboard``; may be empty.
        price: in minor units of ``currency``, so 4999 is 49.99 EUR.
        currency: ISO 4217 code.
        stock: pieces on hand, 0 or more.
        rating: mean of the ratings from 0 to 5; 0 where there is none.
        popularity: static rank from 0 to 2**30 - 1; higher comes first where nothing else decides.
        attributes: features by name, in the order in which they are shown.
        image_url: picture of the product, or empty.
        active: whether shoppers can find and see it.
        version: counts the changes, from 1.
    """

    id: str
    sku: str
    name: str
    brand: str
    category_path: tuple[str, ...]
    product_type: str
    description: str
    price: int
    currency: str
    stock: int
    rating: float
    rating_count: int
    popularity: int
    attributes: Mapping[str, AttributeValue]
    image_url: str
    active: bool
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def category(self) -> str:
        """The leaf of the category path."""
        return self.category_path[-1]

    @property
    def in_stock(self) -> bool:
        return self.stock > 0
