"""Products for a visitor who looked at some: their similar products, blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from catalog.errors import ProductNotFound
from catalog.representation import ProductJSON
from catalog.services.products import read_product
from recommender.services import SimilarJSON, similar_products

_BLENDED = 5
"""Products looked at that count; earlier ones say little about now."""
_FADING = 0.8
"""How much less each earlier one counts."""
_UNSCORED = 0.05
"""What an entry counts that no model has compared."""


@dataclass(frozen=True, slots=True)
class ForYou:
    """Recommendations for a visitor; ``because`` names the products they come from, last one first."""

    because: tuple[str, ...]
    rows: tuple[SimilarJSON, ...]


def blend_for_visitor(*, product_ids: Sequence[str], limit: int = 10) -> ForYou:
    """Return what is similar to several of the given products, or to the last of them, and can be bought now.

    Args:
        product_ids: products looked at, last one first. They are not recommended themselves; those that are no
            longer there are passed over.
    """
    merits: dict[str, float] = {}
    entries: dict[str, SimilarJSON] = {}
    because: list[str] = []
    for place, product_id in enumerate(product_ids[:_BLENDED]):
        try:
            name = cast(ProductJSON, read_product(product_id=product_id).value)["name"]
            rows = similar_products(product_id=product_id).rows
        except ProductNotFound:
            continue
        because.append(name)
        for row in rows:
            identifier = row["_id"]
            if identifier in product_ids:
                continue
            score = _UNSCORED if row["score"] is None else row["score"]
            merits[identifier] = merits.get(identifier, 0.0) + score * _FADING**place
            entries.setdefault(identifier, cast(SimilarJSON, {**row, "reason": f"Like {name}: {row['reason']}"}))
    ranked = sorted(merits, key=lambda identifier: -merits[identifier])
    return ForYou(tuple(because), tuple(entries[identifier] for identifier in ranked[:limit]))
