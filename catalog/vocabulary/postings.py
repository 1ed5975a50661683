"""The lists of products by term, as they are stored: read by key, a bounded number of small documents at a time.

A document holds the lists of one word or filter within one piece of the numbered products (in the larger pieces one of
them) or, where these are short, those of many together; which of the two it is, another document of the piece tells, so
that a search asks once for exactly what it needs. ``ids`` documents tell which products the numbers stand for. All keys
begin with the name of the build, so a search that meets a change of builds finds nothing rather than something wrong,
and asks anew.
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
from catalog.search.impacts import AMOUNTS
from catalog.search.index_keys import IN_STOCK_TERM
from catalog.search.postings import FIRST_PIECES, IMPACTS, checksum_of, group_of, impacts_key, term_key
from catalog.vocabulary.kept import BLOCK, ID_BYTES, KeptIds, KeptLists, KeptSums, Place

POSTINGS = "search_postings"
_TIER_BYTES = 300
"""About what a list takes besides its numbers."""
_AFTER_SLASH = chr(ord("/") + 1)
LISTS = "numbered_lists"
"""Where the state of the vocabulary tells which build searches use. Once documents of a build look otherwise, this has
to have another name, so that processes of the former version, which run on during an upgrade, do without lists."""
FORMER_LISTS = "lists"
"""Where the former version had it."""
Pieces = dict[int, dict[str, BitMap]]
"""For each piece its lists by key."""
Impacts = dict[str, list[tuple[float, BitMap]]]
"""For each word its products, by how much they are about it; see :data:`~catalog.search.impacts.AMOUNTS`."""


@dataclass(frozen=True, slots=True)
class PostingsState:
    """A finished build.

    Attributes:
        build: its name.
        products: how many are numbered.
        buckets: by piece, how many documents hold the short lists.
        popularity: of the products that :data:`~catalog.search.estimate.MARKS` names.
    """

    build: str
    products: int
    buckets: tuple[int, ...]
    popularity: tuple[int, ...] = ()

    @property
    def pieces(self) -> int:
        """Number of pieces."""
        return len(self.buckets)


def is_current(state: Mapping[str, Any]) -> bool:
    """Tell whether this version has numbered the products last: one of the former deletes the lists of this one."""
    return LISTS in state and FORMER_LISTS not in state


def postings_state(stored: Mapping[str, Any] | None) -> PostingsState | None:
    """Read the stored form of a build; ``None`` where there is none."""
    if not stored:
        return None
    return PostingsState(
        stored["build"], stored["products"], tuple(stored["buckets"]), tuple(stored.get("popularity", ()))
    )


def group_id(build: str, piece: int, group: str) -> str:
    """Return the id of the document that holds the long lists of a group."""
    return f"{build}/{piece}/{group}"


def bucket_id(build: str, piece: int, bucket: int) -> str:
    """Return the id of a document that holds short lists."""
    return f"{build}/{piece}#{bucket}"


def sums_id(build: str, piece: int) -> str:
    """Return the id of the document that tells which groups of a piece have a document of their own."""
    return f"{build}/sums/{piece}"


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


Held = Any
"""A list, or the :class:`_Tiers` of a word; which of the two, the key says."""
_lists = KeptLists()
_offers = KeptLists(2**18)
"""Apart, because most searches need what little there is of a category, which lists would displace."""
_of_this_search: ContextVar[dict[Place, Held] | None] = ContextVar("lists of this search", default=None)
_IN_STOCK = term_key(IN_STOCK_TERM)
_ids = [KeptIds()]
_sums = [KeptSums()]
"""Both of the build that was read last."""


def forget_lists() -> None:
    """Drop what this process has read of the lists."""
    _lists.clear()
    _offers.clear()
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


def read_pieces(state: PostingsState, keys: Collection[str], pieces: Iterable[int]) -> Pieces:
    """Return the lists of ``keys`` within some pieces; a key without products is left out.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    return read_places(state, [(piece, key) for piece in pieces for key in keys])


def read_places(
    state: PostingsState, places: Iterable[tuple[int, str]], *, beside: Iterable[tuple[int, str]] = ()
) -> Pieces:
    """Return lists by their pieces and keys.

    Args:
        beside: places of what will be asked for next, so that it is read in the same query; within
            :func:`remembering_lists`.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    wanted = list(places)
    held = _read(state, wanted if _of_this_search.get() is None else dict.fromkeys((*wanted, *beside)))
    found: Pieces = {}
    for piece, key in wanted:
        lists = found.setdefault(piece, {})
        if held[piece, key]:
            lists[key] = held[piece, key]
    return found


def read_impacts(state: PostingsState, words: Collection[str], pieces: Collection[int]) -> Impacts:
    """Return for each of ``words`` the products that have it, within some pieces, by how much they are about it.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    held = _read(state, [(piece, impacts_key(word)) for piece in pieces for word in words])
    return {word: [tier for piece in pieces for tier in held[piece, impacts_key(word)].unpacked] for word in words}


def _read(state: PostingsState, wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], Held]:
    """Return what there is at some places, be it nothing; keep it where it is likely to be asked for again."""
    kept = _lists.get([(state.build, *place) for place in wanted if _is_kept(*place)])
    kept |= _of_this_search.get() or {}
    found: dict[tuple[int, str], Held] = {}
    missing: list[tuple[int, str]] = []
    for place in wanted:
        held: Held | None = kept.get((state.build, *place))
        if held is None:
            missing.append(place)
        else:
            found[place] = held
    return found | _read_places(state, missing)


def _is_kept(piece: int, key: str) -> bool:
    """Tell whether a list is kept by this process; that of stock, which most searches ask for, as a whole."""
    return piece < FIRST_PIECES or key == _IN_STOCK


def _read_places(state: PostingsState, places: Collection[tuple[int, str]]) -> dict[tuple[int, str], Held]:
    if not places:
        return {}
    sums = _sums_of(state, {piece for piece, _ in places})
    homes: dict[str, list[tuple[int, str]]] = {}
    for piece, key in places:
        group = group_of(key, piece)
        checksum = checksum_of(group)
        if sums.has(piece, checksum):
            home = group_id(state.build, piece, group)
        else:
            home = bucket_id(state.build, piece, checksum % state.buckets[piece])
        homes.setdefault(home, []).append((piece, key))
    with mongo.reading() as database:
        rows = _of_build(database, state, homes)
    found: dict[tuple[int, str], tuple[Held, int]] = {}
    for home, held in homes.items():
        together = _together(rows.get(home, {}))
        found |= {place: _unpacked(place[1], together.get(place[1], ())) for place in held}
    _lists.put(((state.build, *place), held, size) for place, (held, size) in found.items() if _is_kept(*place))
    if (now := _of_this_search.get()) is not None:
        now.update(((state.build, *place), held) for place, (held, _) in found.items())
    return {place: held for place, (held, _) in found.items()}


def _together(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the lists of a document by key, packed or number by number."""
    if "short" in row:
        short: dict[str, Any] = orjson.loads(row["short"])
        return short
    return dict(zip(*row["long"], strict=True)) if row else {}


def _unpacked(key: str, packed: Any) -> tuple[Held, int]:
    """Return what is kept under a key, with its size in bytes."""
    if not key.startswith(IMPACTS):
        return _unpacked_list(packed)
    tiers = [(tier, of if isinstance(of, bytes) else array("I", of)) for tier, of in packed]
    size = sum(len(of) if isinstance(of, bytes) else 4 * len(of) for _, of in tiers)
    return _Tiers(tiers), size + _TIER_BYTES * len(tiers)


class _Tiers:
    """The products of a word by how much they are about it; unpacked once that is asked for, as it often is not."""

    def __init__(self, packed: Sequence[tuple[int, bytes | array[int]]]) -> None:
        # One attribute, so that threads that meet here see the one or the other.
        self._held: tuple[Sequence[tuple[int, bytes | array[int]]], list[tuple[float, BitMap]] | None] = packed, None

    @property
    def unpacked(self) -> list[tuple[float, BitMap]]:
        """Amounts with the products that have them."""
        packed, unpacked = self._held
        if unpacked is None:
            unpacked = [(AMOUNTS[tier], _unpacked_list(of)[0]) for tier, of in packed]
            self._held = (), unpacked
        return unpacked


def _unpacked_list(packed: bytes | array[int] | Sequence[int]) -> tuple[BitMap, int]:
    if isinstance(packed, bytes):
        return BitMap.deserialize(packed), len(packed)
    return BitMap(packed), 4 * len(packed)


def _sums_of(state: PostingsState, pieces: Collection[int]) -> KeptSums:
    """Return the checksums of at least some pieces."""
    kept = _sums[0]
    if kept.build != state.build:
        kept = _sums[0] = KeptSums(state.build)
    asked = {sums_id(state.build, piece): piece for piece in kept.missing(pieces)}
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


@dataclass(frozen=True, slots=True)
class Offer:
    """What is worth narrowing to in a category.

    Attributes:
        attributes: those that matter there, the best first.
        brands: the most frequent ones.
    """

    attributes: tuple[TellingAttribute, ...] = ()
    brands: tuple[str, ...] = ()


def read_offer(state: PostingsState, category: str) -> Offer:
    """Return what is worth narrowing to in a category."""
    place = facets_id(state.build, category)
    kept: dict[Any, Offer] = _offers.get([place])
    if place in kept:
        return kept[place]
    with mongo.reading() as database:
        row = database[POSTINGS].find_one({"_id": place}) or {"attributes": (), "brands": ()}
    attributes = tuple(TellingAttribute(name, tuple(values)) for name, values in row["attributes"])
    found = Offer(attributes, tuple(row["brands"]))
    texts = [*found.brands, *(text for attribute in attributes for text in attribute.values)]
    _offers.put([(place, found, sum(len(text) + 60 for text in texts))])
    return found
