"""Bands of prices with round limits: those that facets offer, and finer ones within them, by which limits are met.

The bands of each level lie within those of the level before, so a range between any two limits is made up of few of
them. A product is in one band of each level, and in those of all prices below some round ones, because most ranges have
no lower limit. All prices are in minor units.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

_POWERS = tuple(int(10**power) for power in range(12))
ROUND = (0, *(step * power for power in _POWERS for step in (1, 2, 5)))
"""Prices at which a band of a facet may begin."""
_LEVELS = (
    ROUND,
    (0, *(step * power for power in _POWERS for step in range(1, 10))),
    (*range(10), *(step * power for power in _POWERS for step in range(10, 100, 5))),
    (*range(10), *(step * power for power in _POWERS for step in range(10, 100))),
)
_BELOW = (10**7, *(step * 10**power for power in range(6, 2, -1) for step in (7, 5, 3, 2, 1)))
LIMITS = _LEVELS[-1]
"""Prices at which a band of the finest level begins: those of two digits and as many zeros as one likes."""
ENDLESS = 2**63
"""Where the last band of each level ends."""
_BANDS = 5


def band_keys(price: int) -> list[str]:
    """Return the keys of the bands that a price lies in."""
    return [
        *(_key(level, _LEVELS[level][bisect_right(_LEVELS[level], price) - 1]) for level in range(len(_LEVELS))),
        *(_key_below(limit) for limit in _BELOW if price < limit),
    ]


def round_band(price: int) -> int:
    """Return the limit at which the widest band begins that a price lies in."""
    return ROUND[bisect_right(ROUND, price) - 1]


def round_key(limit: int) -> str:
    """Return the key of the widest band that begins at a limit of :data:`ROUND`."""
    return _key(0, limit)


def outer_limits(low: int, high: int) -> tuple[int, int]:
    """Return the narrowest limits around all prices from ``low`` up to, but not including, ``high``."""
    above = bisect_left(LIMITS, high)
    return LIMITS[bisect_right(LIMITS, low) - 1], LIMITS[above] if above < len(LIMITS) else ENDLESS


def inner_limits(low: int, high: int) -> tuple[int, int]:
    """Return the widest limits that no price below ``low`` lies in, nor one from ``high`` on; they may be empty."""
    above = bisect_left(LIMITS, low)
    end = high if high >= ENDLESS else LIMITS[bisect_right(LIMITS, high) - 1]
    return LIMITS[above] if above < len(LIMITS) else ENDLESS, end


def keys_between(low: int, high: int) -> list[str]:
    """Return the keys of the fewest bands that make up a range.

    Args:
        low: a limit; the first price of the range.
        high: a limit, or :data:`ENDLESS`; the first price above the range.
    """
    keys: list[str] = []
    below = next((limit for limit in _BELOW if limit <= high), 0)
    if low == 0 and below:
        keys.append(_key_below(below))
        low = below
    while low < high:
        for level, limits in enumerate(_LEVELS):
            place = bisect_left(limits, low)
            end = limits[place + 1] if place + 1 < len(limits) else ENDLESS
            if place < len(limits) and limits[place] == low and end <= high:
                keys.append(_key(level, low))
                low = end
                break
        else:
            raise ValueError(f"{low} and {high} are no limits of bands")
    return keys


def even_bands(counts: Mapping[int, int], *, minor: int) -> list[tuple[int, int | None, int]]:
    """Put bands together so that each has about as many products: at most five, or none where one band has all.

    Args:
        counts: how many products the widest bands have, by the limit at which they begin.
        minor: how many minor units make a major one; no band ends within a major unit.

    Returns:
        First price, first price above (``None`` for the last band) and number of products of each that has any.
    """
    held = sorted((limit, count) for limit, count in counts.items() if count)
    total = sum(count for _, count in held)
    if len(held) < 2:
        return []
    wanted = {max(_holding(held, total * part // _BANDS), minor) for part in range(1, _BANDS)}
    limits = sorted(limit for limit in wanted if held[0][0] < limit <= held[-1][0])
    found = []
    for low, high in zip([0, *limits], [*limits, None], strict=True):
        count = sum(count for limit, count in held if low <= limit and (high is None or limit < high))
        if count:
            found.append((low, high, count))
    return found if len(found) > 1 else []


def counted_bands(prices: Iterable[int]) -> Counter[int]:
    """Count prices by the limit at which the widest band begins that they lie in."""
    return Counter(map(round_band, prices))


def _holding(held: list[tuple[int, int]], rank: int) -> int:
    """Return the limit of the band that holds the price of a rank, counted from 0."""
    seen = 0
    for limit, count in held:
        seen += count
        if rank < seen:
            return limit
    return held[-1][0]


def _key(level: int, limit: int) -> str:
    return f"price/{level}/{limit}"


def _key_below(limit: int) -> str:
    return f"price/below/{limit}"
