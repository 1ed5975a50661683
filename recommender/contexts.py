"""What the similar products' templates show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from django.urls import reverse

from cachelayer.engine import Cached
from catalog.contexts.cards import ProductCard, product_card
from catalog.representation import ProductJSON
from recommender.services import FALLBACK, SimilarListJSON


@dataclass(frozen=True, slots=True)
class SimilarProducts:
    """The list of similar products on a page.

    Attributes:
        source: as in the API's envelope.
        source_label: the same for people.
        elapsed_ms: time until the list was there.
    """

    product_id: str
    product_name: str
    product_url: str
    heading: str
    source: str
    source_label: str
    elapsed_ms: float
    cards: tuple[ProductCard, ...]


_LABELS = {
    FALLBACK: "Popular in the same category",
    "L1_CACHE": "Popular in the same category, from this server's memory",
    "REDIS_CACHE": "Popular in the same category, from the cache",
    "STALE_CACHE": "Popular in the same category, from an older answer",
}


def build_similar(product: Cached, similar: Cached, *, elapsed_ms: float) -> SimilarProducts:
    """Prepare a list for its templates.

    Args:
        product: the product whose page it is on.
        similar: a :class:`~recommender.services.SimilarListJSON`.
        elapsed_ms: milliseconds since the request came in.
    """
    shown = cast(ProductJSON, product.value)
    rows = cast(SimilarListJSON, similar.value)["data"]
    return SimilarProducts(
        product_id=shown["_id"],
        product_name=shown["name"],
        product_url=reverse("catalog:product", args=[shown["_id"]]),
        heading="You might also like",
        source=similar.source,
        source_label=_LABELS[similar.source],
        elapsed_ms=elapsed_ms,
        cards=tuple(product_card(row) for row in rows),
    )
