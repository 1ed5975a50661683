"""Lists of the products that have a term, as compressed sets of numbers, and what can be asked of them.

Products are numbered in the static order, the most popular first, and behind the first pieces by kind of thing, so the
smallest numbers of a set are its likeliest products. The sets are Roaring bitmaps (Chambi, Lemire, Kaser and Godin,
2016): what is common to several of them is found in microseconds, however many products each of them has.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

from pyroaring import BitMap

from catalog.search.attributes import attribute_texts, text_of_value
from catalog.search.impacts import tier_of
from catalog.search.index_keys import TIE_BITS, kind_term
from catalog.search.meaning import Interpretation, Origin, Want
from catalog.search.plan import ATTRIBUTES, Narrowing
from catalog.search.price_bands import ENDLESS, band_keys, inner_limits, keys_between, outer_limits

PIECE = 2**18
"""So many products are numbered in each of the first pieces."""
FIRST_PIECES = 2
"""A search that finds enough in these, which have the most popular products, reads no others; the values of many
results are counted over them."""
LARGER = 4
"""So many times as many products are in each of the other pieces: whoever reads them reads all, so few are better."""
STARS = (1, 2, 3, 4, 5)
WORDS, TERMS, IMPACTS = "words", "terms", "impacts"
_KIND = kind_term("")
_NOTHING = BitMap()

Option = tuple[str, ...]
"""Keys of lists that a product has to be in together."""
Clause = tuple[Option, ...]
"""Of several options a product needs one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a product has to be in, for a phase of a search.

    Attributes:
        clauses: all of them have to be met.
        is_rough: whether more products meet them than match, because a limit of prices lies within a band.
    """

    clauses: tuple[Clause, ...]
    is_rough: bool = False

    def needed(self) -> set[str]:
        """Return the keys of all lists that are needed."""
        return {key for clause in self.clauses for option in clause for key in option}


def word_key(word: str) -> str:
    """Return the key of the products that have ``word`` in any field."""
    return f"{WORDS}/{word}"


def term_key(term: str) -> str:
    """Return the key of the products that have ``term`` in name, brand, type or category, or as a filter."""
    return f"{TERMS}/{term}"


def rating_key(stars: int) -> str:
    """Return the key of the products that are rated with so many stars or better."""
    return f"rating/{stars}"


def attribute_key(name: str, text: str) -> str:
    """Return the key of the products whose attribute has a value, by its text."""
    return f"attribute/{name}={text}"


def impacts_key(word: str) -> str:
    """Return the key of the products of :func:`word_key` by how much they are about the word."""
    return f"{IMPACTS}/{word}"


def impacts_of(document: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the key of the impacts of each word of a stored product, and the tier that the product is in."""
    for word, impact in zip(document["words"], document.get("impacts", ""), strict=False):
        yield impacts_key(word), tier_of(impact)


def piece_of(number: int) -> int:
    """Return which piece a numbered product is in, from 0."""
    beyond = number - FIRST_PIECES * PIECE
    return number // PIECE if beyond < 0 else FIRST_PIECES + beyond // (LARGER * PIECE)


def bounds_of_piece(piece: int) -> tuple[int, int]:
    """Return the first number of a piece, and the first one behind it."""
    if piece < FIRST_PIECES:
        return piece * PIECE, (piece + 1) * PIECE
    first = FIRST_PIECES * PIECE + (piece - FIRST_PIECES) * LARGER * PIECE
    return first, first + LARGER * PIECE


def most_popular(number: int) -> int:
    """Return the smallest number that a product may have which is as popular as a numbered one, as far as that tells.

    In the first pieces the numbers follow popularity; in the others products of the same kind follow each other.
    """
    return number if number < FIRST_PIECES * PIECE else bounds_of_piece(piece_of(number))[0]


def end_of_first_pieces() -> int:
    """Return the first number behind the first pieces."""
    return bounds_of_piece(FIRST_PIECES - 1)[1]


def keys_of(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of all lists that a stored product is in."""
    yield from map(word_key, document["words"])
    yield from map(term_key, document["terms"])
    yield from band_keys(document["price"])
    for name, text in attribute_texts(document["attributes"]):
        yield attribute_key(name, text)
    for stars in STARS:
        if round(document["rating"] * 100) >= stars * 100:  # As the order by rating has it.
            yield rating_key(stars)


def wanted_phases(meaning: Interpretation | None, narrowing: Narrowing) -> tuple[Wanted, ...]:
    """Return what products need, phase by phase, from the likeliest products to the less likely.

    First come products that are the thing asked for, then those with all words in name, brand, type or category, with
    all words anywhere, with synonyms. Without words there is one phase.
    """
    filters = _filters(narrowing)
    rough = _is_rough(narrowing)
    if meaning is None:
        return (Wanted(filters, rough),)
    strong = tuple(_clause(want, key=term_key) for want in meaning.wants)
    anywhere = tuple(_clause(want, key=word_key) for want in meaning.wants)
    options = tuple(_clause(want, key=word_key, synonyms=True) for want in meaning.wants)
    phases = [(*strong, *filters), (*anywhere, *filters)]
    if meaning.head >= 0:
        kinds: Clause = tuple((key,) for key in kind_keys(meaning))
        # Who asks for a laptop wants notebooks too, and rather than what has laptop in its description.
        named = tuple(_clause(want, key=term_key, synonyms=True) for want in meaning.wants)
        phases.insert(0, (*named, kinds, *filters))
    if options != anywhere:
        phases.append((*options, *filters))
    return tuple(Wanted(clauses, rough) for clauses in phases)


def kind_keys(meaning: Interpretation) -> list[str]:
    """Return the keys of the products that are the thing asked for, where it is known which word says what that is."""
    return [term_key(kind_term(term)) for term in meaning.wants[meaning.head].kinds] if meaning.head >= 0 else []


def sure_of_price(narrowing: Narrowing) -> Wanted:
    """Return what products need whose price lies within the range asked for wherever it lies in its band."""
    keys = keys_between(*inner_limits(*_prices(narrowing)))
    return Wanted((tuple((key,) for key in keys),))


def strong_words(meaning: Interpretation) -> Wanted:
    """Return what products need that have all words, or synonyms of them, in name, brand, type or category."""
    return Wanted(tuple(_clause(want, key=term_key, synonyms=True) for want in meaning.wants))


def evaluate(wanted: Wanted, lists: Mapping[str, BitMap], *, among: BitMap | None = None) -> BitMap:
    """Return the products that meet all clauses; a key that is not among ``lists`` has no products.

    Args:
        among: only these are looked at.
    """
    clauses = [[[lists.get(key, _NOTHING) for key in option] for option in clause] for clause in wanted.clauses]
    # What is looked at shrinks with each clause, so the ones that few products meet come first.
    clauses.sort(key=lambda clause: sum(min(map(len, option)) for option in clause))
    found = among
    for clause in clauses:
        options = [_common(option if found is None else [found, *option]) for option in clause]
        # Without options, as a range of prices without a whole band has none, nothing meets it.
        found = options[0] if len(options) == 1 else BitMap.union(_NOTHING, *options)
        if not found:
            break
    return found if found is not None else _NOTHING


def _common(lists: list[BitMap]) -> BitMap:
    return lists[0] if len(lists) == 1 else reduce(and_, sorted(lists, key=len))


def evaluate_phases(phases: Sequence[Wanted], lists: Mapping[str, BitMap], everything: BitMap) -> list[BitMap]:
    """Return the products of each phase.

    Args:
        everything: those of the last one, which takes in what all others do.
    """
    if not everything:
        return [everything] * len(phases)
    return [*(evaluate(phase, lists, among=everything) for phase in phases[:-1]), everything]


def apart(sets: Iterable[BitMap]) -> list[BitMap]:
    """Return each set without what the ones before it hold."""
    seen = BitMap()
    found = []
    for one in sets:
        found.append(one - seen)
        seen |= one
    return found


def group_of(key: str, piece: int) -> str:
    """Return the name of the lists that the one of ``key`` is kept with in a piece.

    In the first pieces these are all those of a word, which are asked for together. In the others they are large, and
    most searches need only some of them.
    """
    kind, _, term = key.partition("/")
    is_together = piece < FIRST_PIECES and kind in (WORDS, TERMS, IMPACTS)
    return term.removeprefix(_KIND) if is_together else key


def checksum_of(group: str) -> int:
    """Return the 32 bits that tell where a group of lists is kept."""
    return zlib.crc32(group.encode())


def _clause(want: Want, *, key: Callable[[str], str], synonyms: bool = False) -> Clause:
    others = want.alternatives if synonyms or want.origin is Origin.COMPLETED else ()
    return tuple(tuple(map(key, option)) for option in (want.terms, *others))


def _filters(narrowing: Narrowing) -> tuple[Clause, ...]:
    clauses: list[Clause] = [((term_key(term),),) for term in narrowing.terms]
    clauses += [tuple((term_key(term),) for term in group) for group in narrowing.groups]
    if "order.rating" in narrowing.conditions:
        bound = int(narrowing.conditions["order.rating"]["$gte"])
        clauses.append(((rating_key((bound >> TIE_BITS >> 24) // 100),),))
    for name, condition in narrowing.conditions.items():
        if name.startswith(ATTRIBUTES):
            texts = dict.fromkeys(filter(None, map(text_of_value, condition["$in"])))
            clauses.append(tuple((attribute_key(name.removeprefix(ATTRIBUTES), text),) for text in texts))
    if "order.price" in narrowing.conditions:
        clauses.append(tuple((key,) for key in keys_between(*outer_limits(*_prices(narrowing)))))
    return tuple(clauses)


def _prices(narrowing: Narrowing) -> tuple[int, int]:
    """Return the first price of the range asked for, in minor units, and the first one above it."""
    stored = narrowing.conditions.get("order.price", {})
    high = (int(stored["$lte"]) >> TIE_BITS) + 1 if "$lte" in stored else ENDLESS
    return int(stored.get("$gte", 0)) >> TIE_BITS, high


def _is_rough(narrowing: Narrowing) -> bool:
    prices = _prices(narrowing)
    return inner_limits(*prices) != outer_limits(*prices)
