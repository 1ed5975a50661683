"""What search knows about words: how many products have them, what they are written like, what else means the same."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.search.spelling import Spelling


@dataclass(frozen=True, slots=True)
class TermStats:
    """A term and the number of active products that hold it.

    Attributes:
        strong: in name, brand, type or category, or as a filter.
        everywhere: in any field.
        kind: in type or leaf category: what the product is.
        form: how it is mostly written; empty where that is not known.
    """

    term: str
    strong: int = 0
    everywhere: int = 0
    kind: int = 0
    form: str = ""


@dataclass(frozen=True, slots=True)
class SynonymRule:
    """Words that find more than themselves.

    Attributes:
        source: terms of the query that the rule applies to.
        targets: each is looked for as well; terms of one target are needed together.
    """

    source: tuple[str, ...]
    targets: tuple[tuple[str, ...], ...]


class Lexicon(Protocol):
    """Where words are looked up."""

    @property
    def products(self) -> int:
        """The number of products that the statistics were made of; 0 where there are none."""

    def stats(self, terms: Collection[str]) -> Mapping[str, TermStats]:
        """Return the terms that products have; those that none has are left out."""

    def spellings(self, word: str) -> Sequence[Spelling]:
        """Return words that ``word`` may have been meant for, best first."""

    def completions(self, prefix: str) -> Sequence[TermStats]:
        """Return terms that begin with ``prefix``, the most frequent first."""

    def synonyms(self, terms: Sequence[str]) -> Sequence[SynonymRule]:
        """Return the rules whose source occurs in ``terms``."""


class NoLexicon:
    """Knows nothing: every word may exist."""

    products = 0

    def stats(self, terms: Collection[str]) -> Mapping[str, TermStats]:
        del terms
        return {}

    def spellings(self, word: str) -> Sequence[Spelling]:
        del word
        return ()

    def completions(self, prefix: str) -> Sequence[TermStats]:
        del prefix
        return ()

    def synonyms(self, terms: Sequence[str]) -> Sequence[SynonymRule]:
        del terms
        return ()


def rarity(frequency: int, products: int) -> float:
    """Return how much a term tells: the inverse document frequency of BM25, at least 0.1."""
    if not products:
        return 1.0
    held = min(frequency, products)
    return max(0.1, math.log(1 + (products - held + 0.5) / (held + 0.5)))
