"""Features, neighbours, variety and reasons, on matrices small enough to check by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from catalog.documents import to_document, to_product, validated
from catalog.products import Product
from catalog.tests.factories import NOW, draft
from recommender.diversity import Selection, select
from recommender.evaluation import fallen_metrics, overlap_with_exact
from recommender.features import product_features
from recommender.neighbours import NOBODY, Nearest, NeighbourFinder
from recommender.reasons import Reasons, shared_labels
from recommender.vectors import embed


def product(**fields: Any) -> Product:
    return to_product(to_document(validated(draft(**fields)), now=NOW))


def random_rows(count: int, terms: int = 300, seed: int = 0) -> csr_matrix:
    """Rows of length 1 in fifty groups that share half of their terms."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, terms, (50, 6))
    columns = np.array([[*groups[row % 50], *generator.integers(0, terms, 6)] for row in range(count)])
    data = generator.random(columns.size, dtype=np.float32) + 0.1
    starts = np.arange(0, columns.size + 1, 12)
    return csr_matrix(normalize(csr_matrix((data, columns.ravel(), starts), shape=(count, terms))), dtype=np.float32)


def test_exact_neighbours_are_those_of_the_whole_product() -> None:
    matrix = random_rows(300)
    finder = NeighbourFinder(matrix, embed(matrix, dimensions=16))
    [block] = finder.blocks()
    found = finder.nearest(block, top=5)
    cosines = (matrix @ matrix.T).toarray()
    np.fill_diagonal(cosines, -1)
    best = -np.sort(-cosines, axis=1)[:, :5]
    assert np.allclose(found.scores, np.maximum(best, 0), atol=1e-5)
    assert not (found.rows == np.arange(300)[:, None]).any()


def test_clusters_cover_every_row_once_and_find_nearly_all_neighbours() -> None:
    matrix = random_rows(6000)
    finder = NeighbourFinder(matrix, embed(matrix, dimensions=96), exact_limit=1000)
    assert not finder.is_exact
    blocks = list(finder.blocks())
    assert sorted(int(row) for block in blocks for row in block.rows) == list(range(6000))
    nearest = {
        int(row): [int(other) for other in found.rows[place]]
        for block in blocks
        for found in [finder.nearest(block, top=10)]
        for place, row in enumerate(block.rows)
    }
    overlap = overlap_with_exact(finder, nearest, range(0, 6000, 60))
    assert overlap is not None
    assert overlap >= 0.95


def test_overlap_counts_what_is_missing() -> None:
    matrix = random_rows(200)
    finder = NeighbourFinder(matrix, embed(matrix, dimensions=16))
    exact = finder.exact(np.array([7], dtype=np.int32), top=10)
    found = [int(row) for row in exact.rows[0]]
    worst = int((matrix @ matrix[7].T).toarray().ravel().argmin())
    assert overlap_with_exact(finder, {7: found}, [7]) == 1
    assert overlap_with_exact(finder, {7: [*found[:6], *[worst] * 4]}, [7]) == pytest.approx(0.6)


def test_rows_without_terms_have_no_neighbours() -> None:
    matrix = csr_matrix(np.zeros((4, 3), dtype=np.float32))
    finder = NeighbourFinder(matrix, embed(matrix, dimensions=4))
    [block] = finder.blocks()
    assert (finder.nearest(block, top=2).rows == NOBODY).all()


def test_of_two_that_are_nearly_the_same_one_is_chosen() -> None:
    space = np.array([[1, 0, 0], [0.9, 0.43, 0], [0.9, 0.436, 0], [0.6, 0, 0.8]], dtype=np.float32)
    nearest = Nearest(np.array([[1, 2, 3]], dtype=np.int32), np.array([[0.9, 0.89, 0.6]], dtype=np.float32))
    chosen = select(nearest, space, Selection(length=3))
    assert chosen.rows.tolist() == [[1, 3, NOBODY]]


def test_diversity_moves_what_is_different_forward() -> None:
    space = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.7, 0.3, 0.648], [0.7, -0.714, 0]], dtype=np.float32)
    nearest = Nearest(np.array([[1, 2, 3]], dtype=np.int32), np.array([[0.8, 0.75, 0.7]], dtype=np.float32))
    assert select(nearest, space, Selection(length=3, diversity=0)).rows.tolist() == [[1, 2, 3]]
    assert select(nearest, space, Selection(length=3, diversity=0.5)).rows.tolist() == [[1, 3, 2]]


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=30), st.text(max_size=200))
def test_tokens_never_hold_white_space_and_are_always_of_a_known_field(
    name: str, brand: str, value: str, description: str
) -> None:
    item = product(
        name=f"x{name}".replace("\x00", ""),
        brand=brand.replace("\x00", ""),
        attributes={"Some thing": value.replace("\x00", ""), "Is it": True, "Is not": False, "Number": 12.345},
        description=description.replace("\x00", ""),
    )
    features = list(product_features(item))
    assert not any(len(feature.token.split()) != 1 for feature in features)
    assert {feature.token[:2] for feature in features} <= {"t:", "c:", "b:", "a:", "k:", "w:", "v:"}


def test_another_colour_is_nearly_the_same_to_the_model() -> None:
    black, white = (
        {feature.token for feature in product_features(product(name=f"Mouse {name}", attributes={"Colour": name}))}
        for name in ("Black", "White")
    )
    assert {token[:2] for token in black ^ white} == {"v:"}


def test_what_a_product_lacks_is_no_feature_to_tell() -> None:
    labels = [feature.label for feature in product_features(product(attributes={"Wireless": False, "Silent": True}))]
    assert "silent" in labels
    assert "wireless" not in labels


def test_a_reason_names_the_relation_and_two_facts() -> None:
    reasons = Reasons(product(product_type="Keyboard"))
    other = product(sku="SKU-2", product_type="Keyboard", brand="Cherry")
    shared = shared_labels(["hot-swap switches", "“Aurora”", "RGB lighting", "USB-C"], 0b1111)
    assert reasons.of(other, score=0.6, shared=shared) == ("Same type, both with hot-swap switches and RGB lighting")
    assert reasons.of(other, score=0.95, shared=[]) == "Nearly the same product"
    assert reasons.of(other, score=0.6, shared=["“Aurora”", "“Keyboard”"]) == "Same type, both “Aurora”"
    stranger = product(sku="SKU-3", product_type="", brand="", category_path=("Elsewhere",))
    assert reasons.of(stranger, score=0.1, shared=[]) == "Much the same words"


def test_only_what_falls_by_more_than_the_margin_is_named() -> None:
    live = {"coverage": 0.9, "overlap_at_10": 1.0, "served": None, "diversity_at_10": 0.9}
    assert fallen_metrics({"coverage": 0.86, "overlap_at_10": 0.97}, live, margin=0.05) == []
    assert fallen_metrics({"coverage": 0.8, "overlap_at_10": None}, live, margin=0.05) == [
        "overlap at 10 none after 1.000",
        "coverage 0.800 after 0.900",
    ]
