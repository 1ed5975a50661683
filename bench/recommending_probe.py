"""Runs inside the environment of a stack: cold similar products beside brute-force queries, times as JSON.

Both are asked about the same products, in turns of many queries each, because what runs first after the other finds
the processor's caches filled with that one's data. Ours is the whole service, with the products themselves; theirs
finds the rows alone.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator

import django

_TURNS = 10


def main(asked: int, queries: int) -> None:
    """Print ``ours_ms`` for ``asked`` products, ``theirs_ms`` for ``queries`` of them, and the number of products."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "speedscale.settings"
    django.setup()
    from sklearn.neighbors import NearestNeighbors

    from catalog.repository import stream_products
    from recommender import repository
    from recommender.artefacts import load_artefact
    from recommender.features import product_features
    from recommender.services import similar_products
    from recommender.vectors import transform_lines
    from speedscale.memory import keep_freed_memory, leave_what_is_loaded

    active = repository.get_active()
    if active is None:
        raise RuntimeError("there is no model")
    vectoriser, weights = load_artefact(repository.get_model(active.version)[0])
    ids: list[str] = []

    def lines() -> Iterator[str]:
        for product in stream_products():
            ids.append(product.id)
            yield " ".join([feature.token for feature in product_features(product)])

    matrix = transform_lines(vectoriser, weights, lines())
    search = NearestNeighbors(metric="cosine", algorithm="brute").fit(matrix)
    warm_up, *rows = random.Random(11).sample(range(len(ids)), asked + 1)
    similar_products(product_id=ids[warm_up])
    search.kneighbors(matrix[warm_up], 21)
    keep_freed_memory()
    leave_what_is_loaded()  # As in a web worker.
    ours, theirs = [], []
    a_turn = asked // _TURNS
    for number, row in enumerate(rows):
        started = time.perf_counter()
        answer = similar_products(product_id=ids[row])
        ours.append((time.perf_counter() - started) * 1000)
        if answer.source != "ML_ENGINE":
            raise RuntimeError(f"the answer for {ids[row]} came from {answer.source}")
        if (number + 1) % a_turn == 0:
            for compared in rows[number + 1 - a_turn : number + 1][: queries // _TURNS]:
                started = time.perf_counter()
                search.kneighbors(matrix[compared], 21)
                theirs.append((time.perf_counter() - started) * 1000)
    print(json.dumps({"ours_ms": ours, "theirs_ms": theirs, "products": len(ids)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
