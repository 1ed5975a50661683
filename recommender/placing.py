"""Neighbours for a product that is newer than the model, computed when it is asked for.

No worker holds a model for that. The weights of the terms lie in MongoDB, a document each, so a product asks for
those of its own few dozen terms; the search index finds candidates by its most telling terms; and candidates get the
same vectors and the same cosines as in training. At most :data:`_CANDIDATES` products are in memory at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from catalog.products import Product
from catalog.repository import products_with_terms
from catalog.search.index_keys import brand_term, category_key, category_term
from recommender.features import NEARLY_SAME, product_features
from recommender.repository import term_weights

_CANDIDATES = 150
_A_QUERY = 40
_QUERIES = 6
_TELLING = 4
_TOLD = 16

Vector = dict[str, float]


@dataclass(frozen=True, slots=True)
class Placed:
    """A neighbour of a new product, with the features that both have, most telling first."""

    product: Product
    score: float
    shared: tuple[str, ...]


def place_product(version: str, item: Product, *, limit: int) -> list[Placed]:
    """Return the products most similar to ``item`` among candidates that the search index knows, best first.

    Returns:
        nothing if the model does not know any of the product's terms, or the index nobody with them.
    """
    counts = Counter(feature.token for feature in product_features(item))
    weights = term_weights(version, counts)
    vector = _vector(counts, weights)
    if not vector:
        return []
    candidates = _candidates(item, vector)
    of_candidates = {product.id: Counter(f.token for f in product_features(product)) for product in candidates}
    weights |= term_weights(version, {token for tokens in of_candidates.values() for token in tokens} - set(weights))
    labels = {feature.token: feature.label for feature in product_features(item) if feature.label}
    placed = [_placed(product, vector, _vector(of_candidates[product.id], weights), labels) for product in candidates]
    return _without_versions(sorted((entry for entry in placed if entry.score > 0), key=lambda e: -e.score))[:limit]


def _placed(product: Product, vector: Vector, other: Vector, labels: Mapping[str, str]) -> Placed:
    common = {token: value * other[token] for token, value in vector.items() if token in other}
    telling = sorted((token for token in common if token in labels), key=lambda token: -common[token])
    score = round(min(sum(common.values()), 1.0), 3)
    return Placed(product, score, tuple(labels[token] for token in telling[:_TOLD]))


def _vector(counts: Mapping[str, int], weights: Mapping[str, float]) -> Vector:
    """Return the vector of a product by token: what :mod:`recommender.vectors` computes for a whole catalogue."""
    values = {token: (1 + math.log(count)) * weights[token] for token, count in counts.items() if token in weights}
    length = math.sqrt(sum(value * value for value in values.values()))
    return {token: value / length for token, value in values.items()} if length else {}


def _candidates(item: Product, vector: Vector) -> list[Product]:
    found: dict[str, Product] = {}
    for terms in _questions(item, vector):
        for product in products_with_terms(terms, limit=_A_QUERY):
            if product.id != item.id:
                found.setdefault(product.id, product)
        if len(found) >= _CANDIDATES:
            break
    return list(found.values())[:_CANDIDATES]


def _questions(item: Product, vector: Vector) -> Iterator[Sequence[str]]:
    """Yield sets of search terms, from the most telling to the widest."""
    words = [token[2:] for token in sorted(vector, key=lambda token: -vector[token]) if token.startswith("w:")]
    leaf = category_term(category_key(item.category_path))
    telling = words[:_TELLING]
    yield from list(combinations(telling, 2))[: _QUERIES - 3]
    if telling:
        yield [telling[0]]
    if item.brand:
        yield [leaf, brand_term(item.brand)]
    yield [leaf]


def _without_versions(ranked: Sequence[Placed]) -> list[Placed]:
    """Keep one of several entries that are nearly the same as the product, which then resemble each other as well."""
    kept: list[Placed] = []
    for entry in ranked:
        if entry.score < NEARLY_SAME or not any(other.score >= NEARLY_SAME for other in kept):
            kept.append(entry)
    return kept
