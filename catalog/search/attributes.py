"""Attributes as filters: which values can be filtered by, how they are written in an address, which few of them matter.

A value is filtered by its text: ``Black``, ``15.6``, ``true``. Long texts are descriptions, not values.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_VALUE = 60
"""Characters of a value that can be filtered by."""
MAX_NAMES = 5
MAX_VALUES = 8
"""So many attributes, and values of each, are offered for a category."""
_LEAST_COVERAGE = 0.3
_MOST_DISTINCT = 40
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class TellingAttribute:
    """An attribute by which the products of a category differ, with its most frequent values."""

    name: str
    values: tuple[str, ...]


def text_of_value(value: Value) -> str | None:
    """Return how a value is written in a filter; ``None`` where it cannot be filtered by."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return format(value, ".10g")
    return value if 0 < len(value) <= MAX_VALUE and value == value.strip() and value.isprintable() else None


def stored_values(text: str) -> list[Value]:
    """Return the stored values that are written as ``text``."""
    found: list[Value] = [text]
    if text in {"true", "false"}:
        found.append(text == "true")
    try:
        number = float(text)
    except ValueError:
        return found
    if math.isfinite(number) and text_of_value(number) == text:
        found.append(number)
    return found


def attribute_texts(attributes: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    """Yield the names and texts of the values that a product can be filtered by.

    Names that mean something else in a query are left out; only other programs can have written them.
    """
    for name, value in attributes.items():
        text = text_of_value(value)
        if text is not None and "." not in name and not name.startswith("$"):
            yield name, text


def telling_attributes(counted: Mapping[tuple[str, str], int], *, products: int) -> tuple[TellingAttribute, ...]:
    """Return the few attributes that are most worth filtering by, the best first.

    Worth it are attributes that many of the products have, with several values none of which most of them share: the
    measure is the entropy of the values times the share of products that have one.

    Args:
        counted: how many of the products have a value, by name and text.
        products: how many products there are.
    """
    by_name: dict[str, Counter[str]] = {}
    for (name, text), count in counted.items():
        by_name.setdefault(name, Counter())[text] += count
    rated = []
    for name, of in by_name.items():
        coverage = of.total() / products if products else 0.0
        if coverage >= _LEAST_COVERAGE and 2 <= len(of) <= _MOST_DISTINCT:
            worth = coverage * -sum(count / of.total() * math.log(count / of.total()) for count in of.values())
            rated.append((-worth, name, of))
    rated.sort(key=lambda row: row[:2])
    return tuple(
        TellingAttribute(
            name, tuple(text for text, _ in sorted(of.items(), key=lambda item: (-item[1], item[0]))[:MAX_VALUES])
        )
        for _, name, of in rated[:MAX_NAMES]
    )
