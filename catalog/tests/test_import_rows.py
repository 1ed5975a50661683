"""Parsing: any line is a row or a rejection with a reason, and one bad row costs one row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.importing.csvrows import CsvRows, sniffed_delimiter
from catalog.importing.errors import DamagedFile, UnreadableFile
from catalog.importing.feed import LineFeed
from catalog.importing.formats import rows_of
from catalog.importing.jsonl import json_rows, parse_line
from catalog.importing.lines import Line, open_source, split_lines
from catalog.importing.rows import Rejection, Row, shown


def feed_of(data: bytes) -> LineFeed:
    return LineFeed(split_lines([data]))


def csv_of(text: str | bytes, *, delimiter: str = "") -> list[Row | Rejection]:
    return list(CsvRows(feed_of(text.encode() if isinstance(text, str) else text), delimiter=delimiter))


def fields_of(found: Iterable[Row | Rejection]) -> list[object]:
    return [dict(row.fields) if isinstance(row, Row) else (row.line, row.reason) for row in found]


# --- JSON lines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1, 2]", "is a list, where one object a line is expected"),
        ('"text"', "is a text, where one object a line is expected"),
        ("12", "is a number, where one object a line is expected"),
        ("true", "is true or false, where one object a line is expected"),
        ("null", "is null, where one object a line is expected"),
        ('{"sku": 1', "is not JSON: "),
        ('{"sku": NaN}', "is not JSON: "),
        ('{"price": 1e400}', "is not JSON: number is infinity"),
        ('{"price": ' + "9" * 400 + "}", "is not JSON: number is infinity"),
        ('{"name": "\\ud800"}', "is not JSON: "),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "is not JSON: depth limit exceeded"),
    ],
)
def test_json_that_is_no_object_is_rejected_with_its_reason(line: str, reason: str) -> None:
    found = parse_line(7, line)
    assert isinstance(found, Rejection)
    assert found.line == 7
    assert found.reason.startswith(reason)


@given(st.text())
def test_any_text_is_a_row_or_a_rejection_with_a_reason(text: str) -> None:
    found = parse_line(1, text)
    assert isinstance(found, Row) or found.reason


def test_blank_lines_between_json_lines_are_passed_over_and_counted() -> None:
    found = list(json_rows(feed_of(b'\n\n{"sku": "A"}\n   \n{"sku": "B"}\n\n')))
    assert [(row.line, dict(row.fields)) for row in found if isinstance(row, Row)] == [
        (3, {"sku": "A"}),
        (5, {"sku": "B"}),
    ]
    assert len(found) == 2


# --- CSV -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(delimiter: str) -> None:
    text = delimiter.join(("sku", "name")) + "\n" + delimiter.join(("A", "Mouse")) + "\n"
    assert fields_of(csv_of(text)) == [{"sku": "A", "name": "Mouse"}]


def test_delimiters_within_quotes_of_the_header_do_not_count() -> None:
    assert sniffed_delimiter('sku;"size, colour, weight"') == ";"


def test_a_header_that_two_delimiters_cut_alike_asks_for_one() -> None:
    with pytest.raises(UnreadableFile, match="say which with --delimiter"):
        csv_of("sku;name,price\n")
    assert fields_of(csv_of("sku;name,price\nA;B\n", delimiter=";")) == [{"sku": "A", "name,price": "B"}]


def test_quoted_cells_hold_delimiters_quotes_and_line_ends() -> None:
    text = 'sku,name,text\nA,"Mouse, ""silent""","two\r\nlines"\nB,"17"" monitor",x\n'
    assert fields_of(csv_of(text)) == [
        {"sku": "A", "name": 'Mouse, "silent"', "text": "two\nlines"},
        {"sku": "B", "name": '17" monitor', "text": "x"},
    ]


def test_a_quote_within_a_bare_cell_is_an_inch() -> None:
    assert fields_of(csv_of('sku,name\nA,17" monitor\n')) == [{"sku": "A", "name": '17" monitor'}]


def test_line_numbers_are_those_of_the_file_even_after_cells_of_several_lines() -> None:
    rows = csv_of('sku,text\n\nA,"one\ntwo\nthree"\nB,x\n')
    assert [row.line for row in rows] == [3, 6]


def test_a_quote_that_is_never_closed_costs_its_own_row_only() -> None:
    text = "sku,name\nA,ok\n" + 'B,"open\n' + "".join(f"C{number},ok\n" for number in range(2000)) + "D,last\n"
    rows = csv_of(text)
    rejected = [row for row in rows if isinstance(row, Rejection)]
    assert [row.line for row in rejected] == [3]
    assert "quote" in rejected[0].reason
    assert len(rows) == 2003


def test_a_quote_that_a_later_row_seems_to_close_costs_its_own_row_only() -> None:
    rows = csv_of('sku,name\nA,"open\nB,ok\nC,"quoted"\nD,ok\n')
    assert [row.line for row in rows if isinstance(row, Rejection)] == [2]
    assert [row.fields["sku"] for row in rows if isinstance(row, Row)] == ["B", "C", "D"]


def test_a_quote_that_opens_before_a_line_of_another_encoding_costs_both_and_no_more() -> None:
    rows = csv_of(b'sku,name\nA,"open\nB,ok\nC,caf\xe9\nD,ok\n')
    assert [row.line for row in rows if isinstance(row, Rejection)] == [2, 4]
    assert [row.fields["sku"] for row in rows if isinstance(row, Row)] == ["B", "D"]


def test_rows_with_too_few_or_too_many_cells_are_rejected_with_both_numbers() -> None:
    assert fields_of(csv_of("sku,name\nA\nB,ok\nC,x,y\n")) == [
        (2, "has 1 cells, the header has 2"),
        {"sku": "B", "name": "ok"},
        (4, "has 3 cells, the header has 2"),
    ]


def test_rows_of_nothing_but_delimiters_are_blank() -> None:
    assert fields_of(csv_of("sku,name\n,\nA,ok\n, \n,,,,\n")) == [{"sku": "A", "name": "ok"}]


def test_a_cell_of_a_million_characters_is_rejected_and_the_rest_is_read() -> None:
    assert fields_of(csv_of("sku,name\nA," + "x" * 1_000_000 + "\nB,ok\n")) == [
        (2, "has a cell of more than 131,072 characters"),
        {"sku": "B", "name": "ok"},
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sku,name,sku\n", "The header names 'sku' more than once"),
        (",,\n", "The header names no column"),
        ("\n\n  \n", "The file holds nothing but blank lines"),
        ('"sku,name\nA,x\n', "The header cannot be read as CSV: has a quote that is never closed"),
        (",".join(f"c{number}" for number in range(2001)) + "\n", "The header has 2,001 columns, more than 2,000"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        csv_of(text)
    assert str(caught.value).startswith(reason)


def test_a_header_in_another_encoding_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="The header in line 1 is not UTF-8"):
        csv_of("sku,größe\n".encode("latin-1"))


def test_a_header_alone_has_no_rows() -> None:
    assert csv_of("sku,name\n") == []


def test_columns_without_a_name_are_left_out_and_said_so() -> None:
    table = CsvRows(feed_of(b"sku,name,,\nA,ok,,\n"))
    assert fields_of(table) == [{"sku": "A", "name": "ok"}]
    assert table.notes == ["column 3, 4 of the header has no name and is left out"]


def test_rows_between_an_open_quote_and_the_end_of_half_a_gzip_are_read() -> None:
    def breaking() -> Iterable[Line]:
        yield from split_lines([b'sku,name\nA,"open\nB,ok\nC,ok\n'])
        raise DamagedFile(5, "the file breaks off here")

    rows: list[Row | Rejection] = []
    with pytest.raises(DamagedFile):
        rows.extend(CsvRows(LineFeed(iter(breaking()))))
    assert [row.line for row in rows if isinstance(row, Row)] == [3, 4]
    assert [row.line for row in rows if isinstance(row, Rejection)] == [2]


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), max_size=8), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_writes_is_read_back(table: list[list[str]], delimiter: str) -> None:
    def plain(cell: str) -> str:
        # Line ends of any kind come back as a line feed; spaces before a cell are no part of it.
        return cell.replace("\r\n", "\n").replace("\r", "\n").lstrip(" ")

    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["sku", "name"], *table])
    rows = csv_of(written.getvalue(), delimiter=delimiter)
    expected = [{"sku": plain(sku), "name": plain(name)} for sku, name in table if sku.strip() or name.strip()]
    found = [{key: plain(str(value)) for key, value in row.fields.items()} for row in rows if isinstance(row, Row)]
    assert found == expected


@given(st.binary(max_size=300))
def test_any_bytes_below_a_header_are_rows_or_rejections(data: bytes) -> None:
    for row in csv_of(b"sku,name\n" + data):
        assert isinstance(row, Row) or row.reason
        assert row.line >= 2


class CountingFeed(LineFeed):
    """Counts how many lines are asked for, again and again included."""

    asked = 0

    def next(self) -> Line | None:
        self.asked += 1
        return super().next()


def test_lines_that_each_seem_to_start_a_long_record_are_not_read_over_and_over() -> None:
    # Each line closes the quote of the one before and opens another.
    data = b"sku,name\n" + b'x","y\n' * 30_000
    feed = CountingFeed(split_lines([data]))
    rows = list(CsvRows(feed))
    assert len(rows) >= 29_000
    assert all(isinstance(row, Rejection) for row in rows)
    assert feed.asked < 300_000


# --- Formats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("feed.jsonl", '{"sku": "A"}', {"sku": "A"}),
        ("feed.ndjson", '{"sku": "A"}', {"sku": "A"}),
        ("feed.csv", "sku\nA\n", {"sku": "A"}),
        ("feed.tsv", "sku\tname\nA\tx\n", {"sku": "A", "name": "x"}),
        ("feed", '\n\n {"sku": "A"}', {"sku": "A"}),
        ("feed.txt", "sku,name\nA,x\n", {"sku": "A", "name": "x"}),
    ],
)
def test_the_format_follows_from_the_name_or_else_the_content(
    tmp_path: Path, name: str, content: str, expected: object
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with open_source(str(path)) as source:
        assert fields_of(rows_of(source).rows) == [expected]


def test_a_format_that_is_stated_wins_over_the_name(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text('{"sku": "A"}')
    with open_source(str(path)) as source:
        assert fields_of(rows_of(source, file_format="jsonl").rows) == [{"sku": "A"}]


def test_bytes_that_are_no_text_at_all_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(b"\xde\xad\xbe\xef" * 100)
    with open_source(str(path)) as source, pytest.raises(UnreadableFile, match="is this a text file"):
        rows_of(source)


def test_what_is_shown_of_a_value_is_short_and_has_no_control_characters() -> None:
    assert shown("\x1b[31mred\n" + "x" * 100) == repr("\x1b[31mred\n" + "x" * 50 + "…")
    assert "\x1b" not in shown("\x1b[31m")
