"""Which format a file has, and its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from catalog.importing.csvrows import CsvRows
from catalog.importing.errors import UnreadableFile
from catalog.importing.feed import LineFeed
from catalog.importing.jsonl import json_rows
from catalog.importing.lines import Source
from catalog.importing.rows import Rejection, Row

FileFormat = Literal["jsonl", "csv"]
FORMATS: tuple[FileFormat, ...] = ("jsonl", "csv")
_BY_SUFFIX: dict[str, FileFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}


@dataclass(frozen=True, slots=True)
class RowStream:
    """The rows of a file, and what a reader of the report should know about it."""

    rows: Iterable[Row | Rejection]
    notes: list[str] = field(default_factory=list)


def rows_of(source: Source, *, file_format: FileFormat | Literal[""] = "", delimiter: str = "") -> RowStream:
    """Return the rows of an opened file.

    Args:
        source: the file.
        file_format: its format; empty to go by the name, and else by the first line.
        delimiter: what separates the cells of CSV; empty to go by the header.

    Raises:
        UnreadableFile: the file holds no line, or a header that cannot be used.
        DamagedFile: it breaks off before the first line ends.
    """
    feed = LineFeed(source.lines)
    if (file_format or _format_by_name(source.name) or _format_by_content(feed)) == "jsonl":
        return RowStream(json_rows(feed))
    table = CsvRows(feed, delimiter=delimiter)
    return RowStream(table, table.notes)


def _format_by_name(name: str) -> FileFormat | None:
    path = PurePath(name.lower())
    return _BY_SUFFIX.get(PurePath(path.stem).suffix if path.suffix == ".gz" else path.suffix)


def _format_by_content(feed: LineFeed) -> FileFormat:
    passed = []
    while (line := feed.next()) is not None:
        passed.append(line)
        if line.text.strip():
            feed.give_back(passed)
            return "jsonl" if line.text.lstrip()[0] in "{[" else "csv"
        if line.problem:
            raise UnreadableFile(f"Line {line.number:,} {line.problem}; is this a text file?")
        passed = passed[-1:]  # Blank lines, of which there may be very many.
    feed.raise_damage()
    raise UnreadableFile("The file holds nothing but blank lines.")
