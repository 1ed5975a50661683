"""A query as it is understood: what products should have, and the same with fewer words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from catalog.search.analysis import Unit

MAX_DROPPED = 6
"""So many times known words are left out, one after the other, until something is found."""


class Origin(Enum):
    """How a term came to be looked for."""

    TYPED = "typed"
    CORRECTED = "corrected"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Want:
    """One thing that a product should have.

    Attributes:
        unit: what was typed.
        terms: all of them are needed.
        alternatives: each of these does as well: synonyms, or words that begin with what was typed.
        frequency: of the rarest of ``terms``, in any field.
        strong_frequency: the same in name, brand, type and category.
        rarity: how much it tells.
        synonym_rarities: how much each of the alternatives tells, where they are synonyms.
        kinds: terms of types and categories that say so: its own, or those of its synonyms.
        known: whether any product has it, or one of its synonyms.
        parts: the words that it consists of, where several together have synonyms, as in ``hard drive``.
    """

    unit: Unit
    terms: tuple[str, ...]
    alternatives: tuple[tuple[str, ...], ...] = ()
    frequency: int = 0
    strong_frequency: int = 0
    rarity: float = 1.0
    synonym_rarities: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    known: bool = True
    origin: Origin = Origin.TYPED
    parts: tuple[Want, ...] = ()


@dataclass(frozen=True, slots=True)
class Interpretation:
    """How a query is understood.

    Attributes:
        query: what is searched for, as people would write it.
        wants: what products should have, in the order of the query.
        dropped: words that were left out, because the query has too many or nothing has them together with the others.
        corrected: whether ``query`` differs from what was typed by its spelling.
        head: position in ``wants`` of what the thing asked for is, or -1.
        measured: whether the numbers of products are known.
    """

    query: str
    wants: tuple[Want, ...]
    dropped: tuple[str, ...] = ()
    corrected: bool = False
    head: int = -1
    measured: bool = False


def shortened(meaning: Interpretation) -> Iterator[Interpretation]:
    """Yield the same with fewer and fewer words: first without those that no product has, then the least telling."""
    rest = without_least_telling(meaning)
    tries = 0
    while rest is not None and tries < MAX_DROPPED:
        if all(want.known for want in rest.wants):
            yield rest
            tries += 1
        rest = without_least_telling(rest)


def without_least_telling(meaning: Interpretation) -> Interpretation | None:
    """Return the same with one word less, the one that says least; ``None`` where only one is left.

    A word that no product has says nothing at all.
    """
    wants = meaning.wants
    if len(wants) < 2 and not wants[0].parts:
        return None
    least = min(range(len(wants)), key=lambda place: _telling(wants, place, meaning.head))
    dropped, rest = wants[least], tuple[Want, ...]()
    if dropped.parts:
        last = len(dropped.parts) - 1 if meaning.head == least else -1
        place = min(range(len(dropped.parts)), key=lambda place: _telling(dropped.parts, place, last))
        dropped, rest = dropped.parts[place], (*dropped.parts[:place], *dropped.parts[place + 1 :])
    head = meaning.head + (len(rest) - 1 if meaning.head >= least else 0)
    if meaning.head == least and not (rest and rest[-1].kinds):
        head = -1
    return replace(
        meaning,
        wants=(*wants[:least], *rest, *wants[least + 1 :]),
        dropped=(*meaning.dropped, dropped.unit.word),
        head=head,
    )


def _telling(wants: Sequence[Want], place: int, head: int) -> tuple[bool, bool, float]:
    return (wants[place].known, place == head, wants[place].rarity)
