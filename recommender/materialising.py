"""Write each product's neighbours to MongoDB, block by block, in as many processes as there are cores to use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recommender.corpus import Corpus
from recommender.diversity import Selection, select_in_parts
from recommender.neighbours import NOBODY, Block, NeighbourFinder, Rows
from recommender.repository import insert_neighbours
from recommender.shared import SharedFeatures
from recommender.vectors import Floats, Matrix
from recommender.workers import run_forked

CANDIDATES = 64
"""Nearest rows among which a list is chosen."""
_DOCUMENTS_AT_ONCE = 2_000
_FEW = 5_000
"""Up to this number of rows a second process would take longer to start than to work."""

Document = tuple[bytes, list[bytes], list[int], list[str], list[int]]


@dataclass(frozen=True)
class Job:
    """All that a process needs; read-only.

    Attributes:
        features: finds what a product shares with its neighbours.
        sample: rows whose neighbours the evaluation looks at.
    """

    version: str
    corpus: Corpus
    matrix: Matrix
    space: Floats
    features: SharedFeatures
    finder: NeighbourFinder
    selection: Selection
    sample: frozenset[int]


@dataclass
class Materialised:
    """What was written.

    Attributes:
        products: documents.
        with_neighbours: those whose list is not empty.
        recommended: for each row, whether it is in the list of another.
        nearest: for rows of the sample, the rows nearest to them, before lists were chosen.
        lists: for rows of the sample, the rows of their lists.
    """

    recommended: NDArray[np.bool_]
    products: int = 0
    with_neighbours: int = 0
    nearest: dict[int, list[int]] = field(default_factory=dict)
    lists: dict[int, list[int]] = field(default_factory=dict)


def materialise(job: Job, *, processes: int, advance: Callable[[int], None]) -> Materialised:
    """Find and store the neighbours of all products.

    Args:
        advance: told how many products more are done.

    Raises:
        WorkerFailed: a process was killed, as when memory has run out.
    """
    done = Materialised(recommended=np.zeros(job.matrix.shape[0], dtype=np.bool_))
    blocks = list(job.finder.blocks())
    if processes < 2 or job.matrix.shape[0] <= _FEW:
        for block in blocks:
            _add(done, _write_block(job, block), advance)
        return done
    # Computed before the processes part, so that they share it.
    job.finder.prepare()
    _ = job.corpus.members, job.corpus.starts, job.corpus.ids
    for written in run_forked(partial(_write_block, job), blocks, processes=processes):
        _add(done, written, advance)
    return done


@dataclass(frozen=True)
class _Written:
    products: int
    with_neighbours: int
    recommended: Rows
    nearest: dict[int, list[int]]
    lists: dict[int, list[int]]


def _write_block(job: Job, block: Block) -> _Written:
    nearest = job.finder.nearest(block, top=CANDIDATES)
    lists = select_in_parts(nearest, job.space, job.selection)
    documents: list[Document] = []
    count = filled = 0
    for place, row in enumerate(block.rows):
        for document in _documents(job, int(row), lists.rows[place], lists.scores[place]):
            documents.append(document)
            count += 1
            filled += bool(document[1])
            if len(documents) >= _DOCUMENTS_AT_ONCE:
                insert_neighbours(job.version, documents)
                documents = []
    insert_neighbours(job.version, documents)
    sampled = [(place, int(row)) for place, row in enumerate(block.rows) if int(row) in job.sample]
    return _Written(
        products=count,
        with_neighbours=filled,
        recommended=np.unique(lists.rows[lists.rows != NOBODY]),
        nearest={row: real_rows(nearest.rows[place]) for place, row in sampled},
        lists={row: real_rows(lists.rows[place]) for place, row in sampled},
    )


def _documents(job: Job, row: int, neighbours: Rows, scores: Floats) -> Iterator[Document]:
    """Yield the documents of a row's products: alike, but for a twin at the head that is not the product itself."""
    corpus = job.corpus
    members = corpus.members[corpus.starts[row] : corpus.starts[row + 1]]
    real = neighbours[neighbours != NOBODY]
    features, masks = job.features.of_row(row, real)
    others = [corpus.ids[corpus.members[corpus.starts[neighbour]]].tobytes() for neighbour in real]
    thousandths = [round(float(score) * 1000) for score in scores[: len(real)]]
    for member in members:
        identifier = corpus.ids[member].tobytes()
        twin = members[1] if member == members[0] and len(members) > 1 else members[0]
        if twin == member:
            yield identifier, others, thousandths, features, masks
        else:
            head = corpus.ids[twin].tobytes()
            yield identifier, [head, *others], [1000, *thousandths], features, [0, *masks]


def real_rows(rows: Rows) -> list[int]:
    """Return the entries of a list without what fills it up."""
    return [int(row) for row in rows if row != NOBODY]


def _add(done: Materialised, written: _Written, advance: Callable[[int], None]) -> None:
    done.products += written.products
    done.with_neighbours += written.with_neighbours
    done.recommended[written.recommended] = True
    done.nearest.update(written.nearest)
    done.lists.update(written.lists)
    advance(written.products)
