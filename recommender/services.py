"""Similar products for a product."""

from __future__ import annotations

from typing import TypedDict

from django.conf import settings

from cachelayer.engine import Cached, get_or_load
from catalog import repository
from catalog.products import Product
from catalog.representation import ProductJSON, product_json
from catalog.search.index_keys import category_key

FALLBACK = "CATEGORY_FALLBACK"
MAX_SIMILAR = 20
_NO_MODEL = "none"


class SimilarJSON(ProductJSON):
    """A product that resembles another; ``score`` is ``None`` where no model compared them."""

    score: float | None
    reason: str


class SimilarListJSON(TypedDict):
    """Similar products, best first, as cached and as sent."""

    count: int
    data: list[SimilarJSON]


def similar_products(*, product_id: str, limit: int = 12) -> Cached:
    """Return products like the given one, a :class:`SimilarListJSON`.

    Without a trained model these are the most popular products in stock of the same category, and the answer's
    source says so.

    Raises:
        ProductNotFound: there is no active product of this id.
        CatalogUnavailable: the list is not cached and MongoDB does not answer.
    """
    return get_or_load(
        f"similar:{_NO_MODEL}:{product_id}:{limit}",
        ttl_seconds=settings.CACHE_TTL_SIMILAR,
        loader=lambda: _of_same_category(repository.get_product(product_id), limit),
        origin=FALLBACK,
    )


def _of_same_category(product: Product, limit: int) -> SimilarListJSON:
    neighbours: dict[str, SimilarJSON] = {}
    # The leaf alone may be small: what it lacks comes from the categories above it, nearest first.
    for depth in range(len(product.category_path), 0, -1):
        path = product.category_path[:depth]
        for candidate in repository.list_products(order="popularity", limit=limit + 1, category=category_key(path)):
            if candidate.id != product.id:
                neighbours.setdefault(candidate.id, _described(candidate, reason=f"Popular in {path[-1]}"))
        if len(neighbours) >= limit:
            break
    data = list(neighbours.values())[:limit]
    return SimilarListJSON(count=len(data), data=data)


def _described(product: Product, *, reason: str) -> SimilarJSON:
    return SimilarJSON(**product_json(product), score=None, reason=reason)
