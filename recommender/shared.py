"""The features that each product shares with its neighbours, found for a whole catalogue at training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.neighbours import NOBODY, Rows
from recommender.reasons import MAX_FEATURES, WORD_MARK
from recommender.vectors import Matrix


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
        self._factor = np.array([0.5 if label.startswith(WORD_MARK) else 1.0 for label in labels], dtype=np.float32)
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
