"""What the best candidates are like: words that they share lift others that have them too.

Pseudo-relevance feedback after RM3 (Abdul-Jaleel and others, "UMass at TREC 2004: Novelty and HARD", 2004), which asks
nothing anew: it looks a second time at the candidates that are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from catalog.search.impacts import SATURATED

FIRST = 5
"""So many of the best candidates are taken as examples of what is wanted."""
WEIGHT = 0.1
"""What the likeness to them can add, as a share of the best score."""
_COMMON = 2
"""So many examples have to have a word; what only one of them has is its own business."""
_TERMS = 20
"""So many words are used, those that the examples are about most. How rare they are does not matter: words that all
candidates have lift them all alike."""
_USUAL = 2.0
"""A product that is about all these words this much (see :data:`~catalog.search.impacts.SATURATED`) gains all of it."""
Example = Iterable[tuple[str, str]]
"""Words of a product, each with the character that says how much it is about it."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What products gain by words that the best candidates have.

    Attributes:
        points: of each such word, for a product that is about it as much as by one occurrence.
    """

    points: Mapping[str, float] = field(default_factory=dict)

    def of(self, words: Sequence[str], impacts: str) -> float:
        """Return what a product gains."""
        points = self.points
        held = zip(words, impacts, strict=False)
        return sum([points[word] * SATURATED[impact] for word, impact in held if word in points])


NOT_ALIKE = Likeness()


def likeness_to(examples: Iterable[Example], *, score: float) -> Likeness:
    """Return what others gain by what ``examples`` have in common.

    Args:
        score: of the best example; negative ones add nothing.
    """
    held: defaultdict[str, list[float]] = defaultdict(list)
    for example in examples:
        for word, impact in example:
            held[word].append(SATURATED[impact])
    about = {word: sum(amounts) for word, amounts in held.items() if len(amounts) >= _COMMON}
    most = sorted(about, key=lambda word: (-about[word], word))[:_TERMS]
    total = sum(about[word] for word in most)
    if not total or score <= 0:
        return NOT_ALIKE
    share = WEIGHT * score / _USUAL / total
    return Likeness({word: share * about[word] for word in most})
