"""Figures of a paired replay, with how sure they are."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of at least one value."""
    ranked = sorted(values)
    return ranked[max(math.ceil(percent / 100 * len(ranked)), 1) - 1]


def median_interval(values: Sequence[float], *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Return the median of at least one value with its bootstrap percentile interval.

    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979): the values are drawn
    again, with replacement, and the middle 95 % of the medians of these draws are the interval.
    """
    chance = random.Random(seed)
    middles = sorted(median(chance.choices(values, k=len(values))) for _ in range(resamples))
    low = middles[int(0.025 * resamples)]
    high = middles[min(math.ceil(0.975 * resamples), resamples) - 1]
    return Interval(median(values), low, high)
