"""Asks for suggestions past every cache of ours, and prints the milliseconds; a process of its own."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

import django
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
_SAMPLE = 2_000
_POPULAR = 500


def main() -> None:
    """Measure as many beginnings as the argument says; MongoDB's cache is warmed by a first run over them."""
    django.setup()
    from catalog import mongo
    from catalog.services import suggestions
    from catalog.vocabulary.store import lexicon

    database = mongo.command_database()
    beginnings = _beginnings(database, count=int(sys.argv[1]))
    _vote(beginnings)
    for beginning in beginnings:
        suggestions._loaded(beginning)
    measured = []
    for beginning in beginnings:
        lexicon.forget()
        lexicon.state()
        started = time.perf_counter()
        loaded = suggestions._loaded(beginning)
        measured.append((beginning, (time.perf_counter() - started) * 1000, loaded.value["count"]))
    print(
        json.dumps(
            {
                "products": database["products"].estimated_document_count(),
                "measured": measured,
                "worker_mib": psutil.Process().memory_info().rss / 2**20,
            }
        )
    )


def _beginnings(database: Any, *, count: int) -> list[str]:
    """Return what people have typed on the way to names, brands and categories of the catalogue."""
    chance = random.Random(1)
    fields = {"name": 1, "brand": 1, "product_type": 1, "category": 1}
    # Ids are hashes, so the first ones are a random sample, and the same in every run.
    products = list(database["products"].find({}, fields).sort("_id", 1).limit(_SAMPLE))
    found = []
    for _ in range(count):
        product = chance.choice(products)
        words = f"{product['brand']} {product['product_type']} {product['name']}".lower().split()
        text = chance.choice([" ".join(chance.sample(words, 2)), chance.choice(words), product["category"].lower()])
        found.append(text[: chance.randint(1, len(text))].strip() or text)
    return found


def _vote(beginnings: list[str]) -> None:
    """Fill the ranking of popular queries, so that it is read in full."""
    from django.conf import settings

    from catalog.search.request import SearchRequest
    from catalog.services.trending import record_search

    settings.TRENDING_CLIENTS = 1
    for number in range(_POPULAR):
        query = f"{beginnings[number % len(beginnings)]} {number}"
        record_search(request=SearchRequest(query=query), total=1, client=f"10.0.0.{number % 250}")


if __name__ == "__main__":
    main()
