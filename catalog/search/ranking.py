"""The order of candidates: which words they have where, how rare those are, and what shoppers like.

A score adds up, word by word, how much a product is about the word (BM25F, with what was stored for it by
:mod:`catalog.search.impacts`) times how much the word tells (its inverse document frequency), then how well the whole
fits: words side by side, a product that *is* the thing asked for. Stock and popularity decide among products that fit
about as well. Then what the best have in common lifts others that have it too (:mod:`catalog.search.likeness`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from catalog.search.estimate import MARKS, Told
from catalog.search.facets import FacetRow
from catalog.search.impacts import SATURATED
from catalog.search.index_keys import MAX_POPULARITY, TIE_BITS, brand_words, kind_words, unpacked_spans
from catalog.search.likeness import FIRST, NOT_ALIKE, Likeness, likeness_to
from catalog.search.meaning import Interpretation, Origin, Want
from catalog.search.postings import most_popular


class Field(Enum):
    """Where a product has a word; the value is what people are told."""

    NAME = "name"
    BRAND = "brand"
    KIND = "type"
    CATEGORY = "category"
    ATTRIBUTE = "features"
    DESCRIPTION = "description"


SYNONYM_WEIGHT = 0.6
ADJACENT = 0.2
HEAD = 0.6
OUT_OF_STOCK = 0.5
POPULAR = 0.5
_FAME = POPULAR / math.log1p(MAX_POPULARITY)
T = TypeVar("T")


class Candidate(NamedTuple):
    """What ranking needs of a product: a tuple, because hundreds are made for a search, and these are made fastest.

    Attributes:
        key: its sort key in the static order.
        words: all that it is found by.
        places: of each term of :func:`terms_of`, its place in ``words``, or -1.
        impacts: how much it is about each of ``words``, a character each.
        category: the last level of its path.
        labels: what facets count; ``None`` where they are not wanted.
        document: the stored product, where it was read as a whole.
    """

    id: str
    key: int
    words: Sequence[str]
    places: Sequence[int]
    spans: int
    impacts: str
    brand: str
    product_type: str
    category: str
    stock: int
    labels: FacetRow | None = None
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a product is where it is, for one word of the query.

    Attributes:
        word: as it is searched for.
        found: the term by which the product was found.
        field: where it has it; ``None`` where it has not.
        points: what it adds to the score.
        by: how the term came to be looked for.
    """

    word: str
    found: str
    field: Field | None
    points: float
    by: str


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its parts."""

    total: float
    evidence: tuple[Evidence, ...]
    parts: tuple[tuple[str, float], ...]


def terms_of(meaning: Interpretation, *, rarest: int | None = None) -> tuple[str, ...]:
    """Return the terms whose places in a product decide its score, synonyms included.

    Args:
        rarest: only those of so many words, which tell the most.
    """
    wants = sorted(meaning.wants, key=lambda want: -want.rarity)[:rarest] if rarest is not None else meaning.wants
    return tuple(
        dict.fromkeys(term for want in wants for option in (want.terms, *want.alternatives) for term in option)
    )


class Ranking:
    """Scores candidates for one query."""

    def __init__(self, meaning: Interpretation, like: Likeness = NOT_ALIKE) -> None:
        self._like = like
        self._wants = meaning.wants
        self._head = meaning.head
        slots = {term: slot for slot, term in enumerate(terms_of(meaning))}
        words = [word for want in meaning.wants for word in want.parts or (want,)]
        self._neighbours = [
            (slots[left.terms[-1]], slots[right.terms[0]], ADJACENT * min(left.rarity, right.rarity))
            for left, right in pairwise(words)
        ]
        self._options = [
            [
                (tuple(slots[term] for term in option), _option_weight(want, number), option)
                for number, option in enumerate((want.terms, *want.alternatives))
            ]
            for want in meaning.wants
        ]

    def ranked(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return the candidates, best first; those of equal score stay in the order given."""
        scored = _sorted(
            (self.plain_score(candidate) + self._likeness(candidate), candidate) for candidate in candidates
        )
        return [candidate for _, candidate in scored]

    def plain_score(self, candidate: Candidate) -> float:
        """Return the score of a candidate without what it gains by being like the best."""
        best = self._best_options(candidate)
        total = sum([points for points, _ in best]) + self._side_by_side(candidate) + self._is_one(candidate, best)
        return total + _of_stock(candidate) + _of_popularity(candidate.key >> TIE_BITS)

    def estimated(self, numbers: Sequence[int], told: Told) -> list[int]:
        """Return numbered products, best first as far as their lists tell, which is all but words side by side.

        Those of equal score stay in the order given.
        """
        fame = _fame_by_mark(told.popularity)
        last = len(fame)
        scores = {
            number: fame[min(bisect_right(MARKS, most_popular(number)), last) - 1] - OUT_OF_STOCK for number in numbers
        }
        for number in told.in_stock:
            scores[number] += OUT_OF_STOCK
        for place, options in enumerate(self._options):
            points: dict[int, float] = {}
            for _, weight, terms in options:
                held = [told.about.get(term, {}) for term in terms]
                amounts = held[0] if len(held) == 1 else _least(held)
                if points:
                    for number, amount in amounts.items():
                        points[number] = max(points.get(number, 0.0), weight * amount)
                else:
                    points = {number: weight * amount for number, amount in amounts.items()}
            for number, gained in points.items():
                scores[number] += gained
            if place == self._head:
                for number in told.kinds:
                    scores[number] += HEAD * self._wants[place].rarity
        return sorted(numbers, key=scores.__getitem__, reverse=True)  # Those of equal score stay in their order.

    def _likeness(self, candidate: Candidate) -> float:
        return self._like.of(candidate.words, candidate.impacts)

    def has_all(self, candidate: Candidate) -> bool:
        """Tell whether a candidate has all words, or synonyms of them."""
        places = candidate.places
        return all(
            any(all(places[slot] >= 0 for slot in slots) for slots, _, _ in options) for options in self._options
        )

    def explained(self, candidate: Candidate) -> Score:
        """Return the score of a candidate with its parts."""
        best = self._best_options(candidate)
        evidence = []
        for want, options, (points, number) in zip(self._wants, self._options, best, strict=True):
            if number < 0:
                evidence.append(Evidence(want.unit.word, "", None, 0.0, want.origin.value))
                continue
            slots, _, terms = options[number]
            by = "synonym" if _is_synonym(want, number) else want.origin.value
            field = _field_of(candidate, slots[0], terms[0])
            evidence.append(Evidence(want.unit.word, " ".join(terms), field, points, by))
        parts = (
            ("words", sum(points for points, _ in best)),
            ("side by side", self._side_by_side(candidate)),
            ("is what was asked for", self._is_one(candidate, best)),
            ("like the first results", self._likeness(candidate)),
            ("stock", _of_stock(candidate)),
            ("popularity", _of_popularity(candidate.key >> TIE_BITS)),
        )
        return Score(sum(points for _, points in parts), tuple(evidence), parts)

    def _best_options(self, candidate: Candidate) -> list[tuple[float, int]]:
        """Return for each want the points of its best option, and which one that is; -1 where the product has none."""
        impacts, known = candidate.impacts, len(candidate.impacts)
        held = [SATURATED[impacts[place]] if 0 <= place < known else 0.0 for place in candidate.places]
        found = []
        for options in self._options:
            best, chosen = 0.0, -1
            for number, (slots, weight, _) in enumerate(options):
                points = weight * (held[slots[0]] if len(slots) == 1 else min([held[slot] for slot in slots]))
                if points > best:
                    best, chosen = points, number
            found.append((best, chosen))
        return found

    def _side_by_side(self, candidate: Candidate) -> float:
        in_name = candidate.spans & 0xFF
        total = 0.0
        for left, right, points in self._neighbours:
            here = candidate.places[left]
            if 0 <= here < in_name - 1 and candidate.places[right] == here + 1:
                total += points
        return total

    def _is_one(self, candidate: Candidate, best: Sequence[tuple[float, int]]) -> float:
        if self._head < 0 or best[self._head][1] < 0:
            return 0.0
        kinds = kind_words(candidate.product_type, candidate.category)
        is_one = not kinds.isdisjoint(self._wants[self._head].kinds)
        return HEAD * self._wants[self._head].rarity if is_one else 0.0


def rank(meaning: Interpretation, candidates: Iterable[Candidate]) -> tuple[Ranking, list[Candidate]]:
    """Rank the candidates of a search, and once more by what the best of them are like, where there are enough.

    Returns:
        The ranking, by which others can be put in the same order, and the candidates, best first. Those of equal score
        stay in the order given.
    """
    plain = Ranking(meaning)
    scored = _sorted((plain.plain_score(candidate), candidate) for candidate in candidates)
    if len(scored) <= FIRST:
        return plain, [candidate for _, candidate in scored]
    like = likeness_to((_example(candidate) for _, candidate in scored[:FIRST]), score=scored[0][0])
    again = _sorted((score + like.of(candidate.words, candidate.impacts), candidate) for score, candidate in scored)
    return Ranking(meaning, like), [candidate for _, candidate in again]


def _example(candidate: Candidate) -> Iterator[tuple[str, str]]:
    """Yield what others may have in common with a product: not its brand, for which nobody has asked."""
    brand = brand_words(candidate.brand)
    return (held for held in zip(candidate.words, candidate.impacts, strict=False) if held[0] not in brand)


def _sorted(scored: Iterable[tuple[float, T]]) -> list[tuple[float, T]]:
    # Reversed, those of equal score stay in their order all the same.
    return sorted(scored, key=itemgetter(0), reverse=True)


def _option_weight(want: Want, number: int) -> float:
    if not _is_synonym(want, number):
        return want.rarity
    # A synonym that many products have must not make them look as telling as the rare word that was typed.
    return SYNONYM_WEIGHT * min(want.rarity, want.synonym_rarities[number - 1])


def _is_synonym(want: Want, number: int) -> bool:
    return number > 0 and want.origin is not Origin.COMPLETED


def _field_of(candidate: Candidate, slot: int, term: str) -> Field:
    """Return the weightiest field in which a product has a term."""
    place = candidate.places[slot]
    name, labels, attributes = unpacked_spans(candidate.spans)
    if place < name:
        return Field.NAME
    if place < labels:
        if term in kind_words(candidate.product_type, candidate.category):
            return Field.KIND
        return Field.BRAND if term in brand_words(candidate.brand) else Field.CATEGORY
    return Field.ATTRIBUTE if place < attributes else Field.DESCRIPTION


def _of_stock(candidate: Candidate) -> float:
    return 0.0 if candidate.stock > 0 else -OUT_OF_STOCK


def _least(amounts: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return the least amount of each number that is in all of ``amounts``."""
    first, *others = amounts
    return {
        number: min(amount, *[of[number] for of in others])
        for number, amount in first.items()
        if all(number in of for of in others)
    }


@lru_cache(maxsize=4)
def _fame_by_mark(popularity: tuple[int, ...]) -> tuple[float, ...]:
    """Return what popularity adds to the products from one mark to the next: a little too much, the same for all."""
    return tuple(map(_of_popularity, popularity)) or (0.0,)


def _of_popularity(popularity: int) -> float:
    """Return what popularity adds, on a scale on which a hundred times as popular is a fixed step."""
    return math.log1p(popularity) * _FAME
