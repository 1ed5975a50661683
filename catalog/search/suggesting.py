"""What suggestions are looked up by: the beginning of a word, of a brand or of a category, folded like everything."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from catalog.search.analysis import folded, query_units, term_of

MAX_BEGINNING = 30
"""Characters of the name of a category that are compared."""
MIN_COMPLETED = 3
"""Shorter words are completed by nothing: half of the vocabulary begins with them."""
_WORD = re.compile(r"[^\W_]+")
_PLAIN = re.compile(r"^[a-z0-9][a-z0-9 -]{0,39}$")


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody has typed so far.

    Attributes:
        query: normalised; see :func:`~catalog.search.request.normalise_query`.
        head: what stands before the last word, as typed.
        head_terms: a product has to have all of them.
        last: the last word, folded.
        term: the term that the last word is if it is complete.
    """

    query: str
    head: str
    head_terms: tuple[str, ...]
    last: str
    term: str

    @property
    def can_be_completed(self) -> bool:
        return len(self.last) >= MIN_COMPLETED and self.last.isalnum()


def typed(query: str) -> Typed | None:
    """Take a normalised query apart; ``None`` where it has no word."""
    units = query_units(query)
    if not units:
        return None
    *before, last = units
    *parts, term = last.options[0]
    head_terms = dict.fromkeys([*(term for unit in before for term in unit.options[0]), *parts])
    return Typed(query, query[: last.start], tuple(head_terms), last.word, term)


def folded_words(text: str) -> str:
    """Return the words of ``text``, folded, with single spaces between them."""
    return " ".join(filter(None, map(folded, _WORD.findall(text))))


def beginnings(name: str) -> list[str]:
    """Return everything by which a name is found as it is typed: the beginnings of it, from each of its words on."""
    words = folded_words(name).split()
    tails = (" ".join(words[place:])[:MAX_BEGINNING] for place in range(len(words)))
    return sorted({tail[:length] for tail in tails for length in range(1, len(tail) + 1)})


def begins(text: str, beginning: str) -> bool:
    """Tell whether a word of ``text`` begins with ``beginning``; both are folded."""
    return f" {text}".find(f" {beginning}") >= 0


def is_form_of(form: str, what: Typed) -> bool:
    """Tell whether a word of the vocabulary goes on where ``what`` ends, and is more than what was typed."""
    return form.startswith(what.last) and form != what.last and term_of(form) != what.last


def suggestion_key(query: str) -> str:
    """Return the key under which suggestions are cached: readable while the query is short and plain."""
    if _PLAIN.match(query):
        return f"suggest:{query}"
    return f"suggest:#{hashlib.blake2b(query.encode(), digest_size=16).hexdigest()}"
