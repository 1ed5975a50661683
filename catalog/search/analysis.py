"""From text to terms: the same analysis for what is indexed and for what is asked.

What is indexed holds more than what is asked for: a product named ``MX-5300`` is indexed under ``mx``, ``5300`` and
``mx5300``, and a query in any of the three spellings needs only those terms that every such product has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

from catalog.search.measures import PATTERN, measure_term, plain_number

ANALYZER_VERSION = 2
"""Changes whenever the same text yields other terms; products of an older one are found by ``reindex_search``."""
MAX_TERM_LENGTH = 40
STOP_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "in", "into", "is", "it", "its"),
        *("of", "on", "or", "that", "the", "this", "to", "was", "with", "you", "your", "our", "we", "will", "can"),
    )
)
"""Terms that a query does without where it has others, and that descriptions and attributes are not found by."""
HEAD_ENDS = frozenset({"for", "with", "without", "from", "of", "by"})
"""What is asked for stands before these words: a ``case for a phone`` is a case."""
MAX_QUERY_UNITS = 12
"""So many words of a query are looked for; the others are left out, and the answer says so."""
_WORD = re.compile(r"[^\W_]+")
_CHUNK = re.compile(
    rf"{PATTERN}|(?P<decimal>[0-9]+(?:[.,][0-9]+)+(?![^\W_]))"
    r"|(?P<compound>[^\W_]+(?:[-‐‑][^\W_]+)+)|(?P<word>[^\W_]+)(?:['’]s\b)?",
    re.IGNORECASE,
)
_PART = re.compile(r"[^\W_]+")
_CODE = re.compile(r"([a-z]{2,8})([0-9]{2,8})")
_MAX_JOINED = 20
# Marks that would become letters, as in "Core™2", and letters that Unicode does not take apart.
_MARKS = str.maketrans({"™": " ", "®": " ", "©": " ", "℠": " "})
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ð": "d", "þ": "th"})
_stemmer = snowballstemmer.stemmer("english")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: its place in the text as given, and the term it stands for."""

    start: int
    end: int
    term: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A word, code or measure of a query.

    Attributes:
        start, end: its place in the query.
        word: as it was typed, folded.
        options: ways to look for it, the best first; all terms of an option must be there together.
    """

    start: int
    end: int
    word: str
    options: tuple[tuple[str, ...], ...]

    @property
    def is_stop_word(self) -> bool:
        return self.word in STOP_WORDS

    @property
    def is_plain_word(self) -> bool:
        """Whether it consists of letters alone, so that it can be misspelt."""
        return self.word.isalpha()


@lru_cache(maxsize=50_000)
def folded(word: str) -> str:
    """Return a word in lower case without accents, bounded in length."""
    decomposed = unicodedata.normalize("NFKD", word).casefold().translate(_LETTERS)
    return "".join(char for char in decomposed if not unicodedata.combining(char))[:MAX_TERM_LENGTH]


@lru_cache(maxsize=50_000)
def term_of(word: str) -> str:
    """Return the term of one word: folded to lower case without accents, reduced to its stem, bounded in length."""
    plain = folded(word)
    # Codes such as mx5300 or 42 are left alone: a stemmer would only harm them.
    return _stemmer.stemWord(plain) if plain.isalpha() and plain.isascii() else plain


def tokens(text: str) -> Iterator[Token]:
    """Yield the plain words of ``text`` in order."""
    for match in _WORD.finditer(text):
        term = term_of(match.group())
        if term:
            yield Token(match.start(), match.end(), term)


def terms(text: str) -> list[str]:
    """Return the distinct terms of the plain words of ``text`` in order of first occurrence."""
    return list(dict.fromkeys(token.term for token in tokens(text)))


def indexed_words(text: str, *, stop_words: bool = True) -> list[str]:
    """Return the terms under which ``text`` is indexed, in order and as often as they occur.

    Args:
        stop_words: whether words such as ``the`` are kept.
    """
    return [
        term
        for match in _CHUNK.finditer(text.translate(_MARKS))
        for term in _indexed(match)
        if term and (stop_words or term not in STOP_WORDS)
    ]


def indexed_terms(text: str, *, stop_words: bool = True) -> list[str]:
    """Return the distinct terms under which ``text`` is indexed, in order of first occurrence."""
    return list(dict.fromkeys(indexed_words(text, stop_words=stop_words)))


def query_units(text: str) -> tuple[Unit, ...]:
    """Return what a query asks for, in order; stop words are left out where anything else is there."""
    return _distinct_units(text)[:MAX_QUERY_UNITS]


def words_beyond(text: str) -> tuple[str, ...]:
    """Return the words of a query that are not looked for because it has too many."""
    return tuple(unit.word for unit in _distinct_units(text)[MAX_QUERY_UNITS:])


def _distinct_units(text: str) -> tuple[Unit, ...]:
    marked = text.translate(_MARKS)
    units = [unit for match in _CHUNK.finditer(marked) if (unit := _unit(match)) is not None]
    telling = [unit for unit in units if not unit.is_stop_word]
    distinct = {unit.options: unit for unit in reversed(telling or units)}
    return tuple(sorted(distinct.values(), key=lambda unit: unit.start))


def head_of(text: str) -> str:
    """Return the part of a query that names the thing asked for: ``case for a phone`` gives ``case``."""
    for token in tokens(text):
        if token.start and token.term in HEAD_ENDS:
            return text[: token.start]
    return text


def _indexed(match: re.Match[str]) -> tuple[str, ...]:
    kind, text = _kind_of(match)
    if kind == "measure":
        number, unit = text.split(" ")
        return (measure_term(number, unit), plain_number(number))
    if kind == "decimal":
        return (plain_number(text),)
    if kind == "compound":
        parts = _PART.findall(text)
        return (*(term for part in parts for term in _of_word(part)), *_joined(parts))
    return _of_word(text)


def _unit(match: re.Match[str]) -> Unit | None:
    kind, text = _kind_of(match)
    if kind == "measure":
        number, unit = text.split(" ")
        options: list[tuple[str, ...]] = [(measure_term(number, unit),), (plain_number(number), term_of(unit))]
    elif kind == "decimal":
        options = [(plain_number(text),)]
    elif kind == "compound":
        options = _options_of_compound(_PART.findall(text))
    else:
        options = _options_of_word(text)
    options = [tuple(filter(None, option)) for option in options]
    distinct = tuple(dict.fromkeys(option for option in options if option))
    start, end = match.span()
    return Unit(start, end, folded(match.group()), distinct) if distinct else None


def _kind_of(match: re.Match[str]) -> tuple[str, str]:
    if match["number"]:
        return "measure", f"{match['number']} {match['unit'] or match['glued']}"
    if match["decimal"]:
        return "decimal", match["decimal"]
    if match["compound"]:
        return "compound", match["compound"]
    return "word", match["word"]


@lru_cache(maxsize=50_000)
def _of_word(word: str) -> tuple[str, ...]:
    code = _CODE.fullmatch(folded(word))
    return (term_of(word), term_of(code[1]), code[2]) if code else (term_of(word),)


def _options_of_word(word: str) -> list[tuple[str, ...]]:
    code = _CODE.fullmatch(folded(word))
    # Products with the code in one word are indexed under its parts too, so the parts find every spelling.
    return [(term_of(code[1]), code[2]), (term_of(word),)] if code else [(term_of(word),)]


def _options_of_compound(parts: list[str]) -> list[tuple[str, ...]]:
    apart = tuple(dict.fromkeys(term for part in parts for term in _options_of_word(part)[0]))
    joined = tuple(_joined(parts))
    if not joined:
        return [apart]
    plain = "".join(map(folded, parts))
    is_plain = plain.isalpha() or _CODE.fullmatch(plain) is not None
    return [apart, joined] if is_plain else [joined, apart]


def _joined(parts: list[str]) -> list[str]:
    """Return the term of a compound written as one word, where it is short enough to be a word or a code.

    A number in front only counts something, as in ``8-port``.
    """
    whole = "".join(map(folded, parts))
    is_name = not parts[0].isdecimal() and len(whole) <= _MAX_JOINED and len(parts) <= 3
    return [term_of(whole)] if is_name else []
