"""From token lines to vectors: TF-IDF with field weights, rows of length 1, so that a dot product is a cosine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from recommender.features import FIELD_WEIGHTS

Floats = NDArray[np.float32]
Matrix: TypeAlias = Any
"""A ``scipy.sparse.csr_matrix`` of float32; SciPy has no types."""
_MIN_PRODUCTS_FOR_RARE_TERMS = 1_000
"""In a catalogue smaller than this, a term that only one product has is kept; above, it can bring nobody together."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """The products of a catalogue as rows.

    Attributes:
        matrix: rows by terms, float32, each row of length 1, or 0 for a product without any known term.
        vectoriser: the fitted vectoriser, before field weights and normalisation.
        weights: idf times field weight of each term.
    """

    matrix: Matrix
    vectoriser: TfidfVectorizer
    weights: Floats

    @property
    def vocabulary(self) -> NDArray[np.object_]:
        """The tokens, by column."""
        return np.asarray(self.vectoriser.get_feature_names_out(), dtype=object)


class NothingToLearn(ValueError):
    """No product holds a term that a model could use."""


def fit_vectors(lines: Iterable[str], *, expected: int, max_terms: int) -> Vectors:
    """Learn the vocabulary from token lines and return their vectors.

    Args:
        lines: token lines; read once, never held.
        expected: about how many lines come; decides whether terms of a single product are worth their place.
        max_terms: size of the vocabulary; the rarest terms are dropped above it.

    Raises:
        NothingToLearn: there is no usable term in any line.
    """
    vectoriser = TfidfVectorizer(
        token_pattern=r"\S+",  # noqa: S106  (tokens of text)
        lowercase=False,
        sublinear_tf=True,
        norm=None,
        dtype=np.float32,
        min_df=1 if expected < _MIN_PRODUCTS_FOR_RARE_TERMS else 2,
        max_features=max_terms,
    )
    try:
        raw = vectoriser.fit_transform(lines)
    except ValueError as error:
        # Scikit-learn's only words for it: "empty vocabulary", or "no terms remain" where none occurs twice.
        if "empty vocabulary" not in str(error) and "no terms remain" not in str(error).lower():
            raise
        raise NothingToLearn("No product holds a word that a second one holds too.") from error
    names = vectoriser.get_feature_names_out()
    fields = np.array([FIELD_WEIGHTS[name.partition(":")[0]] for name in names], dtype=np.float32)
    return Vectors(
        matrix=_weighted(raw, fields),
        vectoriser=vectoriser,
        weights=(vectoriser.idf_ * fields).astype(np.float32),
    )


def transform_lines(vectoriser: TfidfVectorizer, weights: Floats, lines: Iterable[str]) -> Matrix:
    """Return the vectors of other products in the terms of a fitted vectoriser."""
    return _weighted(vectoriser.transform(lines), (weights / vectoriser.idf_).astype(np.float32))


def _weighted(raw: Any, fields: Floats) -> Matrix:
    raw.data *= fields[raw.indices]
    weighted = normalize(raw, copy=False)
    weighted.sort_indices()
    return csr_matrix(weighted, dtype=np.float32)


def embed(matrix: Matrix, *, dimensions: int, seed: int = 0) -> Floats:
    """Project rows to ``dimensions`` dense columns at random, so that dot products stay about the same.

    The error of a cosine c is about (1 - c^2) / sqrt(dimensions): small just where products are nearly the same
    (Johnson-Lindenstrauss; Li, Hastie and Church 2006).
    """
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((matrix.shape[1], dimensions), dtype=np.float32)
    embedded: Floats = np.asarray(matrix @ directions, dtype=np.float32)
    lengths = np.linalg.norm(embedded, axis=1, keepdims=True)
    np.divide(embedded, lengths, out=embedded, where=lengths > 0)
    return embedded
