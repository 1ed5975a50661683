"""Numbers with units, brought to one unit of each quantity: ``1 tb`` is ``1000GB``, ``15.6"`` is 15.6 inches."""

from __future__ import annotations

import re
from decimal import Decimal

_SPELLINGS: dict[str, tuple[str, str]] = {
    # Spelling: the unit that stands for its quantity, and the factor to it. Storage counts in thousands, as shops do.
    **dict.fromkeys(("kb", "kilobyte", "kilobytes"), ("gb", "0.000001")),
    **dict.fromkeys(("mb", "megabyte", "megabytes"), ("gb", "0.001")),
    **dict.fromkeys(("gb", "gigabyte", "gigabytes"), ("gb", "1")),
    **dict.fromkeys(("tb", "terabyte", "terabytes"), ("gb", "1000")),
    "hz": ("hz", "1"),
    "khz": ("hz", "1000"),
    "mhz": ("hz", "1000000"),
    "ghz": ("hz", "1000000000"),
    **dict.fromkeys(("w", "watt", "watts"), ("w", "1")),
    "kw": ("w", "1000"),
    **dict.fromkeys(("v", "volt", "volts"), ("v", "1")),
    "mah": ("mah", "1"),
    "ah": ("mah", "1000"),
    **dict.fromkeys(("g", "gram", "grams"), ("g", "1")),
    **dict.fromkeys(("kg", "kilogram", "kilograms"), ("g", "1000")),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), ("mm", "1")),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), ("mm", "10")),
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), ("mm", "1000")),
    **dict.fromkeys(('"', "″", "”", "''", "′′", "in", "inch", "inches"), ("in", "1")),
    **dict.fromkeys(("ft", "foot", "feet"), ("ft", "1")),
    "ml": ("ml", "1"),
    **dict.fromkeys(("l", "litre", "litres", "liter", "liters"), ("ml", "1000")),
    **dict.fromkeys(("mp", "mpix", "megapixel", "megapixels"), ("mp", "1")),
    **dict.fromkeys(("mbps", "mbit/s", "mb/s"), ("mbps", "1")),
    **dict.fromkeys(("gbps", "gbit/s"), ("mbps", "1000")),
    **dict.fromkeys(("lm", "lumen", "lumens"), ("lm", "1")),
    **{unit: (unit, "1") for unit in ("dpi", "rpm", "fps", "db", "lbs", "oz", "va", "btu", "ms", "ppm")},
}
_FACTORS = {spelling: (unit, Decimal(factor)) for spelling, (unit, factor) in _SPELLINGS.items()}
# "in" after a space is nearly always the preposition: "3 in 1".
_APART = sorted((spelling for spelling in _FACTORS if spelling != "in"), key=len, reverse=True)
PATTERN = (
    r"(?P<number>[0-9]{1,7}(?:[.,][0-9]{1,3})?)"
    rf"(?:[ \u00a0-]?(?P<unit>{'|'.join(map(re.escape, _APART))})|(?P<glued>in))(?![^\W_])"
)
"""Matches a number with its unit, in any case."""


def plain_number(text: str) -> str:
    """Return a number as it is indexed: ``1,000`` is 1000, ``15,6`` is 15.6, ``2.50`` is 2.5."""
    whole, comma, decimals = text.partition(",")
    if comma:
        text = f"{whole}{decimals}" if len(decimals.partition(",")[0]) == 3 else f"{whole}.{decimals}"
        text = text.replace(",", "")
    whole, point, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{decimals}" if point and decimals else whole


def measure_term(number: str, unit: str) -> str:
    """Return the term of a number with its unit, in the unit of its quantity: ``1`` and ``TB`` give ``1000gb``."""
    base, factor = _FACTORS[unit.lower()]
    value = Decimal(plain_number(number)) * factor
    return f"{plain_number(format(value, 'f'))}{base}"
