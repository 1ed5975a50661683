"""Bring products that an older analysis was used for up to date, beside live search."""

from __future__ import annotations

from typing import Any

from bson.codec_options import CodecOptions
from pymongo import UpdateOne

from catalog import mongo
from catalog.documents import DERIVED_FIELDS, draft_of, to_document, to_product
from catalog.indexes import PRODUCTS
from catalog.progress import Progress
from catalog.search.analysis import ANALYZER_VERSION
from catalog.vocabulary.postings import FORMER_LISTS, LISTS, is_current
from catalog.vocabulary.store import COUNTED, STATE

_BATCH = 1_000
_OUTDATED: dict[str, Any] = {"analyzer": {"$ne": ANALYZER_VERSION}}
_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def is_outdated(database: mongo.Documents) -> bool:
    """Tell whether the words were last counted, or the lists made, by another version, or never."""
    state = database[STATE].find_one(COUNTED, {"analyzer": 1, LISTS: 1, FORMER_LISTS: 1})
    return state is None or state["analyzer"] != ANALYZER_VERSION or not is_current(state)


def reindex_products(database: mongo.Documents, progress: Progress | None = None) -> int:
    """Derive anew what search stores of products whose analysis is outdated; return how many were written.

    Interrupted, it goes on where it ended, because what is done is no longer outdated. A product that somebody
    changes meanwhile has been analysed by that change.
    """
    progress = progress or Progress()
    products = database[PRODUCTS].with_options(codec_options=_AWARE)
    total = products.count_documents(_OUTDATED)
    progress.begin("Products", max(total, 1), shows_rate=True)
    written = 0
    while batch := list(products.find(_OUTDATED, {"terms": 0, "words": 0}).limit(_BATCH)):
        writes = []
        for document in batch:
            product = to_product(document)
            fresh = to_document(draft_of(product), now=product.updated_at, version=product.version)
            derived = {name: dict(fresh)[name] for name in DERIVED_FIELDS}
            writes.append(UpdateOne({"_id": document["_id"], "version": product.version}, {"$set": derived}))
        products.bulk_write(writes, ordered=False)
        written += len(batch)
        progress.update(written)
    progress.end()
    return written
