"""The lines of a file: opened, unpacked, cut and decoded, in memory that does not grow with the file."""

from __future__ import annotations

import io
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog.importing.errors import DamagedFile, UnreadableFile
from catalog.importing.rows import shown

MAX_LINE_BYTES = 1_048_576
"""A longer line is rejected, and skipped without being kept."""
CHUNK_BYTES = 262_144
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # The largest window, and gzip's header instead of zlib's.
_BROKEN = (OSError, EOFError, zlib.error)
_BOM = b"\xef\xbb\xbf"
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet; unpack it, or export it as CSV in UTF-8",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or pipe it in: zstd -dc FILE | … import_products -",
    b"BZh": "compressed with bzip2; unpack it, or pipe it in: bzip2 -dc FILE | … import_products -",
    b"\xfd7zXZ": "compressed with xz; unpack it, or pipe it in: xz -dc FILE | … import_products -",
    b"\xff\xfe": "UTF-16 or UTF-32 text; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)",
    b"\xfe\xff": "UTF-16 text; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, without its end.

    Attributes:
        number: from 1.
        text: what it says; empty where ``problem`` says why it cannot be used.
        count: the lines that it stands for; more than one only for a run of blank lines.
    """

    number: int
    text: str
    problem: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file.

    Attributes:
        name: its name without folders, or ``-`` for the standard input.
        size_bytes: its size on disk, or ``None`` where it has none.
        position: tells how many bytes have been read of it, before unpacking.
        lines: its lines; reading them may raise :class:`~catalog.importing.errors.DamagedFile`.
    """

    name: str
    size_bytes: int | None
    position: Callable[[], int]
    lines: Iterator[Line]


class _CountingReader(io.RawIOBase):
    """Passes the bytes of an unbuffered file on and counts them."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        read = self._file.readinto(buffer)
        self.count += read or 0
        return read


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file, or the standard input for ``-``; gzip is known by its first bytes, whatever the name.

    Raises:
        UnreadableFile: it is missing, a directory, empty, or of a kind that cannot be read.
    """
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(_open_raw(path))
            size = Path(path).stat().st_size if path != "-" and Path(path).is_file() else None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UnreadableFile(f"{path} cannot be read: {reason}.") from error
        counting = _CountingReader(raw)
        name = "-" if path == "-" else Path(path).name
        chunks = _unpacked(io.BufferedReader(counting, CHUNK_BYTES), name)
        yield Source(name=name, size_bytes=size, position=lambda: counting.count, lines=split_lines(chunks))


def _open_raw(path: str) -> io.RawIOBase:
    if path == "-":
        return io.FileIO(0, closefd=False)
    return io.FileIO(path)


def _unpacked(packed: io.BufferedReader, name: str) -> Iterator[bytes]:
    """Return the unpacked bytes in chunks, after a look at the first of them."""
    try:
        is_gzip = packed.peek(len(_GZIP)).startswith(_GZIP)
        chunks = _gunzipped(packed) if is_gzip else iter(lambda: packed.read1(CHUNK_BYTES), b"")
        first = next(chunks, b"")
    except _BROKEN as error:
        raise UnreadableFile(f"{name} cannot be read: {_reason(error)}.") from error
    if not first:
        raise UnreadableFile(f"{name} is empty.")
    for magic, kind in _FOREIGN.items():
        if first.startswith(magic):
            raise UnreadableFile(f"{name} is {kind}.")
    return itertools.chain([first], chunks)


def _gunzipped(packed: io.BufferedReader) -> Iterator[bytes]:
    """Unpack gzip, of several members if need be.

    The standard library's reader drops what it has unpacked when it meets the end of a truncated file. This one
    hands it out first.

    Raises:
        EOFError: the data end before they are complete.
        zlib.error: they are damaged.
    """
    member = zlib.decompressobj(_GZIP_WINDOW)
    data = packed.read1(CHUNK_BYTES)
    while data:
        unpacked = member.decompress(data, CHUNK_BYTES)
        while unpacked:
            yield unpacked
            unpacked = member.decompress(member.unconsumed_tail, CHUNK_BYTES)
        if member.eof:
            data = member.unused_data.lstrip(b"\0")
            while not data and packed.peek(1):
                data = packed.read1(CHUNK_BYTES).lstrip(b"\0")
            if not data:
                return
            member = zlib.decompressobj(_GZIP_WINDOW)
        else:
            data = packed.read1(CHUNK_BYTES)
    raise EOFError


def split_lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    r"""Cut chunks of any size into lines that end with ``\n``, ``\r\n`` or ``\r``.

    Raises:
        DamagedFile: reading failed; the unfinished line is not handed out, for half a number is a wrong number.
    """
    number, rest, skipping, first = 1, b"", False, True
    waiting = iter(chunks)
    while True:
        try:
            chunk = next(waiting, b"")
        except _BROKEN as error:
            raise DamagedFile(number, f"the file breaks off here ({_reason(error)})") from error
        if not chunk:
            break
        if first:
            chunk, first = chunk.removeprefix(_BOM), False
        if skipping:
            end = _first_line_end(chunk)
            if end < 0:
                continue
            # The end itself stays: read as a blank line, it counts the long line that was skipped.
            chunk, skipping = chunk[end:], False
        rest += chunk
        # A trailing \r may be half of \r\n, so it waits for the next chunk.
        complete, rest = _cut(rest)
        for line in _decoded(number, complete):
            yield line
            number = line.number + line.count
        if len(rest) > MAX_LINE_BYTES:
            yield _too_long(number)
            rest, skipping = b"", True
    for line in _decoded(number, rest):
        yield line


def _first_line_end(chunk: bytes) -> int:
    return min((index for index in (chunk.find(b"\n"), chunk.find(b"\r")) if index >= 0), default=-1)


def _cut(data: bytes) -> tuple[bytes, bytes]:
    r"""Split ``data`` after its last finished line."""
    searched = len(data) - 1 if data.endswith(b"\r") else len(data)
    end = max(data.rfind(b"\n", 0, searched), data.rfind(b"\r", 0, searched)) + 1
    return data[:end], data[end:]


def _decoded(number: int, data: bytes) -> Iterator[Line]:
    if data and not data.strip(b"\r\n"):
        # Gigabytes of line feeds are passed over a chunk at a time.
        count = data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
        yield Line(number, "", count=count)
        return
    for offset, line in enumerate(data.splitlines()):
        if len(line) > MAX_LINE_BYTES:
            yield _too_long(number + offset)
            continue
        try:
            yield Line(number + offset, line.decode())
        except UnicodeDecodeError as error:
            byte = line[error.start]
            yield Line(number + offset, "", problem=f"is not UTF-8: byte 0x{byte:02X} at position {error.start + 1:,}")


def _too_long(number: int) -> Line:
    return Line(number, "", problem=f"is longer than {MAX_LINE_BYTES:,} bytes")


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip data end too early"
    if isinstance(error, zlib.error):
        return f"the gzip data are damaged: {shown(error)}"
    return (error.strerror if isinstance(error, OSError) else None) or shown(error)
