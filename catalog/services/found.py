"""What finding a page of results yields."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.products import Product
from catalog.search.cursor import Cursor
from catalog.search.facets import Facets
from catalog.search.lexicon import TermStats
from catalog.search.meaning import Interpretation
from catalog.search.plan import Narrowing, Phase
from catalog.search.ranking import Score

PARTIAL_SECONDS = 5.0
"""So long an answer counts as fresh that is not complete because time ran out: a busy moment must not last a minute."""


@dataclass(frozen=True, slots=True)
class Result:
    """A product with its score, where that was asked for.

    Attributes:
        has_all: whether it has all words of the query.
        pinned: whether staff has put it there.
    """

    product: Product
    score: Score | None = None
    has_all: bool = True
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results.

    Attributes:
        meaning: what was searched for; ``None`` where the query holds no word.
        results: in order.
        total: number of all results, exact or at least that many.
        next_page: where the next page begins; ``None`` at the end.
        facets: ``None`` where there are no results, or on later pages.
        complete: whether everything was looked at; if not, there may be more than is shown.
        strong_only: whether results are only what has all words in name, brand, type or category.
    """

    meaning: Interpretation | None
    results: tuple[Result, ...]
    total: int
    exact: bool
    next_page: Cursor | None
    facets: Facets | None
    complete: bool = True
    strong_only: bool = False


NOTHING = Page(None, (), 0, exact=True, next_page=None, facets=None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One meaning of a query: the how manyeth it is, how many words it lacks, and its plan.

    Attributes:
        is_walked: whether walking to all results is quicker than to find out their numbers.
    """

    meaning: Interpretation
    number: int
    everything: Phase
    frequencies: dict[str, TermStats]
    narrowing: Narrowing
    is_walked: bool
