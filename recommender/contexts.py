"""What the recommender's templates show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from django.urls import reverse

from cachelayer.engine import Cached
from cachelayer.outcomes import Outcome
from catalog.contexts.cards import ProductCard, product_card
from catalog.contexts.formatting import plural
from catalog.representation import ProductJSON
from recommender.for_you import ForYou
from recommender.services import FALLBACK, Similar


@dataclass(frozen=True, slots=True)
class SimilarProducts:
    """The list of similar products on a page.

    Attributes:
        source: as in the API's envelope.
        source_label: the same for people, with who made the list.
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


_CACHES = {
    Outcome.L1_HIT: ", from this server's memory",
    Outcome.REDIS_HIT: ", from the cache",
    Outcome.STALE: ", from an older answer",
}


def build_similar(product: Cached, similar: Similar, *, elapsed_ms: float) -> SimilarProducts:
    """Prepare a list for its templates.

    Args:
        product: the product whose page it is on.
        elapsed_ms: milliseconds since the request came in.
    """
    shown = cast(ProductJSON, product.value)
    return SimilarProducts(
        product_id=shown["_id"],
        product_name=shown["name"],
        product_url=reverse("catalog:product", args=[shown["_id"]]),
        heading="You might also like",
        source=similar.source,
        source_label=_maker(similar) + _CACHES.get(similar.outcome, ""),
        elapsed_ms=elapsed_ms,
        cards=tuple(product_card(row) for row in similar.rows),
    )


@dataclass(frozen=True, slots=True)
class ForYouRow:
    """Recommendations on the home page; ``because`` tells what they come from, and is empty where there are none."""

    because: str
    cards: tuple[ProductCard, ...]


def build_for_you(blend: ForYou) -> ForYouRow:
    """Prepare a visitor's recommendations for the templates."""
    cards = tuple(product_card(row) for row in blend.rows)
    if not cards:
        return ForYouRow(because="", cards=())
    others = len(blend.because) - 1
    because = f"Because you looked at {blend.because[0]}"
    return ForYouRow(because=f"{because} and {plural(others, 'other', 'others')}" if others else because, cards=cards)


def _maker(similar: Similar) -> str:
    if similar.origin == FALLBACK:
        return "Popular in the same category"
    return "Compared just now, newer than the model" if similar.placed else "Found by the model"
