"""JSON lines to rows."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from catalog.importing.feed import LineFeed
from catalog.importing.rows import Rejection, Row

_KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}


def json_rows(feed: LineFeed) -> Iterator[Row | Rejection]:
    """Read one JSON object a line; blank lines are passed over.

    Raises:
        DamagedFile: the file breaks off; everything before has been yielded.
    """
    while (line := feed.next()) is not None:
        if line.problem:
            yield Rejection(line.number, line.problem)
        elif line.text.strip():
            yield parse_line(line.number, line.text)
    feed.raise_damage()


def parse_line(number: int, text: str) -> Row | Rejection:
    """Read one line; JSON that is too deep, not finite or not an object is a rejection."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Rejection(number, f"is not JSON: {error.msg} (column {error.colno:,})")
    if not isinstance(value, dict):
        return Rejection(number, f"is {_KINDS[type(value)]}, where one object a line is expected")
    return Row(number, len(text), value)
