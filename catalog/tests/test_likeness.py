"""A second look at candidates: what the best have in common lifts others that have it too."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.search.impacts import SATURATED, level_of
from catalog.search.likeness import NOT_ALIKE, WEIGHT, likeness_to
from catalog.search.request import SearchRequest
from catalog.services.finding import find_page
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.vocabulary.building import build_vocabulary

ONCE = level_of(100)
"""The character of a word that occurs once."""
ALIKE = "Curved gaming display with adaptive sync."
OTHER = "Slim office display with speakers."


def monitor(number: int, description: str, popularity: int) -> Any:
    return draft(
        f"M{number:02}", name=f"Monitor {number:02}X", product_type="Monitor", category_path=("Monitors",),
        description=description, popularity=popularity,
    )  # fmt: skip


def fill(database: Any) -> None:
    best = [monitor(number, ALIKE, 9_000 - number) for number in range(6)]
    others = [monitor(number, OTHER, 900 - number) for number in range(6, 12)]
    store(*best, *others, monitor(12, ALIKE, 600))
    build_vocabulary(database)


catalogue = kept_catalogue(fill)


def found(**fields: Any) -> Any:
    return search_products(request=SearchRequest(query="monitor", **fields)).value


def test_a_product_like_the_first_ones_passes_others_that_are_a_little_more_popular(catalogue: Any) -> None:
    assert [row["sku"] for row in found()["data"]][:8] == [*(f"M{number:02}" for number in range(6)), "M12", "M06"]


def test_the_reasons_name_what_it_gained(catalogue: Any) -> None:
    parts = {row["sku"]: row["why"]["parts"]["like the first results"] for row in found(explain=True)["data"]}
    assert parts["M12"] > parts["M06"] > 0


def test_the_scores_that_are_told_are_those_that_make_the_order(catalogue: Any) -> None:
    scores = [row["why"]["score"] for row in found(explain=True)["data"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3, "the first six, the one that is like them, the others"


def test_pages_follow_one_order(catalogue: Any) -> None:
    whole = [result.product.sku for result in find_page(SearchRequest(query="monitor", limit=100)).results]
    paged: list[str] = []
    request: SearchRequest | None = SearchRequest(query="monitor", limit=4)
    while request is not None:
        page = find_page(request)
        paged += [result.product.sku for result in page.results]
        request = None if page.next_page is None else SearchRequest(query="monitor", limit=4, after=page.next_page)
    assert paged == whole
    assert len(whole) == 13


def test_few_results_are_their_own_order(catalogue: Any) -> None:
    rows = search_products(request=SearchRequest(query="monitor 07x", explain=True)).value["data"]
    assert rows[0]["sku"] == "M07"
    assert {row["why"]["parts"]["like the first results"] for row in rows} == {0}


def about(*words: str) -> list[tuple[str, str]]:
    return [(word, ONCE) for word in words]


def test_an_example_gains_at_most_its_share_of_the_best_score() -> None:
    like = likeness_to([about("curved", "gaming")] * 5, score=10.0)
    assert like.of(["curved", "gaming"], ONCE * 2) == pytest.approx(WEIGHT * 10 * SATURATED[ONCE] / 2)
    assert like.of(["gaming", "flat"], ONCE * 2) == pytest.approx(WEIGHT * 10 * SATURATED[ONCE] / 4)
    assert like.of(["flat"], ONCE) == like.of([], "") == 0


def test_what_only_one_example_has_lifts_nothing() -> None:
    like = likeness_to([about("curved", "32"), about("curved", "27")], score=10.0)
    assert set(like.points) == {"curved"}


@pytest.mark.parametrize("examples", [[], [[]], [about("word")]])
def test_examples_that_have_nothing_in_common_lift_nothing(examples: Any) -> None:
    assert likeness_to(examples, score=10.0) is NOT_ALIKE


def test_a_best_score_below_nothing_lifts_nothing() -> None:
    assert likeness_to([about("word")] * 2, score=-0.5) is NOT_ALIKE


def test_the_brand_of_the_first_results_lifts_nothing(products_db: Any) -> None:
    first = [
        draft(f"A{number}", name=f"Monitor {number}A", brand="Lumen", product_type="Monitor", popularity=90 - number)
        for number in range(6)
    ]
    second = [
        draft(f"B{number}", name=f"Monitor {number}B", brand=brand, product_type="Monitor", popularity=popularity)
        for number, (brand, popularity) in enumerate([("Other", 51), ("Lumen", 50)])
    ]
    store(*first, *second)
    build_vocabulary(products_db)
    assert [row["sku"] for row in found()["data"]][-2:] == ["B0", "B1"]
