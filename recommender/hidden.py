"""Evaluation with a field hidden: agreement in a field that the model has read proves little."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from catalog.products import Product
from recommender.corpus import UNKNOWN, Corpus
from recommender.diversity import Selection, select_in_parts
from recommender.evaluation import Metrics, evaluate, sample_rows
from recommender.materialising import CANDIDATES, Materialised, real_rows
from recommender.neighbours import NeighbourFinder
from recommender.vectors import embed, fit_vectors

_SAMPLE = 2_000
_DIMENSIONS = 96
_MAX_TERMS = 250_000


@dataclass(frozen=True, slots=True)
class HiddenEvaluation:
    """Metrics by contender, and how many products they rest on."""

    products: int
    with_type: int
    metrics: dict[str, Metrics]


def evaluate_without(products: Iterable[Product], *, hide: str) -> HiddenEvaluation:
    """Learn from ``products`` in memory with a field hidden, and measure a sample; stores nothing.

    Args:
        hide: ``type``, ``category``, ``both`` or ``nothing``. The words of names and descriptions stay.

    Raises:
        NothingToLearn: there are no products, or no words.
    """
    corpus = Corpus(products, read_as=lambda product: _masked(product, hide))
    vectors = fit_vectors(corpus.lines(), expected=0, max_terms=_MAX_TERMS)
    space = embed(vectors.matrix, dimensions=_DIMENSIONS)
    finder = NeighbourFinder(vectors.matrix, space)
    sample = sample_rows(vectors.matrix.shape[0], size=_SAMPLE)
    nearest = finder.exact(np.asarray(sample, dtype=np.int32), top=CANDIDATES)
    lists = select_in_parts(nearest, space, Selection())
    done = Materialised(
        recommended=np.empty(0, dtype=np.bool_),
        nearest={row: real_rows(nearest.rows[place]) for place, row in enumerate(sample)},
        lists={row: real_rows(lists.rows[place]) for place, row in enumerate(sample)},
    )
    return HiddenEvaluation(
        products=len(corpus),
        with_type=int((corpus.types != UNKNOWN).sum()),
        metrics=evaluate(corpus=corpus, matrix=vectors.matrix, finder=finder, done=done),
    )


def _masked(product: Product, hide: str) -> Product:
    if hide in ("type", "both"):
        # A feed may repeat the type among the attributes.
        rest = {name: value for name, value in product.attributes.items() if value != product.product_type}
        product = replace(product, product_type="", attributes=rest)
    return replace(product, category_path=("–",)) if hide in ("category", "both") else product
