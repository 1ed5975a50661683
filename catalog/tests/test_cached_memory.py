"""What cached values take in memory, against what L1 counts for them."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

from cachelayer.loading.envelope import Envelope
from cachelayer.loading.values import Stored
from catalog.search.request import SearchRequest
from catalog.services.products import popular_products, read_product, top_categories
from catalog.services.search import search_products
from catalog.tests.factories import draft, store

COPIES = 20


def memory_of(payload: bytes) -> float:
    """Return the bytes that a stored value takes, decoded, on average of several."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        copies = [Stored(Envelope(bytes(bytearray(payload)), 1, 2, 3, 1.5, {"*": 0})) for _ in range(COPIES)]
        for copy in copies:
            assert copy.value is not None
        return (tracemalloc.get_traced_memory()[0] - before) / COPIES
    finally:
        tracemalloc.stop()


def test_l1_counts_at_least_what_a_decoded_value_takes_and_not_twice_as_much(products_db: Any) -> None:
    [first, *_] = store(*(draft(f"M-{number}", name=f"Wireless Mouse {number}") for number in range(30)))
    answers = {
        "search": search_products(request=SearchRequest(query="mouse")),
        "product": read_product(product_id=first),
        "list": popular_products(limit=12),
        "categories": top_categories(),
    }
    for kind, answer in answers.items():
        takes, counted = memory_of(answer.payload), Stored(answer.stored.envelope).memory
        assert takes <= counted <= 2 * takes, f"{kind}: {takes:.0f} bytes, counted as {counted}"
