"""What lists tell of numbered products before they are read: enough to see which of many are worth reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from pyroaring import BitMap

MARKS = tuple(sorted({round(2 ** (step / 4)) - 1 for step in range(4 * 32)}))
"""The numbers of which the popularity is stored: close together where it falls steeply."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of some numbered products.

    Attributes:
        about: for each term, how much each product that has it is about it; see
            :data:`~catalog.search.impacts.AMOUNTS`.
        kinds: those that are the thing asked for.
        in_stock: those that can be bought.
        popularity: of the products that :data:`MARKS` names, as many of them as there are.
    """

    about: Mapping[str, Mapping[int, float]]
    kinds: Set[int]
    in_stock: Set[int]
    popularity: tuple[int, ...]


def about_term(numbers: BitMap, tiers: Iterable[tuple[float, BitMap]]) -> dict[int, float]:
    """Return how much some products are about a term.

    Args:
        tiers: products that have the term, by how much they are about it.
    """
    found: dict[int, float] = {}
    for amount, having in tiers:
        found |= dict.fromkeys(having & numbers, amount)
    return found
