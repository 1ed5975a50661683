"""Restoring a backup: read and compared as a whole first, loaded beside what is there, compared again, then swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from catalog.backup.archive import (
    BackupError,
    ContentDigest,
    Manifest,
    StoredCollection,
    documents_in,
    raw,
    read_documents,
    verify,
)
from catalog.backup.taking import STAGING

_BATCH = 2_000
_OF_THE_LISTING = ("v", "ns")
_RAW = CodecOptions(document_class=RawBSONDocument)


def restore(
    directory: Path, database: Database[dict[str, Any]], *, replace: bool, say: Callable[[str], None]
) -> Manifest:
    """Load a backup into ``database`` and return its manifest.

    Nothing that is there is touched before the whole backup has been read and found intact, loaded under other names,
    and found equal there by count and content. Then collection after collection takes its place.

    Args:
        directory: the backup.
        database: where it goes; need not be the database that it was taken of.
        replace: whether collections that hold documents may be replaced.
        say: told each finished collection.

    Raises:
        BackupError: the backup is broken, the database is in use, or what was loaded is not what the backup holds.
    """
    manifest = verify(directory)
    if not replace:
        _refuse_loss(database, manifest)
    staged = [STAGING + one.name for one in manifest.collections]
    for name in staged:
        database.drop_collection(name)
    try:
        for one, name in zip(manifest.collections, staged, strict=True):
            _load(directory, one, database, name)
            _compare(one, database, name)
            say(f"  {one.name:<32} {one.documents:>12,} documents, equal")
        for one, name in zip(manifest.collections, staged, strict=True):
            database[name].rename(one.name, dropTarget=True)
    except BaseException:
        _drop(database, staged)
        raise
    return manifest


def _drop(database: Database[dict[str, Any]], names: Sequence[str]) -> None:
    # Where MongoDB has gone, what has failed is told, and not that it cannot be tidied up; the next restore does that.
    with suppress(PyMongoError):
        for name in names:
            database.drop_collection(name)


def _refuse_loss(database: Database[dict[str, Any]], manifest: Manifest) -> None:
    present = set(database.list_collection_names())
    used = [
        one.name for one in manifest.collections if one.name in present and database[one.name].find_one() is not None
    ]
    if used:
        raise BackupError(
            f"{database.name} holds documents already, in {', '.join(used[:5])}: restore into another database, or say "
            "--replace"
        )


def _load(directory: Path, one: StoredCollection, database: Database[dict[str, Any]], name: str) -> None:
    database.create_collection(name, **one.options_document())
    target = database.get_collection(name, codec_options=_RAW, write_concern=WriteConcern("majority"))
    for batch in _batches(read_documents(directory / one.file)):
        target.insert_many(batch, ordered=False, bypass_document_validation=True)
    models = [_index_model(index) for index in one.index_documents()]
    if models:
        database[name].create_indexes(models)


def _batches(documents: Iterator[bytes]) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    for document in documents:
        batch.append(RawBSONDocument(document))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _index_model(index: dict[str, Any]) -> IndexModel:
    options = {name: value for name, value in index.items() if name not in {*_OF_THE_LISTING, "key"}}
    keys = [(name, kind if isinstance(kind, str) else int(kind)) for name, kind in index["key"].items()]
    return IndexModel(keys, **options)


def _compare(one: StoredCollection, database: Database[dict[str, Any]], name: str) -> None:
    content = ContentDigest()
    for batch in database[name].find_raw_batches({}, batch_size=5_000):
        for document in documents_in(raw(batch)):
            content.add(document)
    if (content.documents, content.hexdigest()) != (one.documents, one.content):
        raise BackupError(
            f"{one.name} holds {content.documents:,} documents after loading, which are not the {one.documents:,} of "
            "the backup; what was there before is untouched"
        )
