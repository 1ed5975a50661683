"""Runs inside the environment of a stack: visits products as Zipf's law has them and prints how they were found."""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from itertools import accumulate
from time import perf_counter

import django


def main() -> None:
    """Replay the visits of one process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
    django.setup()
    from catalog import mongo
    from catalog.indexes import PRODUCTS
    from catalog.services.products import read_product

    products, visits, seed = (int(argument) for argument in sys.argv[1:4])
    identifiers = [str(row["_id"]) for row in mongo.command_database()[PRODUCTS].find({}, {"_id": 1}).limit(products)]
    # The k-th most wanted product is visited 1/k as often as the first; which one that is, is left to chance, but the
    # same in all processes.
    random.Random(0).shuffle(identifiers)
    weights = list(accumulate(1 / rank for rank in range(1, len(identifiers) + 1)))
    chosen = random.Random(seed).choices(identifiers, cum_weights=weights, k=visits)
    outcomes: Counter[str] = Counter()
    late: Counter[bool] = Counter()
    started = perf_counter()
    for number, identifier in enumerate(chosen):
        outcome = read_product(product_id=identifier).outcome
        outcomes[outcome.value] += 1
        if number >= visits * 4 // 5:
            late[outcome.is_hit] += 1
    report = {
        "outcomes": outcomes,
        "late_hits": late[True],
        "late": late.total(),
        "seconds": perf_counter() - started,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
