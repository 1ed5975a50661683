"""What a process keeps of the lists that it has read: a build never changes, so what is kept can only fall out of use.

Lists share a bounded room, out of which falls what was asked for least recently. The ids of the most popular products,
which every search asks for, have a room of their own, where they take the bytes that they are.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cachetools import LRUCache

BLOCK = 64
"""So many ids are stored together."""
ID_BYTES = 12
_LIST_BYTES = 4 * 2**20
_BLOCKS = 4_096
"""So many blocks of ids are kept, those of the most popular products."""
_ENTRY_BYTES = 250

Place = tuple[str, int, str] | str


class KeptLists:
    """Lists, and whatever else is read of a build, by place."""

    def __init__(self, max_bytes: int = _LIST_BYTES) -> None:
        self._lock = threading.Lock()
        self._entries: LRUCache[Place, tuple[int, Any]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[0])

    def get(self, places: Collection[Place]) -> dict[Place, Any]:
        """Return what is kept of ``places``."""
        found = {}
        with self._lock:
            for place in places:
                try:
                    found[place] = self._entries[place][1]
                except KeyError:
                    continue
        return found

    def put(self, entries: Iterable[tuple[Place, Any, int]]) -> None:
        """Keep values with their sizes in bytes."""
        with self._lock:
            for place, value, size in entries:
                if size + _ENTRY_BYTES <= self._entries.maxsize:
                    self._entries[place] = (size + _ENTRY_BYTES, value)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


class KeptIds:
    """The ids of the first numbered products of one build, back to back.

    Args:
        build: the name of the build.
        products: how many are numbered.
    """

    def __init__(self, build: str = "", products: int = 0) -> None:
        self.build = build
        self._ids = bytearray(min(products, _BLOCKS * BLOCK) * ID_BYTES)
        self._known: set[int] = set()

    def missing(self, blocks: Iterable[int]) -> list[int]:
        """Return those of ``blocks`` that are not kept."""
        return [block for block in blocks if block not in self._known]

    def put(self, blocks: Mapping[int, bytes]) -> None:
        """Keep the ids of blocks, if these are among the first."""
        for block, ids in blocks.items():
            if block < _BLOCKS:
                start = block * BLOCK * ID_BYTES
                self._ids[start : start + len(ids)] = ids
                self._known.add(block)

    def get(self, number: int) -> bytes:
        """Return the id of a product whose block is kept."""
        return bytes(self._ids[number * ID_BYTES : (number + 1) * ID_BYTES])


class KeptSums:
    """By piece of one build, the checksums of the groups of lists that have a document of their own.

    Args:
        build: the name of the build.
    """

    def __init__(self, build: str = "") -> None:
        self.build = build
        self._by_piece: dict[int, array[int]] = {}

    def missing(self, pieces: Iterable[int]) -> list[int]:
        """Return those of ``pieces`` whose checksums are not kept."""
        return [piece for piece in pieces if piece not in self._by_piece]

    def put(self, piece: int, ascending: array[int]) -> None:
        """Keep the checksums of a piece."""
        self._by_piece[piece] = ascending

    def has(self, piece: int, checksum: int) -> bool:
        """Tell whether a group of a piece whose checksums are kept has a document of its own."""
        ascending = self._by_piece[piece]
        place = bisect_left(ascending, checksum)
        return place < len(ascending) and ascending[place] == checksum
