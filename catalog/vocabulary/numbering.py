"""Number all products by popularity and store, for each term, the numbers of those that have it.

The walk takes the products piece by piece, so its memory does not grow with the catalogue. In the pieces behind the
first ones products that are of one category and type are numbered one after the other: what they have in common is then
together, so that lists take fewer bytes and less time. The lists of a new build are written beside those that searches
use, and one write of the state takes searches over to them (ADR 60): whenever a run is killed, the state names a build
that is complete. The next run removes what a killed one has written, and the former build.
"""

from __future__ import annotations

import secrets
from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Generic, TypeAlias, TypeVar

import orjson
from bson import Binary, ObjectId, encode
from bson.raw_bson import RawBSONDocument
from pyroaring import BitMap

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.attributes import attribute_texts, telling_attributes
from catalog.search.estimate import MARKS
from catalog.search.facets import largest_brands
from catalog.search.index_keys import ANY_TERM, TIE_BITS, category_key
from catalog.search.postings import FIRST_PIECES, bounds_of_piece, checksum_of, group_of, impacts_of, keys_of
from catalog.vocabulary.kept import BLOCK
from catalog.vocabulary.postings import (
    FORMER_LISTS,
    LISTS,
    POSTINGS,
    PostingsState,
    block_id,
    bucket_id,
    facets_id,
    group_id,
    not_of_build,
    of_build,
    postings_state,
    sums_id,
)
from catalog.vocabulary.store import STATE, VOCABULARY

_LONG = 200
"""Lists of a group that have so many products together have a document of their own."""
_IN_BUCKET = 400
"""About so many numbers are kept in a document of short lists."""
_INSERTS, _INSERT_BYTES = 1_000, 8 * 2**20
_UNCOMPRESSED = 5_000_000
"""After so many numbers, 4 bytes each, sets are compressed that hold more than ``_SMALL`` uncompressed ones."""
_SMALL = 64
_BUILDS = {LISTS: 1, FORMER_LISTS: 1}
_SHOWN = 5_000
_READ = dict.fromkeys(
    (
        *("words", "impacts", "terms", "price", "rating", "attributes", "brand", "category_path", "product_type"),
        "order.popularity",
    ),
    1,
)
_MOST_VALUES = 2_000
"""So many different values are counted for a category; further ones are too many to be offered."""
_Numbers: TypeAlias = "BitMap | array[int]"
_Packable: TypeAlias = "_Numbers | dict[int, _Numbers]"
"""The numbers of a list, or those of each tier."""
_Groups: TypeAlias = "defaultdict[str, dict[str, _Packable]]"
"""Lists with the impacts of their products, together where they are asked for together."""


def begin_numbering(database: mongo.Documents) -> str:
    """Return the name of a new build, after all builds have been removed but the one that searches use.

    The former build goes only now, and not when searches were taken over, because some may still have been reading it.
    A run that is still at work loses its lists by that, and notices when it would switch to them.
    """
    build = secrets.token_hex(4)
    state = database[STATE].find_one_and_update(
        {"_id": VOCABULARY}, {"$set": {"numbering": build}}, _BUILDS, upsert=True
    )
    used = _used(state)
    database[POSTINGS].delete_many(not_of_build(used.build) if used else {})
    return build


def switch_to(database: mongo.Documents, build: str, state: Mapping[str, Any]) -> bool:
    """Let searches use a build from now on.

    Args:
        state: all that is stored of the vocabulary, with the build as :data:`~catalog.vocabulary.postings.LISTS`.

    Returns:
        False where another run has begun to number the products since: then its lists will be used, and these go.
    """
    switched = database[STATE].update_one(
        {"_id": VOCABULARY, "numbering": build}, {"$set": state, "$unset": {"numbering": "", FORMER_LISTS: ""}}
    )
    if not switched.matched_count:
        database[POSTINGS].delete_many(of_build(build))
    return bool(switched.matched_count)


def count_builds(database: mongo.Documents) -> int:
    """Return how many builds the lists are of that take room: that in use, and 1 more where another one is there."""
    used = _used(database[STATE].find_one({"_id": VOCABULARY}, _BUILDS))
    other = database[POSTINGS].find_one(not_of_build(used.build) if used else {}, {"_id": 1})
    return 1 if other is None or used is None else 2


def _used(state: Mapping[str, Any] | None) -> PostingsState | None:
    """Return the build that searches use, those of processes of the former version included."""
    return postings_state((state or {}).get(FORMER_LISTS) or (state or {}).get(LISTS))


def build_postings(database: mongo.Documents, build: str, progress: Progress) -> dict[str, Any]:
    """Number the products and write their lists under the name of the build; return what tells of it."""
    fresh = database[POSTINGS]
    total = max(database[PRODUCTS].estimated_document_count(), 1)
    progress.begin("Lists of products", total, shows_rate=True)
    cursor = database[PRODUCTS].find({"terms": ANY_TERM}, _READ).hint("terms_popularity")
    marks = frozenset(MARKS)
    documents = iter(cursor.sort([("order.popularity", -1)]).batch_size(2_000))
    buckets: list[int] = []
    popularity: list[int] = []
    by_category: defaultdict[tuple[str, ...], _Category] = defaultdict(_Category)
    done = 0
    while True:
        piece = len(buckets)
        lists, tiers = _Sets[str](), _Sets[tuple[str, int]]()
        identifiers: list[ObjectId] = []
        alike: defaultdict[tuple[str, ...], array[int]] = defaultdict(_numbers)
        _, end = bounds_of_piece(piece)
        for number, document in enumerate(islice(documents, end - done), start=done):
            identifiers.append(document["_id"])
            lists.add(keys_of(document), number)
            tiers.add(impacts_of(document), number)
            by_category[tuple(document["category_path"])].add(document)
            if piece >= FIRST_PIECES:
                alike[*document["category_path"], document["product_type"]].append(number)
            if number in marks:
                popularity.append(document["order"]["popularity"] >> TIE_BITS)
            if number % _SHOWN == 0:
                progress.update(number)
        if not identifiers and buckets:
            break
        # The kinds of thing come in the order of their most popular products.
        order = _Order(done, chain.from_iterable(alike.values())) if alike else None
        if order is not None:
            identifiers = [identifiers[number - done] for number in order.numbers]
        _insert(fresh, _block_documents(build, done // BLOCK, identifiers))
        groups: _Groups = defaultdict(dict)
        for key, held in lists.taken(order):
            groups[group_of(key, piece)][key] = held
        by_word: defaultdict[str, dict[int, _Numbers]] = defaultdict(dict)
        for (key, tier), held in tiers.taken(order):
            by_word[key][tier] = held
        while by_word:
            key, of = by_word.popitem()
            groups[group_of(key, piece)][key] = of
        short = sum(size for size in map(_size, groups.values()) if size < _LONG)
        buckets.append(short // _IN_BUCKET + 1)
        _insert(fresh, _list_documents(build, piece, groups, buckets[-1]))
        done += len(identifiers)
        progress.update(done)
        if done < end:
            break
    _insert(fresh, _facet_documents(build, by_category))
    progress.end()
    return {"build": build, "products": done, "buckets": buckets, "popularity": popularity}


class _Order:
    """Another order of the products of a piece.

    Args:
        first: the first number of the piece.
        numbers: those of all its products, in the new order.
    """

    def __init__(self, first: int, numbers: Iterable[int]) -> None:
        self._first = first
        self.numbers = array("I", numbers)
        self._fresh = array("I", bytes(self.numbers.itemsize * len(self.numbers)))
        for fresh, number in enumerate(self.numbers):
            self._fresh[number - first] = first + fresh

    def of(self, numbers: Iterable[int]) -> array[int]:
        """Return the new numbers of some products, ascending."""
        return array("I", sorted([self._fresh[number - self._first] for number in numbers]))


K = TypeVar("K", bound=Hashable)


class _Sets(Generic[K]):
    """Sets of numbers by key. Large ones are compressed now and then; small ones take less room number by number."""

    def __init__(self) -> None:
        self._compressed: dict[K, BitMap] = {}
        self._added: defaultdict[K, array[int]] = defaultdict(_numbers)
        self._size = 0

    def add(self, keys: Iterable[K], number: int) -> None:
        """Put a number, larger than all before, into sets."""
        for key in keys:
            self._added[key].append(number)
            self._size += 1
        if self._size > _UNCOMPRESSED:
            for large in [key for key, numbers in self._added.items() if len(numbers) > _SMALL]:
                self._compressed[large] = self._whole(large)
            self._size = 0

    def taken(self, order: _Order | None = None) -> Iterator[tuple[K, _Numbers]]:
        """Yield the sets by key, with the numbers of another order, and forget them."""
        for key in [key for key in self._added if key in self._compressed]:
            self._compressed[key] = self._whole(key)
        for held in (self._added, self._compressed):
            while held:
                key, numbers = held.popitem()
                yield key, (numbers if order is None else _like(numbers, order.of(numbers)))

    def _whole(self, key: K) -> BitMap:
        fresh = BitMap(self._added.pop(key))
        known = self._compressed.pop(key, None)
        return fresh if known is None else known | fresh


def _numbers() -> array[int]:
    return array("I")


def _like(held: _Numbers, numbers: array[int]) -> _Numbers:
    return BitMap(numbers) if isinstance(held, BitMap) else numbers


@dataclass(slots=True)
class _Category:
    """What the products of a category have for brands and attributes."""

    products: int = 0
    brands: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, document: Mapping[str, Any]) -> None:
        self.products += 1
        _count(self.brands, document["brand"])
        for one in attribute_texts(document["attributes"]):
            _count(self.values, one)


def _count(counter: Counter[Any], value: Hashable) -> None:
    if value in counter or len(counter) < _MOST_VALUES:
        counter[value] += 1


def _facet_documents(build: str, by_category: Mapping[tuple[str, ...], _Category]) -> Iterator[dict[str, Any]]:
    for path, of in by_category.items():
        telling = telling_attributes(of.values, products=of.products)
        stored = [[attribute.name, list(attribute.values)] for attribute in telling]
        brands = [value.label for value in largest_brands(of.brands)]
        yield {"_id": facets_id(build, category_key(path)), "attributes": stored, "brands": brands}


def _block_documents(build: str, first: int, identifiers: list[ObjectId]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(identifiers), BLOCK):
        packed = b"".join(identifier.binary for identifier in identifiers[start : start + BLOCK])
        yield {"_id": block_id(build, first + start // BLOCK), "ids": Binary(packed)}


def _size(held: Mapping[str, _Packable]) -> int:
    return sum(sum(map(len, of.values())) if isinstance(of, dict) else len(of) for of in held.values())


def _list_documents(build: str, piece: int, groups: _Groups, buckets: int) -> Iterator[dict[str, Any]]:
    short: defaultdict[int, dict[str, _Packable]] = defaultdict(dict)
    sums = {checksum_of(group) for group, held in groups.items() if _size(held) >= _LONG}
    yield {"_id": sums_id(build, piece), "sums": Binary(array("I", sorted(sums)).tobytes())}
    for group, held in groups.items():
        checksum = checksum_of(group)
        # Short lists that have their checksum in common with long ones are kept where they will be looked for.
        if checksum in sums:
            yield {"_id": group_id(build, piece, group), "long": [list(held), list(map(_packed, held.values()))]}
        else:
            short[checksum % buckets] |= held
    for bucket, together in short.items():
        plain = {key: _plain(of) for key, of in together.items()}
        yield {"_id": bucket_id(build, piece, bucket), "short": Binary(orjson.dumps(plain))}


def _packed(held: _Packable) -> Any:
    if isinstance(held, dict):
        return [[tier, _packed(numbers)] for tier, numbers in held.items()]
    numbers = held if isinstance(held, BitMap) else BitMap(held)
    numbers.run_optimize()
    return Binary(numbers.serialize())


def _plain(held: _Packable) -> list[Any]:
    return [[tier, list(numbers)] for tier, numbers in held.items()] if isinstance(held, dict) else list(held)


def _insert(collection: Any, documents: Iterator[dict[str, Any]]) -> None:
    """Insert documents, a bounded number of bytes at a time: the lists of a common word are large."""
    batch: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        encoded = RawBSONDocument(encode(document))
        batch.append(encoded)
        size += len(encoded.raw)
        if size >= _INSERT_BYTES or len(batch) >= _INSERTS:
            collection.insert_many(batch, ordered=False)
            batch, size = [], 0
    if batch:
        collection.insert_many(batch, ordered=False)
