"""What passes between the steps of an import: a row that was read, or the reason why it was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file.

    Attributes:
        line: the number of its first line, from 1.
        size: its length in bytes or characters, a measure of the memory that it takes.
        fields: its values by the names of the file.
    """

    line: int
    size: int
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not imported.

    Attributes:
        line: the number of its first line, from 1.
        reason: what is wrong, and where possible what to do about it.
        field: the product field that is wrong, or empty where the row as a whole cannot be read.
        sku: the sku of the row where it is known.
    """

    line: int
    reason: str
    field: str = ""
    sku: str = ""


def shown(value: object) -> str:
    """Return ``value`` as it can be shown in a message: quoted, of one line, without control characters, short."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")
