"""A log of queries as shoppers type them, made from a seeded catalogue: the same for the same products and seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

_TERMS = (1, 1, 2, 2, 2, 3, 3, 4, 5)
_SAMPLE = 2_000
_COMMON = 150


@dataclass(frozen=True, slots=True)
class Query:
    """A search with what is special about it; ``filters`` are fields of a search request."""

    kind: str
    text: str
    filters: tuple[tuple[str, Any], ...] = ()


def make_log(database: Database[dict[str, Any]], *, count: int = 1_000, seed: int = 1) -> list[Query]:
    """Return ``count`` queries: words of products, pairs of common words, typos, beginnings, filters, no results."""
    chance = random.Random(seed)
    products = _sample(database)
    terms = database["search_terms"]
    common = [
        row["form"]
        for row in terms.find({"_id": {"$not": {"$regex": "[0-9:]"}}}).sort([("strong", -1), ("_id", 1)]).limit(_COMMON)
    ]
    makers = (
        (_words, 50), (_common_pair, 15), (_filtered, 15), (_typo, 8), (_beginning, 6), (_no_result, 6),
    )  # fmt: skip
    chosen = chance.choices([maker for maker, _ in makers], [weight for _, weight in makers], k=count)
    return [maker(chance, products, common) for maker in chosen]


def _sample(database: Database[dict[str, Any]]) -> list[dict[str, Any]]:
    fields = {"name": 1, "brand": 1, "product_type": 1, "category_path": 1, "price": 1}
    # Ids are hashes, so the first ones are a random sample, and the same in every run.
    return list(database["products"].find({}, fields).sort("_id", 1).limit(_SAMPLE))


def _words(chance: random.Random, products: list[dict[str, Any]], common: list[str]) -> Query:
    del common
    product = chance.choice(products)
    wanted = chance.choice(_TERMS)
    words = [word.strip(",.") for word in f"{product['name']} {product['product_type']}".lower().split()]
    return Query(f"{wanted} words", " ".join(chance.sample(words, min(wanted, len(words)))))


def _common_pair(chance: random.Random, products: list[dict[str, Any]], common: list[str]) -> Query:
    del products
    return Query("common pair", " ".join(chance.sample(common, 2)))


def _filtered(chance: random.Random, products: list[dict[str, Any]], common: list[str]) -> Query:
    product = chance.choice(products)
    base = _words(chance, products, common)
    euros = product["price"] // 100
    filters: list[tuple[str, Any]] = [
        ("brand", product["brand"].lower().replace(" ", "-")),
        ("in_stock", True),
        ("category", product["category_path"][0].lower().replace(" ", "-")),
        ("max_price", euros * 100),
    ]
    return Query("filtered", base.text, (chance.choice(filters),))


def _typo(chance: random.Random, products: list[dict[str, Any]], common: list[str]) -> Query:
    product = chance.choice(products)
    words = [word for word in f"{product['brand']} {product['product_type']}".lower().split() if len(word) > 4]
    word = chance.choice(words or common)
    place = chance.randrange(1, len(word))
    return Query("typo", word[:place] + word[place + 1 :])


def _beginning(chance: random.Random, products: list[dict[str, Any]], common: list[str]) -> Query:
    del products
    word = chance.choice(common)
    return Query("beginning", word[: max(3, len(word) - 2)])


def _no_result(chance: random.Random, products: list[dict[str, Any]], common: list[str]) -> Query:
    del products
    nonsense = "".join(chance.choices("bcdfghjklmnpqrstvwxz", k=9))
    return Query("no result", f"{nonsense} {chance.choice(common)}" if chance.random() < 0.5 else nonsense)
