"""From text to terms: the same analysis for what is indexed and for what is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

ANALYZER_VERSION = 1
"""Changes whenever the same text yields other terms, so that an index built before can be told apart."""
MAX_TERM_LENGTH = 40
_WORD = re.compile(r"[^\W_]+")
_stemmer = snowballstemmer.stemmer("english")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: its place in the text as given, and the term it stands for."""

    start: int
    end: int
    term: str


@lru_cache(maxsize=50_000)
def term_of(word: str) -> str:
    """Return the term of one word: folded to lower case without accents, reduced to its stem, bounded in length."""
    folded = "".join(
        char for char in unicodedata.normalize("NFKD", word).casefold() if not unicodedata.combining(char)
    )[:MAX_TERM_LENGTH]
    # Codes such as mx5300 or 42 are left alone: a stemmer would only harm them.
    return _stemmer.stemWord(folded) if folded.isalpha() and folded.isascii() else folded


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of ``text`` in order."""
    for match in _WORD.finditer(text):
        term = term_of(match.group())
        if term:
            yield Token(match.start(), match.end(), term)


def terms(text: str) -> list[str]:
    """Return the distinct terms of ``text`` in order of first occurrence."""
    return list(dict.fromkeys(token.term for token in tokens(text)))
