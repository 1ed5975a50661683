"""P4: builds an index of tantivy over the products, asks both for the same log in turn, and prints what it measured.

Both answer with the first 20 products and a total, in one process, a hundred queries at a time, so that a slow moment
of the machine meets both. Our side is the whole search but for its facets, past all caches, with the words that a
worker keeps for a minute, as the library has its dictionary at hand.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import django
import tantivy
from pymongo.database import Database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
_TOP, _SLICE, _ROUNDS, _OTHERS = 20, 100, 3, 300


def main() -> None:
    """Measure with the number of queries, the seed and the empty folder that the arguments name."""
    django.setup()
    from bench.search_log import make_log
    from bench.search_probe import search
    from catalog import mongo
    from catalog.vocabulary.store import lexicon
    from speedscale.memory import keep_freed_memory, leave_what_is_loaded

    count, seed, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    database = mongo.command_database()
    started = time.perf_counter()
    index = _built(database, folder)
    build_seconds = time.perf_counter() - started
    searcher = index.searcher()
    log = make_log(database, count=count, seed=seed)
    for query in log:
        search(query)
        _ask(index, searcher, query)
    lexicon.forget()
    for query in make_log(database, count=_OTHERS, seed=seed + 1):
        search(query, facets=False)
    keep_freed_memory()
    leave_what_is_loaded()
    rounds = []
    for _ in range(_ROUNDS):
        ours: list[float] = []
        theirs: list[float] = []
        for first in range(0, len(log), _SLICE):
            for query in log[first : first + _SLICE]:
                began = time.perf_counter()
                search(query, facets=False)
                ours.append((time.perf_counter() - began) * 1000)
            for query in log[first : first + _SLICE]:
                began = time.perf_counter()
                _ask(index, searcher, query)
                theirs.append((time.perf_counter() - began) * 1000)
        rounds.append([ours, theirs])
    print(json.dumps({"rounds": rounds, "build_seconds": round(build_seconds, 1)}))


def _built(database: Database[dict[str, Any]], folder: Path) -> tantivy.Index:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="en_stem")
    for name in ("brand", "category"):
        builder.add_text_field(name, stored=False, tokenizer_name="raw")
    for name in ("price", "stock"):
        builder.add_integer_field(name, indexed=True, fast=True)
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    folder.mkdir()
    index = tantivy.Index(builder.build(), path=str(folder))
    writer = index.writer(heap_size=256_000_000)
    fields = dict.fromkeys(("name", "brand", "product_type", "category_path", "description", "price", "stock"), 1)
    for product in database["products"].find({}, fields):
        texts = (product["name"], product["brand"], product["product_type"], *product["category_path"])
        writer.add_document(
            tantivy.Document(
                text=[" ".join((*texts, product["description"]))],
                brand=[product["brand"].lower().replace(" ", "-")],
                category=[product["category_path"][0].lower().replace(" ", "-")],
                price=product["price"],
                stock=product["stock"],
                id=[str(product["_id"])],
            )
        )
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index


def _ask(index: tantivy.Index, searcher: tantivy.Searcher, query: Any) -> int:
    words = "".join(letter if letter.isalnum() else " " for letter in query.text)
    text, _ = index.parse_query_lenient(words, ["text"], conjunction_by_default=True)
    clauses = [(tantivy.Occur.Must, text)]
    for name, value in query.filters:
        if name in ("brand", "category"):
            narrowed = tantivy.Query.term_query(index.schema, name, value)
        elif name == "in_stock":
            narrowed = tantivy.Query.range_query(index.schema, "stock", tantivy.FieldType.Integer, 1, 2**31)
        else:
            narrowed = tantivy.Query.range_query(index.schema, "price", tantivy.FieldType.Integer, 0, value)
        clauses.append((tantivy.Occur.Must, narrowed))
    result = searcher.search(tantivy.Query.boolean_query(clauses), limit=_TOP, count=True)
    # What is found has to be read, as our side reads it.
    return sum(searcher.doc(address) is not None for _, address in result.hits)


if __name__ == "__main__":
    main()
