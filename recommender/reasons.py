"""Why one product is recommended beside another: the features that both have, and how to say so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.products import Product
from recommender.diversity import NEARLY_SAME
from recommender.neighbours import NOBODY, Rows
from recommender.vectors import Matrix

MAX_FEATURES = 16
"""Features of a product that can be told, so that those shared with a neighbour fit into 16 bits."""
_TOLD = 2
_WORD = "“"


class SharedFeatures:
    """Finds the features that a product shares with its neighbours, for one process.

    Args:
        matrix: rows by terms.
        labels: what to tell of each term; empty where there is nothing to tell.
    """

    def __init__(self, matrix: Matrix, labels: NDArray[np.object_]) -> None:
        self._matrix = matrix
        self._labels = labels
        self._telling = labels != ""
        # Facts are told rather than words, unless a word says much more.
        self._factor = np.array([0.5 if label.startswith(_WORD) else 1.0 for label in labels], dtype=np.float32)
        self._bit = np.zeros(matrix.shape[1], dtype=np.uint16)

    def of_row(self, row: int, neighbours: Rows) -> tuple[list[str], list[int]]:
        """Return a row's features, most telling first, and for each neighbour the bits of those that it shares."""
        columns, values = self._row(row)
        telling = self._telling[columns]
        columns, values = columns[telling], values[telling] * self._factor[columns[telling]]
        columns = columns[np.argsort(-values, kind="stable")[:MAX_FEATURES]]
        real = neighbours[neighbours != NOBODY]
        if not len(real):
            return [], []
        self._bit[columns] = 1 << np.arange(len(columns), dtype=np.uint16)
        starts, ends = self._matrix.indptr[real], self._matrix.indptr[real + 1]
        terms = np.concatenate([self._matrix.indices[start:end] for start, end in zip(starts, ends, strict=True)])
        # A neighbour has at least one term, so no part is empty.
        parts = np.concatenate(([0], np.cumsum(ends - starts)[:-1]))
        masks: list[int] = np.bitwise_or.reduceat(self._bit[terms], parts).tolist()
        self._bit[columns] = 0
        return [self._labels[column] for column in columns], masks

    def _row(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        part = slice(self._matrix.indptr[row], self._matrix.indptr[row + 1])
        return self._matrix.indices[part], self._matrix.data[part]


def shared_labels(features: Sequence[str], mask: int) -> list[str]:
    """Return the features whose bits are set."""
    return [label for number, label in enumerate(features) if mask >> number & 1]


def tell_reason(item: Product, neighbour: Product, *, score: float, shared: Sequence[str]) -> str:
    """Say in words why ``neighbour`` is shown beside ``item``.

    Args:
        score: their cosine.
        shared: features that both have, most telling first.
    """
    parts = [_relation(item, neighbour, score)]
    facts = [label for label in shared if not label.startswith(_WORD)]
    said = " ".join((item.product_type, *item.category_path, item.brand)).casefold()
    words = [label for label in shared if label.startswith(_WORD) and label.strip("“”").casefold() not in said]
    if facts:
        parts.append(f"both with {' and '.join(facts[:_TOLD])}")
    elif words:
        parts.append(f"both {' and '.join(words[:_TOLD])}")
    text = ", ".join(part for part in parts if part) or "Much the same words"
    return text[0].upper() + text[1:]


def _relation(item: Product, neighbour: Product, score: float) -> str:
    if score >= NEARLY_SAME:
        return "Nearly the same product"
    brand = " and brand" if item.brand and item.brand == neighbour.brand else ""
    if item.product_type and item.product_type == neighbour.product_type:
        return f"same type{brand}"
    if item.category_path == neighbour.category_path:
        return f"also in {item.category}" + (", same brand" if brand else "")
    return "same brand" if brand else ""
