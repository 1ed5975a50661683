"""The numbers of seeded products: drawn, shaped and packed for a whole batch at once.

Whole numbers wherever possible, and no powers or logarithms: their last digit differs between machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from catalog.search.index_keys import MAX_POPULARITY, TIE_BITS
from catalog.seeding.pieces import element, spread

EPOCH = datetime(2026, 10, 1, tzinfo=UTC)
"""When the seeded catalogue was last updated. Fixed, because products made from the clock would differ each time."""
OLDEST_DAYS = 3000
DRAWS = 64
"""Random bytes of a product."""

Integers = NDArray[np.int64]
_EPOCH_SECONDS = int(EPOCH.timestamp())
_DAY_SECONDS = int(timedelta(days=1).total_seconds())
# Popularity falls with the inverse of the rank: one product in 65,536 has more than half of the maximum.
_KNEE = 2**16
_LEAST_POPULARITY = MAX_POPULARITY * _KNEE // (2**32 - 1 + _KNEE)
_RATING_TENTHS = np.array(
    spread([21, 27, 31, *range(34, 50)], [1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 10, 12, 14, 15, 15, 12, 9, 5, 2])
)
# One product in seventeen is out of stock; the others have 1 to about 400 pieces, few of them many.
_STOCK = np.array([0 if draw < 15 else 1 + (draw - 15) ** 2 // 150 for draw in range(256)])
_PRICE_LIMITS = np.array([2_000, 10_000, 100_000])
_PRICE_STEPS = np.array([100, 100, 1_000, 5_000])
_PRICE_ENDINGS = np.array([[99, 49, 99, 95], [99, 90, 95, 0], [900, 999, 995, 900], [4_900, 4_999, 4_900, 4_900]])

_GAMMA = 0x9E3779B97F4A7C15
_WORD = 2**64 - 1


def random_bytes(seed: int, numbers: Integers) -> NDArray[np.uint8]:
    """Return :data:`DRAWS` bytes for each product, from ``seed`` and its number alone.

    SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), used as a counter.
    """
    start = np.uint64(_mixed(seed * _GAMMA & _WORD))
    words = DRAWS // 8
    counters = (numbers[:, None] * words + np.arange(1, words + 1)).astype(np.uint64)
    state = start + counters * np.uint64(_GAMMA)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = (state ^ (state >> np.uint64(31))).astype("<u8")
    return state.view(np.uint8).reshape(-1, DRAWS)


def shop_prices(minor_units: NDArray[np.float64], draws: NDArray[np.uint8]) -> Integers:
    """Return prices near ``minor_units`` that end as prices in shops do, such as 12.99 or 1249.00."""
    magnitude = np.searchsorted(_PRICE_LIMITS, minor_units, side="right")
    steps = _PRICE_STEPS[magnitude]
    prices: Integers = minor_units.astype(np.int64) // steps * steps + _PRICE_ENDINGS[magnitude, draws & 3]
    return prices


def stock_of(draws: NDArray[np.uint8]) -> Integers:
    """Return the pieces on hand; about 6 % of the products are out of stock."""
    return _STOCK[draws]


@dataclass(frozen=True, slots=True)
class PackedMeasures:
    """Runs of BSON fields, one entry a product.

    Attributes:
        numbers: from the end of ``description`` to the name of ``attributes``.
        times: from the end of ``attributes`` to the name of ``terms``.
        order: ``order`` and the end of the document.
    """

    numbers: list[bytes]
    times: list[bytes]
    order: list[bytes]


def packed_measures(
    draws: NDArray[np.uint8], identifiers: list[bytes], prices: Integers, stock: Integers
) -> PackedMeasures:
    """Draw popularity, ratings and times, and pack them with ``prices`` and ``stock``."""
    rarity = draws[:, 12:16].copy().view(">u4")[:, 0].astype(np.int64)
    age, second = (draws[:, at : at + 2].copy().view(">u2")[:, 0].astype(np.int64) for at in (18, 20))
    popularity = MAX_POPULARITY * _KNEE // (rarity + _KNEE) - _LEAST_POPULARITY
    age_days = age * age * OLDEST_DAYS >> 32
    created = _EPOCH_SECONDS - age_days * _DAY_SECONDS - (second * _DAY_SECONDS >> 16)
    # Known products are rated often, new ones rarely or not yet.
    eagerness = 4 + (draws[:, 17].astype(np.int64) ** 2 >> 8)
    rating_count = np.sqrt(popularity).astype(np.int64) * eagerness * np.minimum(age_days, 400) // 40_000
    tenths = np.where(rating_count > 0, _RATING_TENTHS[draws[:, 16]], 0)
    first_bytes = np.frombuffer(b"".join(identifiers), dtype=np.uint8).reshape(-1, 12)[:, :3].astype(np.int64)
    tie = (first_bytes[:, 0] << 16 | first_bytes[:, 1] << 8 | first_bytes[:, 2]) >> (24 - TIE_BITS)
    return PackedMeasures(
        numbers=_packed(
            b"\0\x12price\0", ("<i8", prices),
            element("currency", "EUR") + b"\x10stock\0", ("<i4", stock),
            b"\x01rating\0", ("<f8", tenths / 10),
            b"\x10rating_count\0", ("<i4", rating_count),
            b"\x10popularity\0", ("<i4", popularity),
            b"\x03attributes\0",
        ),
        times=_packed(
            b"\0" + element("image_url", "") + element("active", True) + b"\x09created_at\0", ("<i8", created * 1000),
            element("updated_at", EPOCH) + element("version", 1) + b"\x04terms\0",
        ),
        order=_packed(
            b"\x03order\0" + _ORDER_BYTES.to_bytes(4, "little"),
            b"\x12popularity\0", ("<i8", popularity << TIE_BITS | tie),
            b"\x12price\0", ("<i8", prices << TIE_BITS | tie),
            b"\x12rating\0", ("<i8", (tenths * 10 << 24 | rating_count) << TIE_BITS | tie),
            b"\x12newest\0", ("<i8", created << TIE_BITS | tie),
            b"\0\0",
        ),
    )  # fmt: skip


_ORDER_BYTES = 4 + sum(2 + len(name) + 8 for name in ("popularity", "price", "rating", "newest")) + 1


def _packed(*columns: bytes | tuple[str, NDArray[np.generic]]) -> list[bytes]:
    """Lay out constants and numbers side by side, row by row."""
    numbers = {f"f{place}": column for place, column in enumerate(columns) if not isinstance(column, bytes)}
    layout = np.dtype(
        [
            (f"f{place}", f"V{len(column)}" if isinstance(column, bytes) else column[0])
            for place, column in enumerate(columns)
        ]
    )
    constants = b"".join(
        column if isinstance(column, bytes) else bytes(8 if "8" in column[0] else 4) for column in columns
    )
    rows = np.full(len(next(iter(numbers.values()))[1]), np.frombuffer(constants, dtype=layout)[0], dtype=layout)
    for name, (_, column) in numbers.items():
        rows[name] = column
    raw, width = rows.tobytes(), layout.itemsize
    return [raw[start : start + width] for start in range(0, len(raw), width)]


def _mixed(word: int) -> int:
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _WORD
    return word ^ (word >> 31)
