"""What another time to live would do to the hit ratio, replayed from the log of reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cachelayer.telemetry import Sample
from cachelayer.telemetry.tally import kind_of

_FRESH = frozenset({"l1_hit", "redis_hit", "negative_hit"})
_STALE = frozenset({"stale", "stale_on_error"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A read of a key at a time (seconds since the epoch); ``age_seconds`` of the value that answered."""

    at: float
    key: str
    outcome: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Shares:
    """How a number of reads ended, as shares of 1; stale answers are hits that had a load behind them."""

    reads: int
    fresh: float
    stale: float
    missed: float

    @property
    def hit(self) -> float:
        """The share that a cache answered at once."""
        return self.fresh + self.stale


def references_of(samples: Iterable[Sample], kind: str) -> list[Reference]:
    """Return the reads of one kind of key, oldest first."""
    found = [
        Reference(sample.at, read.key, read.outcome, read.age_seconds)
        for sample in samples
        for read in sample.reads
        if kind_of(read.key) == kind
    ]
    return sorted(found, key=lambda reference: reference.at)


def measured(references: Sequence[Reference]) -> Shares:
    """Return how the reads really ended."""
    fresh = sum(reference.outcome in _FRESH for reference in references)
    stale = sum(reference.outcome in _STALE for reference in references)
    return _shares(len(references), fresh, stale)


def predicted(references: Sequence[Reference], *, soft_seconds: float, hard_seconds: float) -> Shares:
    """Return how the same reads would have ended with other expiries.

    The first read of a key tells what the cache held then. From there on a value is fresh for ``soft_seconds``, answers
    once more until ``hard_seconds`` while it is loaded anew, and is missing afterwards. Writes, eviction, refreshing
    ahead of time and the scatter of expiries are left out: that is what the error against the measured shares shows.
    """
    loaded_at: dict[str, float] = {}
    fresh = stale = 0
    for reference in references:
        if reference.key not in loaded_at:
            known = reference.outcome in _FRESH or reference.outcome in _STALE
            loaded_at[reference.key] = reference.at - reference.age_seconds if known else float("-inf")
        age = reference.at - loaded_at[reference.key]
        if age < soft_seconds:
            fresh += 1
            continue
        if age < hard_seconds:
            stale += 1
        loaded_at[reference.key] = reference.at
    return _shares(len(references), fresh, stale)


def _shares(reads: int, fresh: int, stale: int) -> Shares:
    if not reads:
        return Shares(0, 0.0, 0.0, 0.0)
    return Shares(reads, fresh / reads, stale / reads, (reads - fresh - stale) / reads)
