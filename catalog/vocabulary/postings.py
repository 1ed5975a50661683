"""The lists of products by term, as they are stored: read by key, a bounded number of small documents at a time.

A document holds the list of one term within one piece of the numbered products, or, where lists are short, many of
them together. ``ids`` documents tell which products the numbers stand for. All keys begin with the name of the build,
so a search that meets a change of builds finds nothing rather than something wrong, and asks anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from bson import ObjectId
from pyroaring import BitMap

from catalog import mongo
from catalog.search.attributes import TellingAttribute
from catalog.search.index_keys import ANY_TERM
from catalog.search.postings import bucket_of, term_key

POSTINGS = "search_postings"
BLOCK = 64
"""So many ids are kept together."""
ID_BYTES = 12
_FEW = 12
_AFTER_SLASH = chr(ord("/") + 1)
_ALWAYS = term_key(ANY_TERM)
"""A list that every build has in its first piece."""


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


def read_lists(
    state: PostingsState, keys: Collection[str], chunks: Iterable[int], *, begun: Mapping[str, BitMap] | None = None
) -> dict[str, BitMap]:
    """Return the lists of ``keys`` within some pieces; a key without products is left out.

    Args:
        begun: the lists of other pieces, to go on with.

    Raises:
        PostingsGone: another build has taken the place of this one.
    """
    wanted = {*keys, _ALWAYS}
    places = {list_id(state.build, chunk, key): (chunk, key) for chunk in chunks for key in wanted}
    parts: dict[str, list[BitMap]] = {key: [one] for key, one in (begun or {}).items()}
    short: dict[str, set[str]] = {}
    buckets = {
        place: bucket_id(state.build, chunk, bucket_of(key, state.buckets[chunk]))
        for place, (chunk, key) in places.items()
    }
    # Where they are few, the short lists are asked for at once: some kilobytes too many cost less than a second query.
    at_once = len(places) <= _FEW
    with mongo.reading() as database:
        rows = _by_ids(database, [*places, *buckets.values()] if at_once else places)
        for place, (_, key) in places.items():
            if place in rows:
                parts.setdefault(key, []).append(BitMap.deserialize(rows[place]["list"]))
            else:
                short.setdefault(buckets[place], set()).add(key)
        if not at_once:
            rows = _by_ids(database, short)
    for bucket in short.keys() & rows.keys():
        together = orjson.loads(rows[bucket]["lists"])
        for key in short[bucket].intersection(together):
            parts.setdefault(key, []).append(BitMap(together[key]))
    if _ALWAYS not in parts:
        raise PostingsGone(state.build)
    return {key: of[0] if len(of) == 1 else BitMap.union(*of) for key, of in parts.items()}


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
    blocks = {block_id(state.build, number // BLOCK): number // BLOCK for number in numbers}
    with mongo.reading() as database:
        rows = _by_ids(database, blocks)
    if len(rows) < len(blocks):
        raise PostingsGone(state.build)
    packed = {blocks[place]: row["ids"] for place, row in rows.items()}
    found = {}
    for number in numbers:
        block, place = divmod(number, BLOCK)
        found[number] = str(ObjectId(packed[block][place * ID_BYTES : (place + 1) * ID_BYTES]))
    return found


def read_telling_attributes(state: PostingsState, category: str) -> tuple[TellingAttribute, ...]:
    """Return the attributes that matter in a category, the best first."""
    with mongo.reading() as database:
        row = database[POSTINGS].find_one({"_id": facets_id(state.build, category)})
    return tuple(TellingAttribute(name, tuple(values)) for name, values in row["attributes"]) if row else ()
