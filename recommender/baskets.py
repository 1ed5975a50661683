"""Do neighbours by text go together in baskets? A sanity check on invoices, without any behaviour in the model.

The seam for recommendations from behaviour is :data:`Ranker`: whatever ranks items for a basket can be measured here
beside the others.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from catalog.search.analysis import tokens
from recommender.vectors import Vectors, fit_vectors

AT = 20
_LONGEST = 200
_COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate")

Ranker = Callable[[Sequence[str]], Sequence[str]]
"""Ranks items that are not in a basket, best first, for the items in it."""


class BadBaskets(ValueError):
    """The file is not what it should be; the message says how."""


@dataclass(frozen=True, slots=True)
class BasketResult:
    """Share of baskets whose hidden last item was among the first ``at``, by ranker."""

    items: int
    learned: int
    asked: int
    at: int
    rates: dict[str, float]


@dataclass(slots=True)
class _Baskets:
    learned: list[list[str]]
    asked: list[list[str]]
    descriptions: dict[str, str]


def evaluate_baskets(path: Path, *, test_from: datetime) -> BasketResult:
    """Hide the last line of each later basket and see who finds it.

    Args:
        path: invoice lines as CSV; cancellations and lines without a description or a quantity are left out.
        test_from: baskets of this day and later are asked about; items and their words come from those before.

    Raises:
        BadBaskets: columns are missing, a date cannot be read, or there is nothing to ask about.
    """
    baskets = _read(path, test_from)
    known = sorted(baskets.descriptions)
    asked = [basket for basket in baskets.asked if len(basket) > 1]
    if not baskets.learned or not asked:
        raise BadBaskets(f"{path.name} has no baskets of several items both before and after {test_from:%Y-%m-%d}.")
    popularity = Counter(item for basket in baskets.learned for item in basket)
    rankers: dict[str, Ranker] = {
        "popularity": _popular(popularity),
        "text, as in similar products": _by_text(known, baskets.descriptions),
        "bought together (the bar for behaviour)": _by_baskets(baskets.learned),
    }
    rates = {name: _hit_rate(ranker, asked) for name, ranker in rankers.items()}
    return BasketResult(items=len(known), learned=len(baskets.learned), asked=len(asked), at=AT, rates=rates)


def _hit_rate(ranker: Ranker, baskets: Sequence[Sequence[str]]) -> float:
    return sum(basket[-1] in ranker(basket[:-1])[:AT] for basket in baskets) / len(baskets)


def _popular(popularity: Mapping[str, int]) -> Ranker:
    ranked = sorted(popularity, key=lambda item: (-popularity[item], item))

    def rank(basket: Sequence[str]) -> Sequence[str]:
        held = set(basket)
        return [item for item in ranked[: AT + len(held)] if item not in held][:AT]

    return rank


def _by_text(known: Sequence[str], descriptions: Mapping[str, str]) -> Ranker:
    vectors: Vectors = fit_vectors(
        (" ".join(f"w:{token.term}" for token in tokens(descriptions[item])) for item in known),
        expected=len(known),
        max_terms=50_000,
    )
    place = {item: row for row, item in enumerate(known)}

    def rank(basket: Sequence[str]) -> Sequence[str]:
        rows = [place[item] for item in basket if item in place]
        scores = np.asarray((vectors.matrix @ vectors.matrix[rows].T).sum(axis=1)).ravel()
        scores[rows] = -1.0
        return [known[row] for row in np.argsort(-scores, kind="stable")[:AT] if scores[row] > 0]

    return rank


def _by_baskets(learned: Sequence[Sequence[str]]) -> Ranker:
    """Rank by cosine of occurrence in baskets (Sarwar et al. 2001)."""
    # Longer baskets are those of resellers: they hold a bit of everything.
    shorter = [basket for basket in learned if len(basket) <= _LONGEST]
    known = sorted({item for basket in shorter for item in basket})
    place = {item: column for column, item in enumerate(known)}
    columns = [place[item] for basket in shorter for item in basket]
    starts = np.cumsum([0, *map(len, shorter)])
    held = csr_matrix((np.ones(len(columns), dtype=np.float32), columns, starts), shape=(len(shorter), len(known)))
    by_item = normalize(held.T.tocsr())
    together = (by_item @ by_item.T).tocsr()

    def rank(basket: Sequence[str]) -> Sequence[str]:
        rows = [place[item] for item in basket if item in place]
        scores = np.asarray(together[rows].sum(axis=0)).ravel()
        scores[rows] = -1.0
        return [known[row] for row in np.argsort(-scores, kind="stable")[:AT] if scores[row] > 0]

    return rank


def _read(path: Path, test_from: datetime) -> _Baskets:
    invoices: dict[str, dict[str, None]] = {}
    dates: dict[str, datetime] = {}
    descriptions: dict[str, str] = {}
    with _opened(path) as file:
        rows = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise BadBaskets(f"{path.name} lacks the columns {', '.join(missing)}.")
        for number, row in enumerate(_sales(rows), start=2):
            invoice, item = row["InvoiceNo"], row["StockCode"]
            try:
                date = datetime.fromisoformat(row["InvoiceDate"])
            except ValueError as error:
                raise BadBaskets(f"{path.name}, about line {number}: {error}.") from error
            dates.setdefault(invoice, date)
            invoices.setdefault(invoice, {})[item] = None
            if date < test_from:
                descriptions.setdefault(item, row["Description"])
    learned = [list(items) for invoice, items in invoices.items() if dates[invoice] < test_from]
    asked = [list(items) for invoice, items in invoices.items() if dates[invoice] >= test_from]
    return _Baskets(learned, asked, descriptions)


def _sales(rows: Iterator[dict[str, str]] | csv.DictReader[str]) -> Iterator[dict[str, str]]:
    for row in rows:
        quantity = row["Quantity"].strip()
        if row["Description"].strip() and quantity.isdigit() and quantity != "0" and row["InvoiceNo"][:1] != "C":
            yield row


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")
