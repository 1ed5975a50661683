"""Fields that nothing else uses become attributes, under names that a shopper can read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

from catalog.documents import MAX_ATTRIBUTE_TEXT, MAX_ATTRIBUTES
from catalog.errors import InvalidProduct
from catalog.importing.rows import shown
from catalog.importing.values import Cleaning, boolean_of, is_empty, number_of
from catalog.products import AttributeValue

Kind = Literal["any", "text", "number", "boolean"]
LongText = Literal["reject", "cut", "drop"]
KINDS: tuple[Kind, ...] = ("any", "text", "number", "boolean")
LONG_TEXT: tuple[LongText, ...] = ("reject", "cut", "drop")
_FIELD = "attributes"


@dataclass(slots=True)
class Attributes:
    """The attributes of a row.

    Attributes:
        values: by name, in the order of the file.
        shortened: names of those whose text was cut or dropped because it is too long.
    """

    values: dict[str, AttributeValue] = field(default_factory=dict)
    shortened: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AttributeRules:
    """What becomes an attribute, and how.

    Attributes:
        unknown: whether fields that nothing else uses become attributes at all.
        ignored: shell patterns of fields that are left out.
        prefixes: beginnings of field names that are taken off, with the type that they promise.
        labels: names of attributes by field, where the derived name does not please.
        words: spellings of words in derived names, by the word in lower case.
        long_text: what happens to text that is longer than an attribute may be.
        cleaning: what happens to text before it is looked at.
    """

    unknown: bool = True
    ignored: tuple[str, ...] = ()
    prefixes: Mapping[str, Kind] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    long_text: LongText = "reject"
    cleaning: Cleaning = field(default_factory=Cleaning)


class AttributeReader:
    """Applies :class:`AttributeRules` to rows.

    Args:
        rules: what becomes an attribute.
        taken: names of the fields that are something else already.
    """

    def __init__(self, rules: AttributeRules, *, taken: frozenset[str] = frozenset()) -> None:
        self._rules = rules
        self._taken = taken
        self._prefixes = sorted(rules.prefixes, key=len, reverse=True)
        # Files have the same few hundred names in each row; a hostile one has ever new ones, hence the bound.
        self._plan = lru_cache(maxsize=20_000)(self._planned)

    def read(self, record: Mapping[str, object], own: object = None) -> Attributes:
        """Return the attributes of a row.

        Args:
            record: the whole row.
            own: what the row itself calls its attributes: an object whose names are kept, or ``None``.

        Raises:
            InvalidProduct: there are too many, a value is nested too deeply, or its text is too long and the rules
                do not cut it.
        """
        found = Attributes()
        if isinstance(own, Mapping):
            for name, value in own.items():
                self._add(found, name, "any", value, source=name)
        else:
            self._add(found, "Attributes", "any", own, source="attributes")
        if self._rules.unknown:
            for name, value in record.items():
                plan = None if name in self._taken else self._plan(name)
                if plan is not None:
                    self._add_field(found, name, *plan, value)
        return found

    def label(self, name: str) -> str:
        """Return the attribute name of a field."""
        return self._rules.labels.get(name) or self._spelt(name[len(self._prefix(name)) :])

    def _planned(self, name: str) -> tuple[str, Kind] | None:
        if any(fnmatchcase(name, pattern) for pattern in self._rules.ignored):
            return None
        return self.label(name), self._rules.prefixes.get(self._prefix(name), "any")

    def _prefix(self, name: str) -> str:
        return next((prefix for prefix in self._prefixes if name.startswith(prefix)), "")

    def _spelt(self, name: str) -> str:
        words = name.replace("_", " ").replace(".", " ").replace("$", " ").split()
        spelt = [self._rules.words.get(word.lower(), word) for word in words]
        if spelt and spelt[0] == words[0] and spelt[0].islower():
            spelt[0] = spelt[0][0].upper() + spelt[0][1:]
        return " ".join(spelt)

    def _add_field(self, found: Attributes, name: str, label: str, kind: Kind, value: object) -> None:
        if not isinstance(value, dict):
            self._add(found, label, kind, value, source=name)
            return
        for inner, inner_value in value.items():
            self._add(found, f"{label} {self._spelt(inner)}".strip(), kind, inner_value, source=f"{name}.{inner}")

    def _add(self, found: Attributes, label: str, kind: Kind, value: object, *, source: str) -> None:
        if is_empty(value):
            return
        result = self._value(kind, value, source)
        if isinstance(result, str) and len(result) > MAX_ATTRIBUTE_TEXT:
            if self._rules.long_text == "reject":
                raise InvalidProduct(
                    _FIELD,
                    f"{shown(source)} has {len(result):,} characters, more than {MAX_ATTRIBUTE_TEXT:,}; ignore it, "
                    'or state [attributes] long_text = "cut" in the mapping',
                )
            found.shortened.append(label)
            if self._rules.long_text == "drop":
                return
            result = result[: MAX_ATTRIBUTE_TEXT - 1] + "…"
        if len(found.values) >= MAX_ATTRIBUTES:
            raise InvalidProduct(_FIELD, f"are more than {MAX_ATTRIBUTES}; ignore some of the fields")
        if result != "":
            found.values[_unused(found.values, label)] = result

    def _value(self, kind: Kind, value: object, source: str) -> AttributeValue:
        """Convert one value. What breaks the promise of its prefix is kept as it stands rather than lost."""
        if isinstance(value, list):
            if any(isinstance(entry, list | dict) for entry in value):
                raise _too_deep(source)
            return ", ".join(str(self._value("any", entry, source)) for entry in value if not is_empty(entry))
        if isinstance(value, dict):
            raise _too_deep(source)
        if kind in ("boolean", "number"):
            with suppress(InvalidProduct):
                return boolean_of(_FIELD, value) if kind == "boolean" else number_of(_FIELD, value)
        if isinstance(value, bool | int | float) and kind != "text":
            return value
        return self._rules.cleaning.line(_FIELD, value if isinstance(value, str) else str(value))


def _unused(taken: Mapping[str, object], label: str) -> str:
    """Return ``label``, or the first of ``label (2)``, ``label (3)`` … that is free."""
    if label not in taken:
        return label
    number = 2
    while f"{label} ({number})" in taken:
        number += 1
    return f"{label} ({number})"


def _too_deep(source: str) -> InvalidProduct:
    return InvalidProduct(
        _FIELD, f"{shown(source)} is nested too deeply; ignore it, or map a value of it with a dot, as in size.width"
    )
