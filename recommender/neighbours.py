"""Which products are nearest to which: exactly while that is quick, else within neighbouring clusters.

The nearest by cosine are the largest dot products of rows of length 1. Up to :data:`EXACT_LIMIT` rows every row
meets every other. Above, rows are clustered in a space of few dimensions, and a row meets those of the clusters
around its own (the inverted file of Sivic and Zisserman 2003; Jegou, Douze and Schmid 2011), with exact scores.
The number of rows in a cluster is fixed, so the work grows with the number of rows, not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.preprocessing import normalize
from sparse_dot_topn import sp_matmul_topn

from recommender.vectors import Floats, Matrix

Rows = NDArray[np.int32]
EXACT_LIMIT = 50_000
NOBODY = -1
"""Fills up the lists of rows that have fewer neighbours than others."""
_ROWS_AT_ONCE = 1024
_CLUSTER_ROWS = 1_000
_PROBES = 16
"""Clusters that a row meets, its own included."""
_SAMPLE_PER_CLUSTER = 50
"""Rows for each cluster from which the clusters are learned."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows whose neighbours are found together; ``cluster`` is -1 where they meet all rows."""

    rows: Rows
    cluster: int = -1


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest rows of some rows.

    Attributes:
        rows: shape (block, top), best first, filled up with :data:`NOBODY`.
        scores: their cosines, 0 where there is nobody.
    """

    rows: Rows
    scores: Floats


class NeighbourFinder:
    """Finds nearest rows of a matrix, block by block, so that memory does not grow with the number of rows.

    Args:
        matrix: rows of length 1 or 0.
        space: the rows in few dimensions, for the clusters.
        exact_limit: number of rows above which clusters are used.
    """

    def __init__(self, matrix: Matrix, space: Floats, *, exact_limit: int = EXACT_LIMIT) -> None:
        self.matrix = matrix
        self.is_exact = matrix.shape[0] <= exact_limit
        self._clusters: list[Rows] = []
        self._around: NDArray[np.intp] = np.empty((0, 0), dtype=np.intp)
        if not self.is_exact:
            self._cluster(space)

    def blocks(self) -> Iterator[Block]:
        """Yield all rows, in blocks."""
        if self.is_exact:
            for start in range(0, self.matrix.shape[0], _ROWS_AT_ONCE):
                yield Block(np.arange(start, min(start + _ROWS_AT_ONCE, self.matrix.shape[0]), dtype=np.int32))
            return
        for number, members in enumerate(self._clusters):
            for start in range(0, len(members), _ROWS_AT_ONCE):
                yield Block(members[start : start + _ROWS_AT_ONCE], number)

    def nearest(self, block: Block, *, top: int) -> Nearest:
        """Return the ``top`` nearest rows of each row of a block, never the row itself."""
        if block.cluster < 0:
            return self._best(block.rows, self._transposed, None, top)
        met = np.concatenate([self._clusters[number] for number in self._around[block.cluster]])
        return self._best(block.rows, self.matrix[met].T.tocsr(), met, top)

    def exact(self, rows: Rows, *, top: int) -> Nearest:
        """Return the ``top`` nearest among all rows, whatever the size."""
        return self._best(rows, self._transposed, None, top)

    @cached_property
    def _transposed(self) -> Matrix:
        return self.matrix.T.tocsr()

    def prepare(self) -> None:
        """Compute what all blocks share, before processes part."""
        if self.is_exact:
            _ = self._transposed

    def _best(self, rows: Rows, transposed: Matrix, met: Rows | None, top: int) -> Nearest:
        found = sp_matmul_topn(self.matrix[rows], transposed, top_n=top + 1, sort=True, n_threads=1)
        columns = found.indices if met is None else met[found.indices]
        lengths = np.diff(found.indptr)
        is_self = columns == np.repeat(rows, lengths)
        kept = ~is_self
        row_of = np.repeat(np.arange(len(rows)), lengths)[kept]
        counts = np.bincount(row_of, minlength=len(rows))
        place = np.arange(len(row_of)) - np.repeat(np.cumsum(counts) - counts, counts)
        within = place < top
        neighbours = np.full((len(rows), top), NOBODY, dtype=np.int32)
        scores = np.zeros((len(rows), top), dtype=np.float32)
        neighbours[row_of[within], place[within]] = columns[kept][within]
        scores[row_of[within], place[within]] = np.minimum(found.data[kept][within], 1.0)
        return Nearest(neighbours, scores)

    def _cluster(self, space: Floats) -> None:
        count = max(space.shape[0] // _CLUSTER_ROWS, 1)
        sample = np.random.default_rng(0).choice(
            space.shape[0], min(_SAMPLE_PER_CLUSTER * count, space.shape[0]), replace=False
        )
        model = MiniBatchKMeans(count, random_state=0, batch_size=8192, n_init=1, max_iter=10)
        model.fit(space[np.sort(sample)])
        labels = model.predict(space)
        order = np.argsort(labels, kind="stable").astype(np.int32)
        bounds = np.searchsorted(labels[order], np.arange(count + 1))
        self._clusters = [order[bounds[number] : bounds[number + 1]] for number in range(count)]
        centres = normalize(model.cluster_centers_)
        self._around = np.argsort(-(centres @ centres.T), axis=1)[:, :_PROBES]
