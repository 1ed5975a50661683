"""The lists of products by term, as they are stored: read by key, a bounded number of small documents at a time.

A document holds the list of one term within one piece of the numbered products, or, where lists are short, many of
them together. ``ids`` documents tell which products the numbers stand for. All keys begin with the name of the build,
so a search that meets a change of builds finds nothing rather than something wrong, and asks anew.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cachetools import LRUCache
from pyroaring import BitMap

from catalog import mongo
from catalog.search.attributes import TellingAttribute
from catalog.search.postings import bucket_of

POSTINGS = "search_postings"
BLOCK = 64
"""So many ids are kept together."""
ID_BYTES = 12
_FEW = 12
_AFTER_SLASH = chr(ord("/") + 1)
COUNTED_PIECES = 2
"""The values of many results are counted over the products of the first pieces, which are the most popular."""
_KEPT_BYTES = 4 * 2**20
_KEPT_BLOCKS = 2_048
"""So many blocks of ids, those of the most popular products, take part in what is kept."""
_ENTRY_BYTES = 250


@dataclass(frozen=True, slots=True)
class PostingsState:
    """A finished build.

    Attributes:
        build: its name.
        products: how many are numbered.
        buckets: by piece, how many documents hold the short lists.
    """

    build: str
    products: int
    buckets: tuple[int, ...]

    @property
    def chunks(self) -> int:
        """Number of pieces."""
        return len(self.buckets)


def postings_state(stored: Mapping[str, Any] | None) -> PostingsState | None:
    """Read the stored form of a build; ``None`` where there is none."""
    if not stored:
        return None
    return PostingsState(stored["build"], stored["products"], tuple(stored["buckets"]))


def list_id(build: str, chunk: int, key: str) -> str:
    """Return the id of the document that holds a long list."""
    return f"{build}/{chunk}/{key}"


def bucket_id(build: str, chunk: int, bucket: int) -> str:
    """Return the id of a document that holds short lists."""
    return f"{build}/{chunk}#{bucket}"


def block_id(build: str, block: int) -> str:
    """Return the id of the document that holds the ids of :data:`BLOCK` products."""
    return f"{build}/ids/{block}"


def facets_id(build: str, category: str) -> str:
    """Return the id of the document that tells which attributes matter in a category."""
    return f"{build}/facets/{category}"


def of_build(build: str) -> dict[str, Any]:
    """Return the filter for all documents of a build."""
    return {"_id": {"$gte": f"{build}/", "$lt": f"{build}{_AFTER_SLASH}"}}


def not_of_build(build: str) -> dict[str, Any]:
    """Return the filter for all documents of other builds."""
    return {"$or": [{"_id": {"$lt": f"{build}/"}}, {"_id": {"$gte": f"{build}{_AFTER_SLASH}"}}]}


class PostingsGone(LookupError):
    """The build has been replaced since its name was read."""


class _Kept:
    """What this process has read lately of the first pieces; a build never changes, so it can only fall out of use."""

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._entries: LRUCache[tuple[str, int, str] | str, tuple[int, Any]] = LRUCache(
            max_bytes, getsizeof=lambda entry: entry[0]
        )

    def get(self, key: tuple[str, int, str] | str) -> Any:
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def put(self, key: tuple[str, int, str] | str, value: Any, *, size: int) -> None:
        if size + _ENTRY_BYTES <= self._entries.maxsize:
            with self._lock:
                self._entries[key] = (size + _ENTRY_BYTES, value)

    def forget(self) -> None:
        with self._lock:
            self._entries.clear()


_kept = _Kept(_KEPT_BYTES)


def forget_lists() -> None:
    """Drop what this process has read of the lists."""
    _kept.forget()


def read_lists(
    state: PostingsState, keys: Collection[str], chunks: Iterable[int], *, begun: Mapping[str, BitMap] | None = None
) -> dict[str, BitMap]:
    """Return the lists of ``keys`` within some pieces; a key without products is left out.

    Args:
        begun: the lists of other pieces, to go on with.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    parts: dict[str, list[BitMap]] = {key: [one] for key, one in (begun or {}).items()}
    places: dict[str, tuple[int, str]] = {}
    for chunk in chunks:
        for key in keys:
            kept: BitMap | None = _kept.get((state.build, chunk, key)) if chunk < COUNTED_PIECES else None
            if kept is None:
                places[list_id(state.build, chunk, key)] = (chunk, key)
            elif kept:
                parts.setdefault(key, []).append(kept)
    for key, found in _read_lists(state, places):
        parts.setdefault(key, []).append(found)
    return {key: of[0] if len(of) == 1 else BitMap.union(*of) for key, of in parts.items()}


def _read_lists(state: PostingsState, places: Mapping[str, tuple[int, str]]) -> list[tuple[str, BitMap]]:
    """Return key and list of what there is at some places; keep those of the first pieces, and that there is none."""
    found: list[tuple[str, BitMap]] = []
    if not places:
        return found
    short: dict[str, set[tuple[int, str]]] = {}
    buckets = {
        place: bucket_id(state.build, chunk, bucket_of(key, state.buckets[chunk]))
        for place, (chunk, key) in places.items()
    }
    # Where they are few, the short lists are asked for at once: some kilobytes too many cost less than a second query.
    at_once = len(places) <= _FEW
    with mongo.reading() as database:
        rows = _of_build(database, state, [*places, *(buckets.values() if at_once else ())])
        for place, (chunk, key) in places.items():
            if place in rows:
                packed = rows[place]["list"]
                found.append((key, _keep(state, chunk, key, BitMap.deserialize(packed), size=len(packed))))
            else:
                short.setdefault(buckets[place], set()).add((chunk, key))
        if short and not at_once:
            rows = _of_build(database, state, short)
    for bucket, wanted in short.items():
        together = orjson.loads(rows[bucket]["lists"]) if bucket in rows else {}
        for chunk, key in wanted:
            numbers = BitMap(together.get(key, ()))
            _keep(state, chunk, key, numbers, size=4 * len(numbers))
            if numbers:
                found.append((key, numbers))
    return found


def _keep(state: PostingsState, chunk: int, key: str, found: BitMap, *, size: int) -> BitMap:
    if chunk < COUNTED_PIECES:
        _kept.put((state.build, chunk, key), found, size=size)
    return found


def _of_build(
    database: mongo.Documents, state: PostingsState, identifiers: Collection[str]
) -> dict[str, Mapping[str, Any]]:
    """Return documents of a build by id, as :func:`_by_ids` does, sure that those which are not there never were."""
    always = block_id(state.build, 0)
    rows = _by_ids(database, [always, *identifiers])
    if always not in rows:
        raise PostingsGone(state.build)
    return rows


def _by_ids(database: mongo.Documents, identifiers: Collection[str]) -> dict[str, Mapping[str, Any]]:
    if not identifiers:
        return {}
    # All of them in one answer.
    cursor = database[POSTINGS].find({"_id": {"$in": list(identifiers)}}).batch_size(len(identifiers) + 1)
    return {row["_id"]: row for row in cursor}


def read_ids(state: PostingsState, numbers: Collection[int]) -> dict[int, str]:
    """Return the ids of numbered products.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    packed: dict[int, bytes] = {}
    blocks: dict[str, int] = {}
    for block in {number // BLOCK for number in numbers}:
        place = block_id(state.build, block)
        kept = _kept.get(place) if block < _KEPT_BLOCKS else None
        if kept is not None:
            packed[block] = kept
        else:
            blocks[place] = block
    if blocks:
        with mongo.reading() as database:
            rows = _by_ids(database, blocks)
        if len(rows) < len(blocks):
            raise PostingsGone(state.build)
        for place, row in rows.items():
            packed[blocks[place]] = row["ids"]
            if blocks[place] < _KEPT_BLOCKS:
                _kept.put(place, row["ids"], size=len(row["ids"]))
    found = {}
    for number in numbers:
        block, first = divmod(number, BLOCK)
        found[number] = packed[block][first * ID_BYTES : (first + 1) * ID_BYTES].hex()
    return found


def read_telling_attributes(state: PostingsState, category: str) -> tuple[TellingAttribute, ...]:
    """Return the attributes that matter in a category, the best first."""
    place = facets_id(state.build, category)
    kept: tuple[TellingAttribute, ...] | None = _kept.get(place)
    if kept is not None:
        return kept
    with mongo.reading() as database:
        row = database[POSTINGS].find_one({"_id": place})
    if not row:
        return ()
    found = tuple(TellingAttribute(name, tuple(values)) for name, values in row["attributes"])
    _kept.put(place, found, size=sum(len(text) + 60 for attribute in found for text in attribute.values))
    return found
