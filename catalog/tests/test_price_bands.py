"""Bands of prices: any range between two limits is made up of few of them, none of which overlap."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.price_bands import (
    ENDLESS,
    LIMITS,
    ROUND,
    band_keys,
    counted_bands,
    even_bands,
    inner_limits,
    keys_between,
    outer_limits,
    round_band,
    round_key,
)

prices = st.one_of(st.integers(0, 2_000), st.integers(0, 10**9), st.integers(0, 10**13), st.sampled_from(LIMITS))
ends = st.one_of(prices, st.just(ENDLESS))


@given(low=prices, high=ends, price=prices)
def test_the_bands_around_a_range_hold_it_and_those_inside_hold_nothing_else(low: int, high: int, price: int) -> None:
    around, inside = (keys_between(*limits(low, high)) for limits in (outer_limits, inner_limits))
    held = set(band_keys(price))
    if low <= price < high:
        assert len(held.intersection(around)) == 1
    else:
        assert not held.intersection(inside)
    assert len(held.intersection(inside)) <= 1


@pytest.mark.parametrize(
    ("low", "high", "is_exact"),
    [
        (0, 6_200, True),  # Below 62.00.
        (0, 6_201, False),  # At most 62.00.
        (0, 55_900, False),
        (5_000, ENDLESS, True),
        (1_234, 1_300, False),
        (7, 9, True),
    ],
)
def test_a_range_between_prices_of_two_digits_needs_no_look_at_the_products(
    low: int, high: int, is_exact: bool
) -> None:
    assert (inner_limits(low, high) == outer_limits(low, high)) is is_exact


def test_a_range_is_made_up_of_few_bands() -> None:
    chance = Random(7)
    most = max(
        len(keys_between(*outer_limits(*sorted(round(10 ** chance.uniform(0, 8)) for _ in range(2)))))
        for _ in range(2_000)
    )
    assert most <= 32
    assert max(len(keys_between(0, limit)) for limit in LIMITS if limit < 10**8) <= 18
    assert len(keys_between(0, ENDLESS)) == 1 + sum(limit >= 10**7 for limit in ROUND)
    assert keys_between(0, 200) == [round_key(limit) for limit in (0, 1, 2, 5, 10, 20, 50, 100)]


def test_what_is_no_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="no limits of bands"):
        keys_between(1_234, 5_000)


@given(st.lists(prices, min_size=2), st.sampled_from([1, 100, 1000]))
def test_even_bands_hold_all_products_each_in_one(found: list[int], minor: int) -> None:
    bands = even_bands(counted_bands(found), minor=minor)
    if not bands:
        return
    assert sum(count for _, _, count in bands) == len(found)
    assert all(count == sum(low <= price < (high or ENDLESS) for price in found) for low, high, count in bands)
    assert bands[0][0] == 0
    assert bands[-1][1] is None
    assert all(low % minor == 0 for low, _, _ in bands)


def test_even_bands_are_about_even() -> None:
    chance = Random(3)
    bands = even_bands(counted_bands(round(chance.lognormvariate(9, 1.5)) for _ in range(10_000)), minor=100)
    assert len(bands) == 5
    assert min(count for _, _, count in bands) > 800
    assert even_bands(Counter({round_band(1_999): 40}), minor=100) == [], "one band tells nothing"
