"""Reading: any bytes become lines, in bounded memory, or one sentence that says why not."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.importing import lines
from catalog.importing.errors import DamagedFile, UnreadableFile
from catalog.importing.lines import CHUNK_BYTES, MAX_LINE_BYTES, Line, open_source, split_lines

MIB = 1024 * 1024


def lines_of(*chunks: bytes) -> list[Line]:
    return list(split_lines(chunks))


def texts_of(path: Path) -> list[str]:
    with open_source(str(path)) as source:
        return [line.text for line in source.lines]


def test_lines_end_with_any_of_the_three_line_ends_even_mixed() -> None:
    found = lines_of(b"one\ntwo\r\nthree\rfour")
    assert [(line.number, line.text) for line in found] == [(1, "one"), (2, "two"), (3, "three"), (4, "four")]


@given(st.lists(st.text(alphabet="ab€", max_size=5)), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 9))
def test_lines_do_not_depend_on_how_the_bytes_arrive(texts: list[str], end: str, size: int) -> None:
    data = "".join(text + end for text in texts).encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    found = lines_of(*chunks)
    assert [line.text for line in found if line.text] == [text for text in texts if text]
    numbers = [index for index, text in enumerate(texts, start=1) if text]
    assert [line.number for line in found if line.text] == numbers


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert lines_of(b"\xef\xbb\xbfsku,name\n")[0].text == "sku,name"


def test_a_line_in_another_encoding_is_reported_and_the_others_are_read() -> None:
    good, bad, after = lines_of("café\n".encode(), "café\n".encode("latin-1"), b"tea\n")
    assert (good.text, after.text) == ("café", "tea")
    assert (bad.number, bad.problem) == (2, "is not UTF-8: byte 0xE9 at position 4")


def test_a_line_that_is_too_long_is_passed_over_and_counted_once() -> None:
    found = lines_of(b"a\n", b"x" * (MAX_LINE_BYTES + 1), b"x" * CHUNK_BYTES, b"x\r\n", b"b\n")
    assert [(line.number, line.text) for line in found if line.text] == [(1, "a"), (3, "b")]
    assert [(line.number, line.problem) for line in found if line.problem] == [(2, "is longer than 1,048,576 bytes")]


def test_a_line_of_just_the_longest_length_is_read() -> None:
    (line,) = lines_of(b"x" * MAX_LINE_BYTES, b"\n")
    assert len(line.text) == MAX_LINE_BYTES


def test_a_line_that_never_ends_is_reported_while_it_still_goes_on() -> None:
    zeros = b"\0" * CHUNK_BYTES
    line = next(iter(split_lines(itertools.repeat(zeros))))
    assert line.problem == "is longer than 1,048,576 bytes"


@pytest.mark.parametrize("filling", [b"\0", b"\n", b"\r\n", b" "], ids=["zeros", "line feeds", "CRLF", "spaces"])
def test_much_of_nothing_takes_no_memory(filling: bytes) -> None:
    chunk = filling * (CHUNK_BYTES // len(filling))
    chunks = iter([chunk] * (64 * MIB // len(chunk)) + [b"\nlast"])
    tracemalloc.start()
    try:
        last = None
        for line in split_lines(chunks):
            last = line
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert last is not None
    assert last.text == "last"
    assert peak < 8 * MIB


def test_lines_are_numbered_through_gigabytes_of_blank_ones() -> None:
    chunk = b"\n" * CHUNK_BYTES
    chunks = iter([chunk] * 100 + [b"last\n"])
    last = list(split_lines(chunks))[-1]
    assert (last.number, last.text) == (100 * CHUNK_BYTES + 1, "last")


def test_reading_that_fails_does_not_hand_out_half_a_line() -> None:
    def failing() -> Iterator[bytes]:
        yield b"sku,price\nA,10\nB,1"
        raise EOFError

    chunks = failing()
    found: list[str] = []
    with pytest.raises(DamagedFile, match=r"line 3: the file breaks off here \(the gzip data end too early\)"):
        found.extend(line.text for line in split_lines(chunks))
    assert found == ["sku,price", "A,10"]


def test_gzip_is_known_by_its_first_bytes_whatever_the_name(tmp_path: Path) -> None:
    packed = tmp_path / "feed.csv"
    packed.write_bytes(gzip.compress(b"one\ntwo\n"))
    plain = tmp_path / "feed.csv.gz"
    plain.write_bytes(b"one\ntwo\n")
    assert texts_of(packed) == texts_of(plain) == ["one", "two"]


def test_gzip_of_several_members_is_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert texts_of(path) == ["one", "two"]


@pytest.mark.parametrize("count", [500, 5000, 50_000])
def test_half_a_gzip_gives_what_can_be_unpacked_and_then_says_where_it_ends(tmp_path: Path, count: int) -> None:
    data = b"".join(b'{"sku": "%d", "noise": "%d"}\n' % (number, number**9 % 10**9) for number in range(count))
    path = tmp_path / "half.gz"
    packed = gzip.compress(data)
    path.write_bytes(packed[: len(packed) // 2])
    found: list[str] = []
    with open_source(str(path)) as source, pytest.raises(DamagedFile) as caught:
        found.extend(line.text for line in source.lines)
    assert 0.3 * count < len(found) < 0.7 * count
    assert all(text.endswith("}") for text in found)
    assert caught.value.line == len(found) + 1


def test_bytes_after_a_gzip_are_damage_and_zeros_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(b"one\n") + b"\0" * 1_000_000)
    assert texts_of(path) == ["one"]
    path.write_bytes(gzip.compress(b"one\n") + b"rubbish")
    found: list[str] = []
    with open_source(str(path)) as source, pytest.raises(DamagedFile, match="the gzip data are damaged"):
        found.extend(line.text for line in source.lines)
    assert found == ["one"]


def test_a_gzip_with_a_flipped_bit_is_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"some text\n" * 100_000))
    packed[-6] ^= 1
    path = tmp_path / "feed.gz"
    path.write_bytes(packed)
    with open_source(str(path)) as source:
        assert len(list(itertools.islice(source.lines, 50_000))) == 50_000
        with pytest.raises(DamagedFile, match="the gzip data are damaged"):
            list(source.lines)


def test_position_counts_the_bytes_of_the_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(b"some text\n" * 1000))
    with open_source(str(path)) as source:
        assert len(list(source.lines)) == 1000
        assert source.position() == source.size_bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "a ZIP archive or a spreadsheet"),
        (b"\x28\xb5\x2f\xfdrest", "compressed with zstd"),
        (b"BZh91AY", "compressed with bzip2"),
        (b"\xfd7zXZ\x00rest", "compressed with xz"),
        ("sku,name\n".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b", "the gzip data end too early"),
        (b"\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "the gzip data are damaged"),
        (gzip.compress(b"", mtime=0)[:9], "the gzip data end too early"),
        (gzip.compress(b"", mtime=0), "empty"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "feed"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile) as caught, open_source(str(path)):
        pass
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"missing\.csv cannot be read: No such file or directory"):
        open_source(str(tmp_path / "missing.csv")).__enter__()
    with pytest.raises(UnreadableFile, match="cannot be read: Is a directory"):
        open_source(str(tmp_path)).__enter__()


def test_the_bounds_fit_each_other() -> None:
    assert lines.CHUNK_BYTES < lines.MAX_LINE_BYTES
