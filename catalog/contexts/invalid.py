"""A search that cannot be run: what was typed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.errors import InvalidParameter

_FIELDS = {
    "q": "Search words",
    "category": "Category",
    "brand": "Brand",
    "min_price": "Lowest price",
    "max_price": "Highest price",
    "in_stock": "In stock only",
    "sort": "Order",
}
_LONGEST_SHOWN = 300


@dataclass(frozen=True, slots=True)
class TypedField:
    """A parameter as it was typed; ``problem`` says what is wrong with it, or is empty."""

    name: str
    label: str
    value: str
    problem: str


@dataclass(frozen=True, slots=True)
class InvalidSearch:
    """The form that lets people correct a search."""

    label: str
    reason: str
    fields: tuple[TypedField, ...]


def build_invalid_search(typed: Mapping[str, str], error: InvalidParameter) -> InvalidSearch:
    """Prepare what was typed for correction; unknown parameters and page positions are left out."""
    return InvalidSearch(
        label=_FIELDS.get(error.field, "Page"),
        reason=error.reason,
        fields=tuple(
            TypedField(
                name=name,
                label=label,
                value=typed.get(name, "").replace("\x00", "")[:_LONGEST_SHOWN],
                problem=error.reason if name == error.field else "",
            )
            for name, label in _FIELDS.items()
            if typed.get(name) or name in (error.field, "q")
        ),
    )
