"""What a model is worth, measured on a sample of its products, beside ways to recommend that need no model.

Everything is in rows of the corpus, so products with the same tokens count once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.corpus import UNKNOWN, Corpus
from recommender.materialising import Materialised
from recommender.models import MODEL
from recommender.neighbours import NOBODY, NeighbourFinder
from recommender.vectors import Matrix

Metrics = dict[str, float | None]
AGREEMENT_AT, LIST_AT = 5, 10
_TIE = 1e-4
"""Cosines that differ by less are the same: rows that tie with the tenth may take its place."""
_BASELINE_SAMPLE = 300
GUARDED = ("type_agreement_at_5", "category_agreement_at_5", "overlap_at_10", "coverage", "served")
"""Metrics of which none may fall when a model goes live."""


@dataclass(frozen=True)
class Facts:
    """Type, category, brand and popularity of each row: those of the product that stands for it."""

    types: NDArray[np.int32]
    categories: NDArray[np.int32]
    brands: NDArray[np.int32]
    popularity: NDArray[np.int32]

    @classmethod
    def of(cls, corpus: Corpus) -> Facts:
        """Return the facts of the rows of a corpus."""
        first = corpus.members[corpus.starts[:-1]]
        return cls(corpus.types[first], corpus.categories[first], corpus.brands[first], corpus.popularity[first])


def sample_rows(count: int, *, size: int, seed: int = 0) -> list[int]:
    """Return at most ``size`` of ``count`` rows, drawn at random but always the same."""
    chosen = np.random.default_rng(seed).choice(count, min(size, count), replace=False)
    return sorted(int(row) for row in chosen)


def evaluate(
    *, corpus: Corpus, matrix: Matrix, finder: NeighbourFinder, done: Materialised, exact_sample: int = 500
) -> dict[str, Metrics]:
    """Return the metrics of the model and of the baselines, by contender.

    Args:
        done: what was materialised, with the lists of the sample.
        exact_sample: rows whose neighbours are also computed exactly, for the overlap.
    """
    facts = Facts.of(corpus)
    rows = sorted(done.lists)
    judge = _Judge(matrix, facts)
    metrics = {MODEL: judge.metrics({row: done.lists[row] for row in rows})}
    metrics[MODEL] |= {
        "overlap_at_10": overlap_with_exact(finder, done.nearest, rows[:: max(len(rows) // exact_sample, 1)]),
        "coverage": float(done.recommended.mean()) if done.products else None,
        "served": done.with_neighbours / done.products if done.products else None,
    }
    for name, (recommend, coverage) in _baselines(facts).items():
        judged = judge.metrics({row: recommend(row) for row in rows[:: max(len(rows) // _BASELINE_SAMPLE, 1)]})
        metrics[name] = judged | {"coverage": coverage}
    return metrics


def overlap_with_exact(
    finder: NeighbourFinder, nearest: Mapping[int, Sequence[int]], rows: Sequence[int]
) -> float | None:
    """Return the mean share of the exact ten nearest that were found, over ``rows`` that have any.

    A found row counts when its cosine is not below that of the tenth exact one: ties have no order of their own.
    """
    if not rows:
        return None
    exact = finder.exact(np.asarray(rows, dtype=np.int32), top=LIST_AT)
    shares = []
    for place, row in enumerate(rows):
        wanted = int((exact.rows[place] != NOBODY).sum())
        if not wanted:
            continue
        found = np.asarray(nearest[row][:LIST_AT], dtype=np.int32)
        cosines = np.asarray((finder.matrix[found] @ finder.matrix[row].T).todense()).ravel()
        shares.append(min(int((cosines >= exact.scores[place][wanted - 1] - _TIE).sum()), wanted) / wanted)
    return float(np.mean(shares)) if shares else None


def fallen_metrics(new: Metrics, live: Mapping[str, float | None], *, margin: float) -> list[str]:
    """Return in words which guarded metrics of a new model fall below the live one's by more than ``margin``."""
    fallen = []
    for name in GUARDED:
        before, after = live.get(name), new.get(name)
        if before is not None and (after is None or after < before - margin):
            fallen.append(f"{name.replace('_', ' ')} {'none' if after is None else f'{after:.3f}'} after {before:.3f}")
    return fallen


class _Judge:
    def __init__(self, matrix: Matrix, facts: Facts) -> None:
        self._matrix = matrix
        self._facts = facts

    def metrics(self, lists: Mapping[int, Sequence[int]]) -> Metrics:
        return {
            f"type_agreement_at_{AGREEMENT_AT}": self._agreement(self._facts.types, lists),
            f"category_agreement_at_{AGREEMENT_AT}": self._agreement(self._facts.categories, lists),
            f"brand_agreement_at_{AGREEMENT_AT}": self._agreement(self._facts.brands, lists),
            f"similarity_at_{LIST_AT}": self._similarity(lists),
            f"diversity_at_{LIST_AT}": self._diversity(lists),
        }

    def _agreement(self, values: NDArray[np.int32], lists: Mapping[int, Sequence[int]]) -> float | None:
        shares = [
            float(np.mean(values[list(found[:AGREEMENT_AT])] == values[row]))
            for row, found in lists.items()
            if values[row] != UNKNOWN and len(found)
        ]
        return float(np.mean(shares)) if shares else None

    def _similarity(self, lists: Mapping[int, Sequence[int]]) -> float | None:
        means = [
            float((self._matrix[list(found[:LIST_AT])] @ self._matrix[row].T).sum()) / len(found[:LIST_AT])
            for row, found in lists.items()
            if len(found)
        ]
        return float(np.mean(means)) if means else None

    def _diversity(self, lists: Mapping[int, Sequence[int]]) -> float | None:
        values = []
        for found in lists.values():
            size = len(found[:LIST_AT])
            if size < 2:
                continue
            part = self._matrix[list(found[:LIST_AT])]
            gram = (part @ part.T).toarray()
            values.append(1 - float(gram.sum() - np.trace(gram)) / (size * (size - 1)))
        return float(np.mean(values)) if values else None


Recommend = Callable[[int], list[int]]


def _baselines(facts: Facts) -> dict[str, tuple[Recommend, float]]:
    """Return the ways to recommend without a model, each with the share of all rows that it can ever show."""
    count = len(facts.types)
    generator = np.random.default_rng(1)
    ranked = np.argsort(-facts.popularity, kind="stable")
    in_category, in_brand = _groups(facts.categories), _groups(facts.brands)
    best = {key: rows[np.argsort(-facts.popularity[rows], kind="stable")] for key, rows in in_category.items()}

    def from_random(row: int) -> list[int]:
        return _without(row, generator.integers(0, count, LIST_AT + 1))

    def from_popular(row: int) -> list[int]:
        return _without(row, ranked[: LIST_AT + 1])

    def from_category(row: int) -> list[int]:
        return _without(row, best[int(facts.categories[row])][: LIST_AT + 1])

    def from_brand(row: int) -> list[int]:
        rows = in_brand[int(facts.brands[row])]
        return _without(row, generator.choice(rows, min(LIST_AT + 1, len(rows)), replace=False))

    shown_by_category = sum(min(len(rows), LIST_AT + 1) for rows in in_category.values())
    return {
        "random": (from_random, 1.0),
        "popular": (from_popular, min(LIST_AT + 1, count) / count),
        "same category, popular": (from_category, shown_by_category / count),
        "same brand, random": (from_brand, 1.0),
    }


def _groups(values: NDArray[np.int32]) -> dict[int, NDArray[np.intp]]:
    order = np.argsort(values, kind="stable")
    keys, starts = np.unique(values[order], return_index=True)
    return {int(key): rows for key, rows in zip(keys, np.split(order, starts[1:]), strict=True)}


def _without(row: int, rows: NDArray[np.signedinteger]) -> list[int]:
    return [int(other) for other in rows if other != row][:LIST_AT]
