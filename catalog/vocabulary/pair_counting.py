"""Count frequent words in pairs; apart from :mod:`catalog.vocabulary.pairs`, as web workers do without numpy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.lexicon import pair_key
from catalog.vocabulary.pairs import COMPLETE, OFTEN, held_by
from catalog.vocabulary.store import PAIRS

_PIECE = 20_000
_INSERTS = 1_000


def build_pairs(database: mongo.Documents, words: Sequence[str], progress: Progress) -> None:
    """Count ``words`` in pairs over all products, and put the result in the place of the former one."""
    columns = {word: column for column, word in enumerate(words)}
    counts = np.zeros((len(words), len(words)), dtype=np.int64)
    total = max(database[PRODUCTS].estimated_document_count(), 1)
    done = 0
    progress.begin("Pairs of words", 2 * total, shows_rate=True)
    for identifiers, matrix in _pieces(database, columns):
        counts += (matrix.T @ matrix).toarray()
        done += len(identifiers)
        progress.update(done)
    alone = np.diag(counts)
    often = counts > np.maximum(OFTEN * np.minimum(alone[:, None], alone[None, :]), 1)
    seldom = (counts > 0) & (counts <= COMPLETE) & ~often
    seldom &= np.triu(np.ones_like(seldom), 1).astype(bool)
    found: defaultdict[tuple[int, int], list[ObjectId]] = defaultdict(list)
    for identifiers, matrix in _pieces(database, columns):
        for row, left, right in _pairs_in(matrix, seldom):
            found[left, right].append(identifiers[row])
        done += len(identifiers)
        progress.update(done)
    _store(database, words, counts, found)
    progress.end()


def _pairs_in(matrix: csr_matrix[np.int64], wanted: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Yield row and columns of the pairs of ``wanted`` that rows hold, for all rows of one length at once."""
    lengths = np.diff(matrix.indptr)
    for length in np.unique(lengths[lengths > 1]).tolist():
        rows = np.nonzero(lengths == length)[0]
        held = matrix.indices[matrix.indptr[rows][:, None] + np.arange(length)]
        first, second = np.triu_indices(length, 1)
        lefts, rights = held[:, first], held[:, second]
        where, which = np.nonzero(wanted[lefts, rights])
        yield from zip(rows[where].tolist(), lefts[where, which].tolist(), rights[where, which].tolist(), strict=True)


def _pieces(
    database: mongo.Documents, columns: Mapping[str, int]
) -> Iterator[tuple[list[ObjectId], csr_matrix[np.int64]]]:
    identifiers: list[ObjectId] = []
    starts, indices = [0], list[int]()
    for document in database[PRODUCTS].find({"active": True}, {"words": 1, "terms": 1}).sort("_id", 1):
        identifiers.append(document["_id"])
        indices += sorted(columns[word] for word in held_by(document) if word in columns)
        starts.append(len(indices))
        if len(identifiers) == _PIECE:
            yield identifiers, _matrix(starts, indices, len(columns))
            identifiers, starts, indices = [], [0], []
    if identifiers:
        yield identifiers, _matrix(starts, indices, len(columns))


def _matrix(starts: list[int], indices: list[int], width: int) -> csr_matrix[np.int64]:
    ones = np.ones(len(indices), dtype=np.int64)
    return csr_matrix((ones, np.array(indices, dtype=np.int32), np.array(starts)), shape=(len(starts) - 1, width))


def _store(
    database: mongo.Documents,
    words: Sequence[str],
    counts: NDArray[np.int64],
    found: Mapping[tuple[int, int], Sequence[ObjectId]],
) -> None:
    fresh = database[f"{PAIRS}_next"]
    fresh.drop()
    database.create_collection(fresh.name)
    batch: list[dict[str, Any]] = []
    for left, right in zip(*np.nonzero(np.triu(counts, 1)), strict=True):
        ids = found.get((int(left), int(right)))
        document: dict[str, Any] = {"_id": pair_key(words[left], words[right]), "complete": ids is not None}
        batch.append(document | ({"ids": list(ids)} if ids is not None else {}))
        if len(batch) == _INSERTS:
            fresh.insert_many(batch, ordered=False)
            batch = []
    if batch:
        fresh.insert_many(batch, ordered=False)
    fresh.rename(PAIRS, dropTarget=True)
