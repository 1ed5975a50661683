"""The category path of a row: cut from a field, taken from a list, or derived by ordered rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.errors import InvalidProduct
from catalog.importing.sources import FieldSource
from catalog.importing.values import Cleaning, is_empty

_SEARCHED_CHARACTERS = 1000
"""Patterns look at no more of a value than this, so that a hostile one costs little time."""


@dataclass(frozen=True, slots=True)
class CategoryPass:
    """Patterns, tried in order on one value after the other.

    Attributes:
        sources: the values that are searched; the next one only if no pattern matches the one before.
        rules: pairs of a path and the pattern that leads to it.
    """

    sources: tuple[FieldSource, ...]
    rules: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]


@dataclass(frozen=True, slots=True)
class CategoryRules:
    """How a row comes to its category.

    Attributes:
        separators: what separates the levels within one text.
        passes: rules for rows whose sources give no category.
        fallback: the path where no rule matches; empty to reject the row.
        cleaning: what happens to the texts of the file.
    """

    separators: tuple[str, ...] = (">",)
    passes: tuple[CategoryPass, ...] = ()
    fallback: tuple[str, ...] = ()
    cleaning: Cleaning = field(default_factory=Cleaning)

    def path(self, value: object, record: Mapping[str, object]) -> tuple[str, ...]:
        """Return the path of a row, or nothing where neither ``value`` nor the rules give one.

        Args:
            value: what the sources of the category say, or ``None``.
            record: the whole row.
        """
        if not is_empty(value):
            return self._levels(value)
        for rules in self.passes:
            for source in rules.sources:
                text = _searchable(source.value(record))
                for path, pattern in rules.rules if text else ():
                    if pattern.search(text):
                        return path
        return self.fallback

    def _levels(self, value: object) -> tuple[str, ...]:
        if isinstance(value, Mapping):
            raise InvalidProduct("category", "is an object; take a value of it with a dot, as in category.name")
        entries: Sequence[object] = value if isinstance(value, list) else split_path(str(value), self.separators)
        levels = (self.cleaning.line("category", entry) for entry in entries if not is_empty(entry))
        return tuple(level for level in levels if level)


def split_path(text: str, separators: Sequence[str]) -> list[str]:
    """Return the levels of a path that is written as one text, without blank ones."""
    levels = [text]
    for separator in separators:
        levels = [part for level in levels for part in level.split(separator)]
    return [level.strip() for level in levels if level.strip()]


def _searchable(value: object) -> str:
    if is_empty(value) or isinstance(value, list | dict):
        return ""
    return str(value)[:_SEARCHED_CHARACTERS]
