"""Read single products and the lists of the home page."""

from __future__ import annotations

from typing import TypedDict

from cachelayer.engine import Absent, Cached, Loaded, get_or_load
from catalog import repository
from catalog.changes import ANY_PRODUCT, CATEGORY_TREE, product_cache_key
from catalog.errors import ProductNotFound
from catalog.products import is_product_id
from catalog.representation import product_json


class CategoryJSON(TypedDict):
    """A category with the number of products below it."""

    key: str
    name: str
    product_count: int


def read_product(*, product_id: str) -> Cached:
    """Return one product, a :class:`~catalog.representation.ProductJSON`.

    Raises:
        ProductNotFound: there is no active product of this id.
        CatalogUnavailable: it is not cached and MongoDB does not answer.
    """
    if not is_product_id(product_id):
        raise ProductNotFound(product_id[:40])
    try:
        return get_or_load(
            product_cache_key(product_id), "product", lambda: product_json(repository.get_product(product_id))
        )
    except Absent:
        raise ProductNotFound(product_id[:40]) from None


def popular_products(*, limit: int) -> Cached:
    """Return the most popular products in stock, a list of ``ProductJSON``."""
    return _list_of("popularity", limit)


def newest_products(*, limit: int) -> Cached:
    """Return the newest products in stock, a list of ``ProductJSON``."""
    return _list_of("newest", limit)


def top_categories(*, limit: int = 12) -> Cached:
    """Return the largest top categories, a list of :class:`CategoryJSON`."""
    return get_or_load(
        f"categories:top:{limit}",
        "list",
        lambda: Loaded(
            [
                CategoryJSON(key=category.key, name=category.name, product_count=category.product_count)
                for category in repository.list_categories(limit=limit)
            ],
            (ANY_PRODUCT, CATEGORY_TREE),
        ),
    )


def _list_of(order: str, limit: int) -> Cached:
    return get_or_load(
        f"list:{order}:{limit}",
        "list",
        lambda: Loaded(
            [product_json(product) for product in repository.list_products(order=order, limit=limit)], (ANY_PRODUCT,)
        ),
    )
