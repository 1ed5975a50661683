"""How much a product is about each of its words: one character a word, computed when the product is written.

The measure is BM25F's (Robertson, Zaragoza and Taylor, "Simple BM25 extension to multiple weighted fields", 2004):
occurrences weighed by field, those of name and description by the length of the text as well. Whole numbers
throughout, because the last digit of a float may differ from machine to machine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache

BRAND, TYPE, CATEGORY, ATTRIBUTE = 200, 100, 50, 20
"""Hundredths of an occurrence that a word in these fields counts."""
_NAME, _TYPICAL_NAME, _NAME_BY_LENGTH = 300, 11, 60
_DESCRIPTION, _TYPICAL_DESCRIPTION, _DESCRIPTION_BY_LENGTH = 150, 12, 50
_LONGEST = 600
_FIRST = ord("0")
_LEVELS = [round(10 * 2 ** (step / 6)) for step in range(60)]
CHARACTERS = "".join(chr(_FIRST + step) for step in range(len(_LEVELS)))
_SATURATION = 2.0
"""Occurrences (weighted) at which a word counts half of what it can: BM25's k1."""


def _by_length(weight: int, typical: int, share: int) -> list[int]:
    """Return the weight of a word by the number of words of its field; ``share`` of it depends on that, in percent."""
    lengths = range(_LONGEST + 1)
    return [weight * 100 * typical // ((100 - share) * typical + share * max(length, 1)) for length in lengths]


_NAME_WEIGHTS = _by_length(_NAME, _TYPICAL_NAME, _NAME_BY_LENGTH)
_DESCRIPTION_WEIGHTS = _by_length(_DESCRIPTION, _TYPICAL_DESCRIPTION, _DESCRIPTION_BY_LENGTH)


def name_weight(length: int) -> int:
    """Return what a word counts in a name of ``length`` words."""
    return _NAME_WEIGHTS[min(length, _LONGEST)]


def description_weight(length: int) -> int:
    """Return what a word counts in a description of ``length`` words."""
    return _DESCRIPTION_WEIGHTS[min(length, _LONGEST)]


def packed_impacts(
    words: Sequence[str],
    *,
    name: Sequence[str],
    labels: Iterable[tuple[str, int]],
    attributes: Iterable[str],
    description: Sequence[str],
) -> str:
    """Return one character for each of ``words``.

    Args:
        words: the distinct words to tell of.
        name, attributes, description: all words of these fields, repeated as they are.
        labels: words of brand, type and category with their weights.
    """
    totals = dict.fromkeys(words, 0)
    for weight, texts in ((name_weight(len(name)), name), (description_weight(len(description)), description)):
        for word in texts:
            if word in totals:
                totals[word] += weight
    for word, weight in labels:
        if word in totals:
            totals[word] += weight
    for word in attributes:
        if word in totals:
            totals[word] += ATTRIBUTE
    return "".join(map(level_of, totals.values()))


@lru_cache(maxsize=10_000)
def level_of(total: int) -> str:
    """Return the character that stands for a weighted number of occurrences, in hundredths."""
    return CHARACTERS[max(bisect_right(_LEVELS, total) - 1, 0)]


def occurrences_of(character: str) -> float:
    """Return the weighted number of occurrences that a character stands for."""
    step = ord(character) - _FIRST
    return _LEVELS[step] / 100 if 0 <= step < len(_LEVELS) else 0.0


SATURATED = {
    character: occurrences_of(character) * (_SATURATION + 1) / (occurrences_of(character) + _SATURATION)
    for character in CHARACTERS
}
"""What a word counts that a product is about as much as a character says: 1 for a single occurrence, below 3."""
_TIER = 2
"""So many characters, which follow each other, are a tier: products that are about a word about equally much."""


def tier_of(character: str) -> int:
    """Return the tier of a character."""
    return max(ord(character) - _FIRST, 0) // _TIER


AMOUNTS = tuple(
    sum(SATURATED[character] for character in CHARACTERS[first : first + _TIER]) / _TIER
    for first in range(0, len(CHARACTERS), _TIER)
)
"""What a word counts that a product is about, by tier: see :data:`SATURATED`."""
