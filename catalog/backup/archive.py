"""The form of a backup: a directory with one ``<collection>.bson.zst`` each, and ``manifest.json``, written last.

The manifest holds for each collection the number of documents, the SHA-256 of its file, and a digest of its content
that does not depend on the order of documents, so that a restored collection can be compared with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import zstandard
from bson import json_util

FORMAT = 1
_MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20
_LARGEST_DOCUMENT = 48 * 1024 * 1024
_LEVEL = 3


class BackupError(RuntimeError):
    """A backup cannot be made, or is not what it claims to be; the message is meant for a terminal."""


class ContentDigest:
    """A digest of a set of documents, whatever their order: the sum of the documents' own digests."""

    def __init__(self) -> None:
        self._sum = 0
        self.documents = 0

    def add(self, document: bytes) -> None:
        self._sum += int.from_bytes(hashlib.blake2b(document, digest_size=16).digest(), "big")
        self.documents += 1

    def hexdigest(self) -> str:
        return f"{self._sum % (1 << 128):032x}"


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """A collection of a backup.

    Attributes:
        options: what the collection was created with, such as its validator; extended JSON.
        indexes: keys and options of its indexes but the one on ``_id``; extended JSON.
    """

    name: str
    file: str
    documents: int
    bytes_plain: int
    bytes_stored: int
    sha256: str
    content: str
    options: str
    indexes: str

    def options_document(self) -> dict[str, Any]:
        return dict(json_util.loads(self.options))

    def index_documents(self) -> list[dict[str, Any]]:
        return list(json_util.loads(self.indexes))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds, of which database, and of which moment (seconds of MongoDB's cluster time)."""

    database: str
    taken_at: str
    cluster_time: int
    server_version: str
    collections: tuple[StoredCollection, ...]
    format: int = FORMAT

    @property
    def documents(self) -> int:
        return sum(one.documents for one in self.collections)

    @property
    def bytes_stored(self) -> int:
        return sum(one.bytes_stored for one in self.collections)


def raw(batch: Any) -> bytes:
    """Return a raw batch as the bytes that it is; the driver's types call it a document."""
    return bytes(batch)


def documents_in(data: bytes) -> Iterator[bytes]:
    """Yield the BSON documents that lie one behind the other in ``data``."""
    place = 0
    while place < len(data):
        size = struct.unpack_from("<i", data, place)[0]
        yield data[place : place + size]
        place += size


class CollectionWriter:
    """Writes one collection's file; use it as a context, then ask for :meth:`stored`."""

    def __init__(self, directory: Path, name: str) -> None:
        self._name = name
        self._path = directory / f"{quote(name, safe='')}.bson.zst"
        self._sha = hashlib.sha256()
        self._content = ContentDigest()
        self._plain = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("xb")
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        return self

    def __exit__(self, *_: object) -> None:
        self._put(self._compressor.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def write(self, batch: bytes) -> None:
        """Add the documents of a batch as MongoDB sent it."""
        for document in documents_in(batch):
            self._content.add(document)
        self._plain += len(batch)
        self._put(self._compressor.compress(batch))

    def stored(self, *, options: Mapping[str, Any], indexes: list[dict[str, Any]]) -> StoredCollection:
        """Return what the manifest has to say of the finished file."""
        return StoredCollection(
            name=self._name,
            file=self._path.name,
            documents=self._content.documents,
            bytes_plain=self._plain,
            bytes_stored=self._path.stat().st_size,
            sha256=self._sha.hexdigest(),
            content=self._content.hexdigest(),
            options=json_util.dumps(dict(options)),
            indexes=json_util.dumps(indexes),
        )

    def _put(self, data: bytes) -> None:
        self._sha.update(data)
        self._file.write(data)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest with a checksum of its own."""
    body = asdict(manifest)
    text = json.dumps({"sha256": _digest_of(body), "manifest": body}, indent=2)
    with (directory / _MANIFEST).open("x") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a backup; raise :class:`BackupError` where there is none or it has been changed."""
    try:
        told = json.loads((directory / _MANIFEST).read_text())
        body = told["manifest"]
        intact = told["sha256"] == _digest_of(body)
    except FileNotFoundError:
        raise BackupError(f"{directory} holds no finished backup: {_MANIFEST} is missing") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{directory / _MANIFEST} cannot be read: {error}") from error
    if not intact:
        raise BackupError(f"{directory / _MANIFEST} has been changed: its checksum does not match")
    if body.get("format") != FORMAT:
        raise BackupError(f"{directory} has format {body.get('format')}, this version reads {FORMAT}")
    collections = tuple(StoredCollection(**one) for one in body.pop("collections"))
    return Manifest(**body, collections=collections)


def _digest_of(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def verify(directory: Path) -> Manifest:
    """Read a whole backup and compare it with its manifest; return the manifest.

    Raises:
        BackupError: a file is missing, has changed or ends early.
    """
    manifest = read_manifest(directory)
    for one in manifest.collections:
        _verify_file(directory / one.file, one)
    return manifest


def _verify_file(path: Path, one: StoredCollection) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from error
    if found != one.sha256:
        size = path.stat().st_size
        if size != one.bytes_stored:
            raise BackupError(f"{path} has {size} bytes, the manifest says {one.bytes_stored}")
        raise BackupError(f"{path} has been changed: its checksum does not match")
    content = ContentDigest()
    for document in read_documents(path):
        content.add(document)
    if (content.documents, content.hexdigest()) != (one.documents, one.content):
        raise BackupError(f"{path} holds {content.documents} other documents than the {one.documents} of the manifest")


def read_documents(path: Path) -> Iterator[bytes]:
    """Yield the documents of a collection's file, a bounded part of it in memory; raise :class:`BackupError`."""
    try:
        with (
            path.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream,
        ):
            yield from _split(path, stream)
    except (OSError, zstandard.ZstdError) as error:
        raise BackupError(f"{path} cannot be read: {error}") from error


def _split(path: Path, stream: Any) -> Iterator[bytes]:
    rest = b""
    reader: BinaryIO = stream
    while chunk := reader.read(_CHUNK_BYTES):
        rest += chunk
        place = 0
        while len(rest) - place >= 4:
            size = struct.unpack_from("<i", rest, place)[0]
            if not 5 <= size <= _LARGEST_DOCUMENT:
                raise BackupError(f"{path} holds something that is no document")
            if len(rest) - place < size:
                break
            yield rest[place : place + size]
            place += size
        rest = rest[place:]
    if rest:
        raise BackupError(f"{path} ends in the middle of a document")
