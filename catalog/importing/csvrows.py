"""CSV to rows: the columns are named by the first line, and one bad row costs one row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

from catalog.importing.errors import UnreadableFile
from catalog.importing.feed import LineFeed
from catalog.importing.lines import MAX_LINE_BYTES, Line
from catalog.importing.rows import Rejection, Row, shown

DELIMITERS = ",;\t|"
MAX_COLUMNS = 2000
MAX_RECORD_LINES = 500
"""A cell in quotes may span lines; a quote that is open for longer was never meant to be one."""
_CREDIT = 50_000
_CREDIT_PER_ROW = 5
_SHORT_RECORD_LINES = 5


class _QuoteNeverClosed(Exception):
    """A record goes on for too long, or up to the end of the file or to a line that cannot be read."""


class _RecordLines:
    """Feeds the CSV parser line by line and remembers what it took for the present record."""

    def __init__(self, feed: LineFeed) -> None:
        self._feed = feed
        self.taken: list[Line] = []
        self._size = 0
        self._credit = _CREDIT
        self._longest = MAX_RECORD_LINES

    def start(self) -> None:
        self.taken, self._size = [], 0
        self._longest = MAX_RECORD_LINES if self._credit > 0 else _SHORT_RECORD_LINES

    def accept(self) -> None:
        """Note that the present record is a good one."""
        self._credit += _CREDIT_PER_ROW

    def give_up(self) -> None:
        """Take back all but the first line of the present record, to be read again on their own.

        Each such line is read twice. A file in which every line looks like the start of a long record would be read
        hundreds of times, so reading again has to be earned by good rows; without credit, records are short.
        """
        others = self.taken[1:]
        self._credit -= len(others)
        self._feed.give_back(others)

    @property
    def size(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._feed.next()
        if line is None:
            if self.taken:
                raise _QuoteNeverClosed
            raise StopIteration
        if self.taken and (line.problem or line.count > 1):
            self._feed.give_back([line])
            raise _QuoteNeverClosed
        self.taken.append(line)
        self._size += len(line.text) + 1
        if self._size > MAX_LINE_BYTES or len(self.taken) > self._longest:
            raise _QuoteNeverClosed
        return line.text + "\n"


class CsvRows:
    """The rows of a CSV file.

    Args:
        feed: its lines.
        delimiter: what separates the cells; empty to find out from the header.

    Attributes:
        header: the names of the columns.
        notes: what a reader of the report should know about the file.

    Raises:
        UnreadableFile: the header cannot be used.
    """

    def __init__(self, feed: LineFeed, *, delimiter: str = "") -> None:
        self._feed = feed
        self._lines = _RecordLines(feed)
        self.notes: list[str] = []
        first = self._first_line()
        self.delimiter = delimiter or sniffed_delimiter(first.text)
        feed.give_back([first])
        self._parser = csv.reader(self._lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        self.header = self._read_header()

    def _first_line(self) -> Line:
        while (line := self._feed.next()) is not None:
            if line.problem:
                raise UnreadableFile(f"The header in line {line.number:,} {line.problem}.")
            if line.text.strip():
                return line
        self._feed.raise_damage()
        raise UnreadableFile("The file holds nothing but blank lines.")

    def _read_header(self) -> list[str]:
        self._lines.start()
        try:
            names = [name.strip() for name in next(self._parser)]
        except (csv.Error, _QuoteNeverClosed) as error:
            raise UnreadableFile(f"The header cannot be read as CSV: {_csv_reason(error)}.") from error
        if len(names) > MAX_COLUMNS:
            raise UnreadableFile(f"The header has {len(names):,} columns, more than {MAX_COLUMNS:,}.")
        repeated = [name for name, times in Counter(names).items() if name and times > 1]
        if repeated:
            raise UnreadableFile(
                f"The header names {shown(repeated[0])} more than once; every column needs its own name."
            )
        nameless = [str(index) for index, name in enumerate(names, start=1) if not name]
        if len(nameless) == len(names):
            raise UnreadableFile("The header names no column.")
        if nameless:
            self.notes.append(f"column {', '.join(nameless[:10])} of the header has no name and is left out")
        return names

    def __iter__(self) -> Iterator[Row | Rejection]:
        """Yield the rows.

        Raises:
            DamagedFile: the file breaks off; everything before has been yielded.
        """
        while True:
            self._lines.start()
            try:
                cells = next(self._parser)
            except StopIteration:
                break
            except (csv.Error, _QuoteNeverClosed) as error:
                yield self._rejected(_csv_reason(error))
                continue
            first = self._lines.taken[0]
            if first.problem:
                yield Rejection(first.number, first.problem)
            elif not any(cell.strip() for cell in cells):
                continue  # Spreadsheets like to end with rows of nothing but delimiters.
            elif len(cells) == len(self.header):
                self._lines.accept()
                yield Row(first.number, self._lines.size, self._named(cells))
            else:
                yield self._rejected(f"has {len(cells):,} cells, the header has {len(self.header):,}")
        self._feed.raise_damage()

    def _named(self, cells: list[str]) -> dict[str, object]:
        return {name: cell for name, cell in zip(self.header, cells, strict=True) if name}

    def _rejected(self, reason: str) -> Rejection:
        # What is wrong is most likely a quote in the first line that was never closed. The lines after it get another
        # chance, or one quote would swallow the rest of the file.
        first, *others = self._lines.taken
        self._lines.give_up()
        if others:
            reason += f"; a quote that opens in this line closes in line {others[-1].number:,} or not at all"
        return Rejection(first.number, reason)


def sniffed_delimiter(header: str) -> str:
    """Return the delimiter that cuts a header into most columns; a comma where there is one column alone.

    Raises:
        UnreadableFile: two delimiters would cut it into equally many.
    """
    outside = "".join(header.split('"')[::2])
    counts = sorted(((outside.count(delimiter), delimiter) for delimiter in DELIMITERS), reverse=True)
    (most, delimiter), (second, other) = counts[:2]
    if most == 0:
        return ","
    if most == second:
        raise UnreadableFile(f"The header may be separated by {delimiter!r} or {other!r}; say which with --delimiter.")
    return delimiter


def _csv_reason(error: Exception) -> str:
    if isinstance(error, _QuoteNeverClosed):
        return "has a quote that is never closed"
    if "field larger than" in str(error):
        return f"has a cell of more than {csv.field_size_limit():,} characters"
    return f"is not CSV: {error}"
