"""Spelling by deleted letters: words that differ by few edits share a form with few letters left out.

The method is SymSpell (Wolf Garbe, 2012). What is kept of a word are its forms with letters deleted, so a lookup asks
for the few forms of what was typed, by key, however many words there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from rapidfuzz.distance import OSA

SHORTEST = 4
"""Shorter words are never corrected to, and corrected only if a letter is missing: too many others are an edit away."""
TWO_EDITS_FROM = 8
_PREFIX = 7
_LONGEST = 30
_EDIT_COST = 4.0
_FIRST_LETTER_COST = 1.0


@dataclass(frozen=True, slots=True)
class Spelling:
    """A word that may have been meant, with the number of products that have it."""

    word: str
    frequency: int


def most_edits(length: int) -> int:
    """Return how many edits a typed word of ``length`` letters may be away from the one that was meant."""
    if length < SHORTEST:
        return 0
    return 1 if length < TWO_EDITS_FROM else 2


def can_be_misspelt(word: str) -> bool:
    """Tell whether a word is one to correct or to correct to: letters alone, as numbers and codes are what they are."""
    return SHORTEST - 1 <= len(word) <= _LONGEST and word.isalpha()


def deletions_of_known(word: str) -> list[str]:
    """Return the forms under which a word of the catalogue is kept."""
    # A typed word of eight letters may stand for one of six; shorter ones are at most one edit away.
    return sorted(_deletions(word, 2 if len(word) >= TWO_EDITS_FROM - 2 else 1))


def deletions_of_typed(word: str) -> list[str]:
    """Return the forms to ask for when ``word`` was typed; none where it cannot be misspelt."""
    if len(word) == SHORTEST - 1 and can_be_misspelt(word):
        # A word of which it is what is left has it among its own deletions.
        return [word]
    edits = most_edits(len(word))
    return sorted(_deletions(word, edits)) if edits and can_be_misspelt(word) else []


def best_spellings(typed: str, known: Iterable[Spelling], *, limit: int) -> list[Spelling]:
    """Return the words that were most likely meant, best first.

    Fewer edits weigh more than frequency, and people rarely mistype the first letter.
    """
    most = max(most_edits(len(typed)), 1)
    scored = []
    for spelling in known:
        if len(typed) < SHORTEST and len(spelling.word) <= len(typed):
            continue
        distance = OSA.distance(typed, spelling.word, score_cutoff=most)
        if 0 < distance <= most:
            cost = _EDIT_COST * distance + _FIRST_LETTER_COST * (typed[0] != spelling.word[0])
            scored.append((cost - math.log1p(spelling.frequency), spelling.word, spelling))
    scored.sort(key=lambda row: row[:2])
    return [spelling for _, _, spelling in scored[:limit]]


def _deletions(word: str, edits: int) -> set[str]:
    head = word[:_PREFIX]
    found = {head}
    for count in range(1, min(edits, len(head) - 1) + 1):
        found.update("".join(kept) for kept in combinations(head, len(head) - count))
    return found
