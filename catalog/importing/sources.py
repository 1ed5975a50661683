"""Values of a row by name, by path or by template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from catalog.importing.errors import InvalidMapping
from catalog.importing.rows import shown
from catalog.importing.values import is_empty

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class FieldSource:
    """A value taken from the file.

    Attributes:
        template: the name of a field, or text with names in braces.
        names: the fields that it reads.
    """

    template: str
    names: tuple[str, ...]

    @classmethod
    def parse(cls, template: str) -> FieldSource:
        """Read a source as a mapping states it: ``title``, ``brand.name`` or ``{brand} {title}``."""
        template = template.strip()
        names = tuple(name.strip() for name in _PLACEHOLDER.findall(template))
        rest = _PLACEHOLDER.sub("", template)
        if not template or "{" in rest or "}" in rest or any(not name for name in names):
            raise InvalidMapping(
                f"{shown(template)} names no field; use the name of one, or a template like {{brand}} {{title}}"
            )
        return cls(template, names or (template,))

    @property
    def is_template(self) -> bool:
        return "{" in self.template

    def value(self, record: Mapping[str, object]) -> object:
        """Return the value of a row; ``None`` where the row lacks it, or has none of what the template names."""
        if not self.is_template:
            return lookup(record, self.template)
        values = {name: lookup(record, name) for name in self.names}
        if all(is_empty(value) for value in values.values()):
            return None
        return _PLACEHOLDER.sub(lambda match: _inserted(values[match[1].strip()]), self.template)


def _inserted(value: object) -> str:
    return "" if is_empty(value) or isinstance(value, list | dict) else str(value)


def lookup(record: Mapping[str, object], name: str) -> object:
    """Return a field by its name, or by a path into nested objects and lists such as ``images.0.url``."""
    found = record.get(name, _NOTHING)
    if found is not _NOTHING or "." not in name:
        return None if found is _NOTHING else found
    value: object = record
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and len(part) < 6 and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
