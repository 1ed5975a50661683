"""How well search puts up with typing errors: clean queries made from products, one random edit in each."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import Any

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.search.request import SearchRequest, normalise_query
from catalog.search.spelling import SHORTEST
from catalog.services.finding import find_page

QUERIES = 1_000
TOP = 3
_SAMPLE = 3_000
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class TypoReport:
    """What became of misspelt queries.

    Attributes:
        queries: number of clean queries with a result.
        found: share whose misspelt form has the clean form's first result among its first three.
        clean_changed: clean queries whose spelling was changed, which must be none.
        missed: some of the misspelt queries that failed, with the clean form.
    """

    queries: int
    found: float
    clean_changed: int
    missed: tuple[tuple[str, str], ...]


def measure_typos(*, queries: int = QUERIES, seed: int = 1) -> TypoReport:
    """Search for clean and misspelt forms of queries that are made from the products of the database."""
    chance = random.Random(seed)
    products = _sample()
    found = tried = clean_changed = 0
    missed: list[tuple[str, str]] = []
    for _ in range(queries * _ATTEMPTS):
        if tried == queries or not products:
            break
        clean = _clean_query(chance, chance.choice(products))
        misspelt = with_one_edit(chance, clean)
        if misspelt is None:
            continue
        page = find_page(SearchRequest(query=clean), with_facets=False)
        if not page.results:
            continue
        tried += 1
        clean_changed += page.meaning is not None and page.meaning.corrected
        wanted = page.results[0].product.id
        shown = find_page(SearchRequest(query=misspelt), with_facets=False).results[:TOP]
        if wanted in [result.product.id for result in shown]:
            found += 1
        else:
            missed.append((misspelt, clean))
    return TypoReport(tried, found / tried if tried else 0.0, clean_changed, tuple(missed[:20]))


def with_one_edit(chance: random.Random, query: str) -> str | None:
    """Return ``query`` with one letter left out, replaced, added or swapped with the one before it.

    Only words of letters are changed that are long enough to be corrected; ``None`` where there is none.
    """
    words = query.split()
    places = [place for place, word in enumerate(words) if len(word) >= SHORTEST and word.isascii() and word.isalpha()]
    if not places:
        return None
    chosen = chance.choice(places)
    word = words[chosen]
    at = chance.randrange(len(word))
    letter = chance.choice(string.ascii_lowercase)
    edited = chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] if at else word[1] + word[0] + word[2:],
        )
    )
    if edited == word:
        return None
    words[chosen] = edited
    return " ".join(words)


def _sample() -> list[dict[str, Any]]:
    fields = {"brand": 1, "product_type": 1, "category": 1}
    # Ids are hashes, so the first ones are a random sample, and the same in every run.
    cursor = mongo.command_database()[PRODUCTS].find({"active": True}, fields).sort("_id", 1).limit(_SAMPLE)
    return list(cursor)


def _clean_query(chance: random.Random, product: dict[str, Any]) -> str:
    kind = product["product_type"] or product["category"]
    text = chance.choice((kind, kind, f"{product['brand']} {kind}"))
    return normalise_query(text.replace("&", " ")[:90])
