"""Latencies counted in buckets that grow by a constant factor, so that a percentile is off by a known share at most.

Buckets are the same everywhere, so histograms of several workers, nodes and seconds merge by addition. A stored
histogram is a row of 32-bit numbers, the form that Redis can count in (``BITFIELD``). Rows are added up as one large
number each: no count comes near 32 bits, so nothing carries over from one bucket into the next.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import accumulate
from sys import byteorder

GROWTH = 1.04
FLOOR_MS = 0.01
CEILING_MS = 100_000.0
RELATIVE_ERROR = (GROWTH - 1) / (GROWTH + 1)
"""How far :meth:`Histogram.percentile` may be off, as a share: about 0.0196."""
_LOG_GROWTH = math.log(GROWTH)
BUCKETS = math.ceil(math.log(CEILING_MS / FLOOR_MS) / _LOG_GROWTH) + 1
_ROW_BYTES = 4 * BUCKETS


def bucket_of(milliseconds: float) -> int:
    """Return the bucket of a latency; what lies outside of the range counts at its end."""
    if milliseconds <= FLOOR_MS:
        return 0
    if milliseconds >= CEILING_MS:
        return BUCKETS - 1
    return math.ceil(math.log(milliseconds / FLOOR_MS) / _LOG_GROWTH)


def upper_ms(bucket: int) -> float:
    """Return the largest latency of a bucket."""
    return FLOOR_MS * float(GROWTH**bucket)


def middle_ms(bucket: int) -> float:
    """Return the latency that stands for a bucket: equally far, as a share, from its two ends."""
    return FLOOR_MS if bucket == 0 else 2 * upper_ms(bucket) / (GROWTH + 1)


class Histogram:
    """Counts by bucket, which are not changed any more."""

    def __init__(self, counts: array[int]) -> None:
        self.counts = counts

    @classmethod
    def of_rows(cls, rows: Iterable[bytes | None]) -> Histogram:
        """Add up rows as Redis stores them; absent ones count nothing."""
        return cls.of_number(sum(number_of_row(row) for row in rows if row))

    @classmethod
    def of_number(cls, number: int) -> Histogram:
        """Return the histogram of a sum of :func:`number_of_row`."""
        counts = array("I")
        counts.frombytes(number.to_bytes(_ROW_BYTES, "big"))
        if byteorder == "little":
            counts.byteswap()
        return cls(counts)

    @classmethod
    def of_latencies(cls, latencies_ms: Iterable[float]) -> Histogram:
        """Count latencies in ms."""
        counts = array("I", bytes(_ROW_BYTES))
        for latency_ms in latencies_ms:
            counts[bucket_of(latency_ms)] += 1
        return cls(counts)

    @property
    def total(self) -> int:
        """How many latencies were counted."""
        return self._reached[-1]

    @cached_property
    def _reached(self) -> list[int]:
        return list(accumulate(self.counts))

    def percentile(self, percent: float) -> float:
        """Return the nearest-rank percentile in ms, within :data:`RELATIVE_ERROR`; 0 where nothing was counted."""
        total = self.total
        return middle_ms(bisect_left(self._reached, max(math.ceil(percent / 100 * total), 1))) if total else 0.0


def number_of_row(row: bytes) -> int:
    """Return a stored row as a number that can be added to others."""
    return int.from_bytes(row[:_ROW_BYTES].ljust(_ROW_BYTES, b"\0"), "big")


def number_of_counts(counts: Mapping[int, int]) -> int:
    """Return counts by bucket as such a number."""
    return sum(count << 32 * (BUCKETS - 1 - bucket) for bucket, count in counts.items())
