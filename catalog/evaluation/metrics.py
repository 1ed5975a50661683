"""Measures of ranked results against graded judgements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

Grades = Mapping[str, int]
"""Judged products of one query by sku: 0 is irrelevant, 3 is what was asked for."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means over queries, each from 0 to 1.

    Attributes:
        queries: number of queries with a relevant product, which the means are over.
        ndcg: NDCG@10, products without a judgement counting as irrelevant.
        ndcg_judged: NDCG@10 of the results that were judged, the others left out.
        mrr: reciprocal rank of the first relevant result among the first 10.
        recall: share of the relevant products among the first 50 results.
        nothing_found: share of all queries, relevant products or not, without any result.
    """

    queries: int
    ndcg: float
    ndcg_judged: float
    mrr: float
    recall: float
    nothing_found: float


def ndcg_at_k(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """Return the normalised discounted cumulative gain of the first ``k`` results; gain is the grade.

    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    ideal = _dcg(sorted(grades.values(), reverse=True)[:k])
    return _dcg([grades.get(sku, 0) for sku in ranked[:k]]) / ideal if ideal else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """Return 1 over the rank of the first relevant result among ``k``, or 0."""
    return next((1 / rank for rank, sku in enumerate(ranked[:k], start=1) if grades.get(sku, 0) > 0), 0.0)


def recall_at_k(ranked: Sequence[str], grades: Grades, k: int = 50) -> float:
    """Return the share of the relevant products that are among the first ``k`` results."""
    relevant = {sku for sku, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def measure(results: Mapping[str, Sequence[str]], judgements: Mapping[str, Grades]) -> Metrics:
    """Measure the results of all judged queries; means are over the queries that have a relevant product.

    Args:
        results: skus by query, best first, as many as there are up to 50 judged ones and more.
    """
    telling = {query: grades for query, grades in judgements.items() if any(grades.values())}
    return Metrics(
        queries=len(telling),
        ndcg=_mean([ndcg_at_k(results[query], grades) for query, grades in telling.items()]),
        ndcg_judged=_mean(
            [ndcg_at_k([sku for sku in results[query] if sku in grades], grades) for query, grades in telling.items()]
        ),
        mrr=_mean([reciprocal_rank(results[query], grades) for query, grades in telling.items()]),
        recall=_mean([recall_at_k(results[query], grades) for query, grades in telling.items()]),
        nothing_found=_mean([float(not results[query]) for query in judgements]),
    )


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
