"""Taking a backup: all collections of a database as they were at one moment, while it is in use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure

from catalog.backup.archive import BackupError, CollectionWriter, Manifest, StoredCollection, raw, write_manifest

_BATCH = 5_000
_SNAPSHOT_GONE = frozenset({239, 246})
_NO_SNAPSHOTS = frozenset({20, 72, 123, 263})
STAGING = "restoring."
_NAME = "%Y%m%dT%H%M%SZ"
_LEFT_OUT = ("system.", STAGING, "failover_drill")


def take_backup(database: Database[dict[str, Any]], target: Path, *, say: Callable[[str], None]) -> Manifest:
    """Write all collections into a new directory below ``target``, named after the database and the time.

    All are read at one moment, by a session with read concern ``snapshot``. MongoDB keeps that moment for
    ``minSnapshotHistoryWindowInSeconds``, 300 s unless configured otherwise.

    Raises:
        BackupError: the moment is no longer kept, or the server cannot read one.
        OSError: the directory cannot be written.
    """
    taken = datetime.now(tz=UTC)
    final = target / f"{database.name}-{taken.strftime(_NAME)}"
    draft = final.with_name(final.name + ".partial")
    draft.mkdir(parents=True)
    try:
        with database.client.start_session(snapshot=True) as session:
            collections = tuple(_store(database, session, draft, info, say=say) for info in _collections(database))
            moment = session.cluster_time or {}
        version = str(database.client.admin.command("buildInfo")["version"])
        clock = getattr(moment.get("clusterTime"), "time", 0)
        manifest = Manifest(database.name, taken.isoformat(), clock, version, collections)
        write_manifest(draft, manifest)
        draft.rename(final)
    except OperationFailure as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise _explained(error) from error
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    say(str(final))
    return manifest


def _explained(error: OperationFailure) -> Exception:
    if error.code in _SNAPSHOT_GONE:
        return BackupError(
            "MongoDB no longer keeps the moment that the backup began at: raise minSnapshotHistoryWindowInSeconds "
            "(docs/operations.md), or take a snapshot of the disks"
        )
    if error.code in _NO_SNAPSHOTS:
        return BackupError("MongoDB can read all collections at one moment only as a replica set or a sharded cluster")
    return error


def _collections(database: Database[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [dict(info) for info in database.list_collections(filter={"type": "collection"})]
    kept = [info for info in found if not info["name"].startswith(_LEFT_OUT)]
    return sorted(kept, key=lambda info: str(info["name"]))


def _store(
    database: Database[dict[str, Any]],
    session: ClientSession,
    directory: Path,
    info: dict[str, Any],
    *,
    say: Callable[[str], None],
) -> StoredCollection:
    name = info["name"]
    collection = database[name]
    indexes = [dict(index) for index in collection.list_indexes() if index["name"] != "_id_"]
    writer = CollectionWriter(directory, name)
    with writer:
        for batch in collection.find_raw_batches({}, session=session, batch_size=_BATCH):
            writer.write(raw(batch))
    stored = writer.stored(options=info.get("options", {}), indexes=indexes)
    say(f"  {name:<32} {stored.documents:>12,} documents {stored.bytes_stored:>14,} bytes")
    return stored


def prune(target: Path, database: str, *, keep: int) -> list[Path]:
    """Remove the oldest finished backups of ``database`` until ``keep`` are left; return the removed."""
    found = sorted(
        path for path in target.glob(f"{database}-*Z") if path.is_dir() and (path / "manifest.json").is_file()
    )
    removed = found[:-keep] if keep > 0 else []
    for path in removed:
        shutil.rmtree(path)
    return removed
