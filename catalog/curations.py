"""What staff has decided about the results of a query: products on top, and products left out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from cachelayer.engine import generation_of
from catalog import mongo
from catalog.changes import CURATIONS_TAG
from catalog.errors import CatalogError
from catalog.indexes import PRODUCTS
from catalog.search.analysis import indexed_terms
from catalog.search.plan import Phase, among
from catalog.staff_log import log_change
from catalog.writes import writing

CURATIONS = "curations"
MAX_PINS, MAX_HIDES = 10, 50
MAX_CURATIONS = 5_000
"""Every process keeps the keys of all of them."""
_KEPT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Curation:
    """What staff has decided about a query.

    Attributes:
        key: the words of the query as they are searched for, so that plural and case make no difference.
        query: as staff has written it.
        pins: ids of the products on top, in order.
        hides: ids of the products that are left out.
        version: counts changes; 0 where nothing is stored.
    """

    key: str
    query: str
    pins: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    version: int = 0
    updated_at: datetime | None = None
    updated_by: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.pins or self.hides)


class CurationConflict(CatalogError):
    """Somebody else has changed the pins and hides of this query since they were read; nothing was written.

    Attributes:
        stored: as they are now.
    """

    def __init__(self, stored: Curation) -> None:
        super().__init__(f"Pins and hides of {stored.query!r} are at version {stored.version}.")
        self.stored = stored


def curation_key(query: str) -> str:
    """Return the key under which what staff decides about ``query`` is kept.

    Args:
        query: in canonical form.
    """
    return " ".join(indexed_terms(query)) or query


def find_curation(key: str) -> Curation | None:
    """Return what staff has decided for ``key``; asks MongoDB only where there is something."""
    return read_curation(key) if key in _known.now() else None


def read_curation(key: str) -> Curation | None:
    """Return what is stored for ``key``."""
    with mongo.reading() as database:
        stored = database[CURATIONS].find_one({"_id": key})
    return _curation(stored) if stored is not None else None


def list_curations() -> list[Curation]:
    """Return all, in order of their queries."""
    with mongo.reading() as database:
        return [_curation(stored) for stored in database[CURATIONS].find().sort("_id", 1).limit(MAX_CURATIONS)]


def write_curation(wanted: Curation, *, expected_version: int, by: str) -> Curation:
    """Store pins and hides, or remove them where there are none, and note who did.

    Raises:
        CurationConflict: ``expected_version`` is not stored any more.
        NotAcknowledged: MongoDB did not answer in time.
    """
    before = read_curation(wanted.key)
    if (before.version if before else 0) != expected_version:
        raise CurationConflict(before or Curation(wanted.key, wanted.query))
    fields = {
        "query": wanted.query,
        "pins": [ObjectId(each) for each in wanted.pins],
        "hides": [ObjectId(each) for each in wanted.hides],
        "version": expected_version + 1,
        "updated_at": datetime.now(UTC),
        "updated_by": by,
    }
    with writing() as database:
        if not _replaced(database, wanted, fields, expected_version):
            raise CurationConflict(read_curation(wanted.key) or Curation(wanted.key, wanted.query))
        log_change(
            database,
            subject=CURATIONS,
            key=wanted.key,
            by=by,
            before=_decided(before) if before else None,
            after=None if wanted.is_empty else _decided(wanted),
        )
    return _curation({"_id": wanted.key, **fields, **({"version": 0} if wanted.is_empty else {})})


def matching_ids(phase: Phase, identifiers: Sequence[str]) -> set[str]:
    """Return those of some products that ``phase`` matches; each is looked up by its id."""
    if not identifiers:
        return set()
    some = among(phase, map(ObjectId, identifiers))
    with mongo.reading() as database:
        return {str(found["_id"]) for found in database[PRODUCTS].find(some.filter, {"_id": 1}).hint(some.hint)}


def _replaced(database: mongo.Documents, wanted: Curation, fields: Mapping[str, Any], expected_version: int) -> bool:
    stored = {"_id": wanted.key, "version": expected_version}
    if wanted.is_empty:
        return not expected_version or database[CURATIONS].delete_one(stored).deleted_count == 1
    if expected_version:
        return database[CURATIONS].update_one(stored, {"$set": fields}).matched_count == 1
    try:
        database[CURATIONS].insert_one({"_id": wanted.key, **fields})
    except DuplicateKeyError:
        return False
    return True


def _decided(curation: Curation) -> dict[str, Any]:
    return {"query": curation.query, "pins": list(curation.pins), "hides": list(curation.hides)}


def _curation(stored: Mapping[str, Any]) -> Curation:
    return Curation(
        key=stored["_id"],
        query=stored["query"],
        pins=tuple(str(each) for each in stored["pins"]),
        hides=tuple(str(each) for each in stored["hides"]),
        version=stored["version"],
        updated_at=stored["updated_at"],
        updated_by=stored["updated_by"],
    )


class _KnownKeys:
    """The keys of all curations, so that searches without one ask nobody; read anew once any of them has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._due_at = 0.0
        self._keys: frozenset[str] = frozenset()

    def now(self) -> frozenset[str]:
        """Return the keys. Where invalidations do not reach this process, they are read each time."""
        generation = generation_of(CURATIONS_TAG)
        with self._lock:
            if generation is not None and generation == self._generation and monotonic() < self._due_at:
                return self._keys
        with mongo.reading() as database:
            found = database[CURATIONS].find({}, {"_id": 1}).limit(MAX_CURATIONS)
            keys = frozenset(str(each["_id"]) for each in found)
        with self._lock:
            self._generation, self._due_at, self._keys = generation, monotonic() + _KEPT_SECONDS, keys
        return keys

    def forget(self) -> None:
        """Read the keys anew when they are needed next."""
        with self._lock:
            self._generation = None


_known = _KnownKeys()


def forget_known() -> None:
    """Forget what this process knows of curations, because the stored ones have changed without being announced."""
    _known.forget()
