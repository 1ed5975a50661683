"""Single values of a row, to the types of the catalogue; what cannot be read for sure is refused."""

from __future__ import annotations

import html
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.errors import InvalidProduct
from catalog.importing.rows import shown

_TRUE = frozenset({"true", "yes", "y", "1"})
_FALSE = frozenset({"false", "no", "n", "0"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(?:[.,]0+)?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:[.,][0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_THOUSANDS = re.compile(r",[0-9]{3}\s*$")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_BLANK_LINES = re.compile(r"\n{3,}")


def is_empty(value: object) -> bool:
    """Tell whether a value says nothing: absent, null, blank text, an empty list or object."""
    return (
        not value.strip() if isinstance(value, str) else value is None or (isinstance(value, list | dict) and not value)
    )


def text_of(field: str, value: object) -> str:
    """Return text; a whole number counts as its digits.

    Raises:
        InvalidProduct: it is of another type. A fraction is refused, for long identifiers turn into one when a
            program treats them as numbers, and lose digits.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        raise InvalidProduct(field, "is a list; take one entry with its index, as in images.0")
    if isinstance(value, dict):
        raise InvalidProduct(field, "is an object; take a value of it with a dot, as in brand.name")
    raise InvalidProduct(field, f"{shown(value)} is not text")


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is done to texts of a file before they are used.

    Attributes:
        is_html: whether they hold HTML, to be reduced to plain text.
        replacements: pairs of a text and what stands in its place, applied first and in order.
    """

    is_html: bool = False
    replacements: tuple[tuple[str, str], ...] = ()

    def line(self, field: str, value: object) -> str:
        """Return text of one line: white space of any kind becomes one space."""
        return " ".join(self._plain(text_of(field, value)).split())

    def paragraphs(self, field: str, value: object) -> str:
        """Return text that keeps its line ends and loses further white space. A list of texts makes a line each."""
        texts = value if isinstance(value, list) else [value]
        text = self._plain("\n".join(text_of(field, entry) for entry in texts))
        lines = (" ".join(line.split()) for line in text.splitlines())
        return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()

    def _plain(self, text: str) -> str:
        for before, after in self.replacements:
            text = text.replace(before, after)
        return without_tags(text) if self.is_html else text


def without_tags(text: str) -> str:
    """Return the text of an HTML fragment, with a space for each tag. Makes it readable; does not make it safe."""
    if "<" not in text and "&" not in text:
        return text
    return html.unescape(_TAG.sub(" ", _without_comments(text)))


def _without_comments(text: str) -> str:
    # A pattern would look for the end of each of a thousand open comments anew.
    parts, start = [], 0
    while (opened := text.find("<!--", start)) >= 0 and (closed := text.find("-->", opened)) >= 0:
        parts.append(text[start:opened])
        start = closed + len("-->")
    return " ".join([*parts, text[start:]])


def boolean_of(field: str, value: object) -> bool:
    """Return a flag from true/false, yes/no, y/n, 1/0 in any case."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidProduct(field, f"{shown(value)} is not true or false")


def whole_number_of(field: str, value: object) -> int:
    """Return a whole number; ``12.0`` is one, ``1,200`` is refused, for it may be 1.2 or 1200."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) and not re.search(r"[.,]000", value):
        return int(re.split("[.,]", value.strip())[0])
    raise InvalidProduct(field, f"{shown(value)} is not a whole number")


def number_of(field: str, value: object) -> float | int:
    """Return a finite number; text may have a point or a comma before its decimals, but ``1,200`` is refused."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) and not _THOUSANDS.search(value):
        text = value.strip().replace(",", ".")
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidProduct(field, f"{shown(value)} is not a number")
    return value


def moment_of(field: str, value: object) -> datetime:
    """Return a time in UTC, to the millisecond, from ISO 8601; without an offset it is taken as UTC."""
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value.strip())
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            # MongoDB keeps milliseconds, and a product that is read back has to equal the one that was written.
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        except (ValueError, OverflowError):
            pass
    raise InvalidProduct(field, f"{shown(value)} is not a time such as 2024-05-31 or 2024-05-31T12:00:00Z")
