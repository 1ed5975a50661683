"""What shoppers search for, as staff sees it: how often, what is chosen, and what was tried in vain."""

from __future__ import annotations

from dataclasses import dataclass

from cachelayer.demand import Asked
from catalog.search.interpretation import interpret
from catalog.search.meaning import shortened
from catalog.services.trending import counted_searches
from catalog.vocabulary.store import lexicon


@dataclass(frozen=True, slots=True)
class Attempts:
    """What search does about a query before it says that there is nothing.

    Attributes:
        corrected: other spellings that are searched for.
        dropped: words that are left out, one after the other.
        unknown: words that no product has.
    """

    corrected: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def popular_searches() -> list[Asked] | None:
    """Return the queries that find something, the most frequent first; ``None`` while Redis is away."""
    counted = counted_searches()
    return None if counted is None else [each for each in counted if not each.is_missed]


def missed_searches() -> list[Asked] | None:
    """Return the queries that found nothing when they were last asked for; ``None`` while Redis is away."""
    counted = counted_searches()
    return None if counted is None else [each for each in counted if each.is_missed]


def attempts_for(query: str) -> Attempts:
    """Return what search tries for a query, with the words and synonyms that are known now.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
    """
    meanings = interpret(query, lexicon)
    if not meanings:
        return Attempts()
    dropped = meanings[0].dropped
    for shorter in shortened(meanings[0]):
        dropped = shorter.dropped
    return Attempts(
        corrected=tuple(dict.fromkeys(each.query for each in meanings if each.corrected)),
        dropped=tuple(dropped),
        unknown=tuple(want.unit.word for want in meanings[0].wants if not want.known),
    )
