"""The lists of products by term, as they are stored: read by key, a bounded number of small documents at a time.

A document holds the lists of one word or filter within one piece of the numbered products, or, where these are short,
those of many together; which of the two it is, another document of the piece tells, so that a search asks once for
exactly what it needs. ``ids`` documents tell which products the numbers stand for. All keys begin with the name of the
build, so a search that meets a change of builds finds nothing rather than something wrong, and asks anew.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
from bson import ObjectId
from pyroaring import BitMap

from catalog import mongo
from catalog.search.attributes import TellingAttribute
from catalog.search.postings import checksum_of, group_of
from catalog.vocabulary.kept import BLOCK, ID_BYTES, KeptIds, KeptLists, KeptSums, Place

POSTINGS = "search_postings"
_AFTER_SLASH = chr(ord("/") + 1)
LISTS = "lists"
"""Where the state of the vocabulary tells which build searches use. Once documents of a build look otherwise, this has
to have another name, so that processes of the former version, which run on during an upgrade, do without lists."""
FORMER_LISTS = "postings"
"""Where the former version had it."""
COUNTED_PIECES = 2
"""The values of many results are counted over the products of the first pieces, which are the most popular."""
Pieces = dict[str, list[BitMap]]
"""For each key its lists, one for each piece that has one."""


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


def is_current(state: Mapping[str, Any]) -> bool:
    """Tell whether this version has numbered the products last: one of the former deletes the lists of this one."""
    return LISTS in state and FORMER_LISTS not in state


def postings_state(stored: Mapping[str, Any] | None) -> PostingsState | None:
    """Read the stored form of a build; ``None`` where there is none."""
    if not stored:
        return None
    return PostingsState(stored["build"], stored["products"], tuple(stored["buckets"]))


def group_id(build: str, chunk: int, group: str) -> str:
    """Return the id of the document that holds the long lists of a group."""
    return f"{build}/{chunk}/{group}"


def bucket_id(build: str, chunk: int, bucket: int) -> str:
    """Return the id of a document that holds short lists."""
    return f"{build}/{chunk}#{bucket}"


def sums_id(build: str, chunk: int) -> str:
    """Return the id of the document that tells which groups of a piece have a document of their own."""
    return f"{build}/sums/{chunk}"


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


_lists = KeptLists()
_telling = KeptLists(2**18)
"""Apart, because most searches need what little there is of a category, which lists would displace."""
_of_this_search: ContextVar[dict[Place, BitMap] | None] = ContextVar("lists of this search", default=None)
_ids = [KeptIds()]
_sums = [KeptSums()]
"""Both of the build that was read last."""


def forget_lists() -> None:
    """Drop what this process has read of the lists."""
    _lists.clear()
    _telling.clear()
    _ids[0] = KeptIds()
    _sums[0] = KeptSums()


@contextmanager
def remembering_lists() -> Iterator[None]:
    """Read no list twice within the block: a search asks for the same words again with fewer and with other filters."""
    token = _of_this_search.set({})
    try:
        yield
    finally:
        _of_this_search.reset(token)


def read_pieces(state: PostingsState, keys: Collection[str], chunks: Iterable[int]) -> Pieces:
    """Return the lists of ``keys`` within some pieces; a key without products is left out.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    pieces: Pieces = {}
    wanted = [(state.build, chunk, key) for chunk in chunks for key in keys]
    kept = _lists.get([place for place in wanted if place[1] < COUNTED_PIECES])
    kept |= _of_this_search.get() or {}
    places: list[tuple[int, str]] = []
    for place in wanted:
        found: BitMap | None = kept.get(place)
        if found is None:
            places.append(place[1:])
        elif found:
            pieces.setdefault(place[2], []).append(found)
    for key, found in _read_lists(state, places):
        pieces.setdefault(key, []).append(found)
    return pieces


def joined(pieces: Pieces) -> dict[str, BitMap]:
    """Return the lists over all pieces that were read."""
    return {key: of[0] if len(of) == 1 else BitMap.union(*of) for key, of in pieces.items()}


def _read_lists(state: PostingsState, places: Collection[tuple[int, str]]) -> list[tuple[str, BitMap]]:
    """Return key and list of what there is at some places; keep those of the first pieces, and that there is none."""
    if not places:
        return []
    sums = _sums_of(state, {chunk for chunk, _ in places})
    homes: dict[str, list[tuple[int, str]]] = {}
    for chunk, key in places:
        group = group_of(key)
        checksum = checksum_of(group)
        if sums.has(chunk, checksum):
            home = group_id(state.build, chunk, group)
        else:
            home = bucket_id(state.build, chunk, checksum % state.buckets[chunk])
        homes.setdefault(home, []).append((chunk, key))
    with mongo.reading() as database:
        rows = _of_build(database, state, homes)
    found: list[tuple[int, str, BitMap, int]] = []
    for home, held in homes.items():
        together = _together(rows.get(home, {}))
        found += [(*place, *_unpacked(together.get(place[1], ()))) for place in held]
    _lists.put(
        ((state.build, chunk, key), numbers, size) for chunk, key, numbers, size in found if chunk < COUNTED_PIECES
    )
    if (now := _of_this_search.get()) is not None:
        now.update(((state.build, chunk, key), numbers) for chunk, key, numbers, _ in found)
    return [(key, numbers) for _, key, numbers, _ in found if numbers]


def _together(row: Mapping[str, Any]) -> Mapping[str, bytes | Sequence[int]]:
    """Return the lists of a document by key, compressed or number by number."""
    if "short" in row:
        short: dict[str, list[int]] = orjson.loads(row["short"])
        return short
    return dict(zip(*row["long"], strict=True)) if row else {}


def _unpacked(packed: bytes | Sequence[int]) -> tuple[BitMap, int]:
    """Return a list with its size in bytes."""
    if isinstance(packed, bytes):
        return BitMap.deserialize(packed), len(packed)
    return BitMap(packed), 4 * len(packed)


def _sums_of(state: PostingsState, chunks: Collection[int]) -> KeptSums:
    """Return the checksums of at least some pieces."""
    kept = _sums[0]
    if kept.build != state.build:
        kept = _sums[0] = KeptSums(state.build)
    asked = {sums_id(state.build, chunk): chunk for chunk in kept.missing(chunks)}
    if asked:
        with mongo.reading() as database:
            rows = _by_ids(database, asked)
        if len(rows) < len(asked):
            raise PostingsGone(state.build)
        for place, row in rows.items():
            kept.put(asked[place], array("I", row["sums"]))
    return kept


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


def read_ids(state: PostingsState, numbers: Collection[int]) -> list[ObjectId]:
    """Return the ids of numbered products, in the order of ``numbers``.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    kept = _ids[0]
    if kept.build != state.build:
        kept = _ids[0] = KeptIds(state.build, state.products)
    blocks = {block_id(state.build, block): block for block in kept.missing({number // BLOCK for number in numbers})}
    read: dict[int, bytes] = {}
    if blocks:
        with mongo.reading() as database:
            rows = _by_ids(database, blocks)
        if len(rows) < len(blocks):
            raise PostingsGone(state.build)
        read = {blocks[place]: row["ids"] for place, row in rows.items()}
        kept.put(read)
    found = []
    for number in numbers:
        block, first = divmod(number, BLOCK)
        if block in read:
            found.append(ObjectId(read[block][first * ID_BYTES : (first + 1) * ID_BYTES]))
        else:
            found.append(ObjectId(kept.get(number)))
    return found


def read_telling_attributes(state: PostingsState, category: str) -> tuple[TellingAttribute, ...]:
    """Return the attributes that matter in a category, the best first."""
    place = facets_id(state.build, category)
    kept: dict[Any, tuple[TellingAttribute, ...]] = _telling.get([place])
    if place in kept:
        return kept[place]
    with mongo.reading() as database:
        row = database[POSTINGS].find_one({"_id": place}) or {"attributes": ()}
    found = tuple(TellingAttribute(name, tuple(values)) for name, values in row["attributes"])
    _telling.put([(place, found, sum(len(text) + 60 for attribute in found for text in attribute.values))])
    return found
