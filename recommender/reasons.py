"""Why one product is recommended beside another: the features that both have, and how to say so."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.products import Product
from recommender.features import NEARLY_SAME

MAX_FEATURES = 16
"""Features of a product that can be told, so that those shared with a neighbour fit into 16 bits."""
_TOLD = 2
WORD_MARK = "“"
"""Begins a feature that is a word of the text rather than a fact."""


def shared_labels(features: Sequence[str], mask: int) -> list[str]:
    """Return the features whose bits are set."""
    return [label for number, label in enumerate(features) if mask >> number & 1]


class Reasons:
    """Says in words why products are shown beside one.

    Args:
        item: the product beside which they are shown.
    """

    def __init__(self, item: Product) -> None:
        self._item = item
        self._said = " ".join((item.product_type, *item.category_path, item.brand)).casefold()

    def of(self, neighbour: Product, *, score: float, shared: Sequence[str]) -> str:
        """Return why ``neighbour`` is shown.

        Args:
            score: their cosine.
            shared: features that both have, most telling first.
        """
        parts = [self._relation(neighbour, score)]
        facts = [label for label in shared if label[0] != WORD_MARK][:_TOLD]
        if facts:
            parts.append(f"both with {' and '.join(facts)}")
        else:
            words = [label for label in shared if label.strip("“”").casefold() not in self._said][:_TOLD]
            if words:
                parts.append(f"both {' and '.join(words)}")
        text = ", ".join(filter(None, parts)) or "Much the same words"
        return text[0].upper() + text[1:]

    def _relation(self, neighbour: Product, score: float) -> str:
        if score >= NEARLY_SAME:
            return "Nearly the same product"
        item = self._item
        brand = " and brand" if item.brand and item.brand == neighbour.brand else ""
        if item.product_type and item.product_type == neighbour.product_type:
            return f"same type{brand}"
        if item.category_path == neighbour.category_path:
            return f"also in {item.category}" + (", same brand" if brand else "")
        return "same brand" if brand else ""
