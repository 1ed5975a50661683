"""A catalogue whose searches are all ones of many results, over several pieces of numbered products."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from pyroaring import BitMap

from catalog.indexes import PRODUCTS
from catalog.search.postings import FIRST_PIECES, bounds_of_piece
from catalog.tests.factories import draft, store
from catalog.vocabulary.building import build_vocabulary

COLOURS = ("Red", "Blue", "Green", "Black")
KINDS = ("Mouse", "Keyboard", "Laptop", "Notebook", "Wireless mouse")
BRANDS = ("Logitech", "Razer", "Sony")
PATHS = (("Accessories", "Mice"), ("Gaming", "Mice"), ("Office", "Keyboards"))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every search one of many results, over several pieces."""
    monkeypatch.setattr("catalog.search.plan.WINDOW", 0)
    monkeypatch.setattr("catalog.search.plan._WALKED", 0)
    monkeypatch.setattr("catalog.services.finding.WINDOW", 40)
    monkeypatch.setattr("catalog.services.numbered.GROUP", 40)
    monkeypatch.setattr("catalog.services.numbered.BLOCK", 80)
    monkeypatch.setattr("catalog.services.numbered._LARGE_BLOCK", 0)
    monkeypatch.setattr("catalog.search.postings.PIECE", 64)


def fill(database: Any) -> None:
    chance = random.Random(5)
    store(
        *(
            draft(
                f"SKU-{number}",
                name=f"{chance.choice(COLOURS)} {chance.choice(KINDS)} {number}",
                product_type=chance.choice(KINDS),
                brand=chance.choice(BRANDS),
                category_path=chance.choice(PATHS),
                description=f"For a {chance.choice(KINDS)} in {chance.choice(COLOURS)}",
                attributes={"Size": chance.choice(("S", "M", "L"))},
                price=chance.choice((499, 500, 999, 1000, 1250, 2000, 5000)),
                rating=float(chance.randint(0, 5)),
                popularity=chance.randrange(1_000),
                stock=chance.randrange(2),
            )
            for number in range(160)
        )
    )
    build_vocabulary(database)


def as_numbered(database: Any) -> list[dict[str, Any]]:
    """Return all products in the order of their numbers."""
    ordered = list(database[PRODUCTS].find({"active": True}).sort("order.popularity", -1))
    first = bounds_of_piece(FIRST_PIECES)[0]
    kinds = [(*document["category_path"], document["product_type"]) for document in ordered[first:]]
    later = sorted(zip(kinds, ordered[first:], strict=True), key=lambda pair: kinds.index(pair[0]))
    return [*ordered[:first], *(document for _, document in later)]


def joined(pieces: Mapping[int, Mapping[str, BitMap]]) -> dict[str, BitMap]:
    """Return lists over all pieces that were read."""
    keys = {key for lists in pieces.values() for key in lists}
    return {key: BitMap.union(*(lists[key] for lists in pieces.values() if key in lists)) for key in keys}
