"""From the nearest products to a list worth showing: no two of nearly the same thing, and some variety."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.features import NEARLY_SAME
from recommender.neighbours import NOBODY, Nearest
from recommender.vectors import Floats


@dataclass(frozen=True, slots=True)
class Selection:
    """How lists are made.

    Attributes:
        length: entries of a list.
        diversity: from 0, order of similarity, to 1, each as unlike those before it as possible.
    """

    length: int = 24
    diversity: float = 0.25


_ROWS_AT_ONCE = 256


def select_in_parts(nearest: Nearest, space: Floats, selection: Selection) -> Nearest:
    """Do what :func:`select` does, some rows at a time: comparing all candidates with each other takes memory."""
    parts = [
        select(Nearest(nearest.rows[part], nearest.scores[part]), space, selection)
        for part in (slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(nearest.rows), _ROWS_AT_ONCE))
    ]
    return Nearest(np.concatenate([part.rows for part in parts]), np.concatenate([part.scores for part in parts]))


def select(nearest: Nearest, space: Floats, selection: Selection) -> Nearest:
    """Choose and order entries by maximal marginal relevance (Carbonell and Goldstein 1998), for all rows at once.

    An entry that is nearly the same as one already chosen is left out, so a list holds one version of a thing.

    Args:
        nearest: candidates, best first.
        space: the dense vectors of all rows, of length 1, in which entries are compared with each other.
    """
    rows, width = nearest.rows.shape
    candidates = space[np.maximum(nearest.rows, 0)]
    likeness = candidates @ candidates.transpose(0, 2, 1)
    open_ = nearest.rows != NOBODY
    redundancy = np.zeros((rows, width), dtype=np.float32)
    length = min(selection.length, width)
    chosen_rows = np.full((rows, length), NOBODY, dtype=np.int32)
    chosen_scores = np.zeros((rows, length), dtype=np.float32)
    everyone = np.arange(rows)
    for place in range(length):
        merit = (1 - selection.diversity) * nearest.scores - selection.diversity * redundancy
        best = np.where(open_, merit, -np.inf).argmax(axis=1)
        found = open_[everyone, best]
        if not found.any():
            break
        chosen_rows[found, place] = nearest.rows[everyone, best][found]
        chosen_scores[found, place] = nearest.scores[everyone, best][found]
        to_best = likeness[everyone, best]
        redundancy = np.maximum(redundancy, to_best)
        open_ &= to_best < NEARLY_SAME
        open_[everyone, best] = False
    return Nearest(chosen_rows, chosen_scores)
