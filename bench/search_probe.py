"""Runs a log of queries against one catalogue and prints what it measured; a process of its own, without caches.

"Cold" is the whole search past Redis and L1, with MongoDB's cache warm: interpretation, candidates, ranking, products
of the page, total and facets. MongoDB's cache is warmed by one run over the log that is not measured. Then the process
becomes a worker that has answered other searches, those of another log: what it keeps of synonyms and lists is theirs.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any

import django
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
_REGEX_QUERIES = 100
"""So many queries of the log, evenly chosen, are asked of the reference: all would take an hour at 3 million."""
_OTHERS = 300
_DEEP_PAGE = 500
_REFERENCE_FILTERS: dict[str, Any] = {
    "brand": lambda value: {"brand": {"$regex": f"^{re.escape(value).replace('-', '.')}$", "$options": "i"}},
    "category": lambda value: {
        "category_path.0": {"$regex": f"^{re.escape(value).replace('-', '.')}$", "$options": "i"}
    },
    "in_stock": lambda _: {"stock": {"$gt": 0}},
    "max_price": lambda value: {"price": {"$lte": value}},
}


def main() -> None:
    """Measure what the arguments name: the number of queries, and what to leave out."""
    django.setup()
    from bench.search_log import make_log
    from catalog import mongo
    from catalog.vocabulary.store import lexicon
    from speedscale.memory import keep_freed_memory, leave_what_is_loaded

    count, seed = int(sys.argv[1]), int(sys.argv[2])
    database = mongo.command_database()
    log = make_log(database, count=count, seed=seed)
    for query in log:
        search(query)
    lexicon.forget()
    for query in make_log(database, count=_OTHERS, seed=seed + 1):
        search(query)
    keep_freed_memory()
    leave_what_is_loaded()  # As in a web worker.
    measured = []
    for query in log:
        lexicon.forget_terms()
        started = time.perf_counter()
        page = search(query)
        measured.append(((time.perf_counter() - started) * 1000, query.kind, query.text, page.total, page.complete))
    bare = []
    for query in log:
        # With the words that a worker keeps for a minute, as the library has its dictionary at hand.
        started = time.perf_counter()
        search(query, facets=False)
        bare.append((time.perf_counter() - started) * 1000)
    result: dict[str, Any] = {
        "products": database["products"].estimated_document_count(),
        "searches": measured,
        "without_facets": bare,
        "deep": _deep_page(log),
        "worker_mib": psutil.Process().memory_info().rss / 2**20,
        "indexes_mib": {
            name: size / 2**20 for name, size in database.command("collStats", "products")["indexSizes"].items()
        },
        "lists_mib": database.command("collStats", "search_postings")["storageSize"] / 2**20,
    }
    if "regex" in sys.argv:
        sample = slice(None, None, max(len(log) // _REGEX_QUERIES, 1))
        result["regex"] = _regex(database, log[sample])
        result["ours_of_regex"] = [row[0] for row in measured[sample]]
    print(json.dumps(result))


def search(query: Any, *, facets: bool = True) -> Any:
    """Search past all caches; a search that found nothing within its budget counts with the time that it took."""
    from dataclasses import replace

    from catalog.errors import CatalogUnavailable
    from catalog.search.request import SearchRequest
    from catalog.services import finding, found

    request = SearchRequest(query=query.text, **dict(query.filters))
    try:
        return finding.find_page(request, with_facets=facets)
    except CatalogUnavailable:
        # Nothing was found within the budget; it counts with the time that it took.
        return replace(found.NOTHING, complete=False)


def _deep_page(log: list[Any]) -> dict[str, float]:
    """Return the milliseconds of page 1 and of page 500 of the same queries: medians over queries with so many."""
    from dataclasses import replace
    from statistics import median

    from catalog.search.request import SearchRequest
    from catalog.services.finding import find_page

    first_ms: list[float] = []
    deep_ms: list[float] = []
    for query in [one for one in log if one.kind in ("1 words", "beginning")][:20]:
        request = SearchRequest(query=query.text)
        page = find_page(request)
        for _ in range(_DEEP_PAGE - 2):
            if page.next_page is None:
                break
            page = find_page(replace(request, after=page.next_page), with_facets=False)
        if page.next_page is None:
            continue
        deep = replace(request, after=page.next_page)
        for wanted, found in ((request, first_ms), (deep, deep_ms)) * 5:
            started = time.perf_counter()
            find_page(wanted, with_facets=False)
            found.append((time.perf_counter() - started) * 1000)
        if len(deep_ms) >= 15:
            break
    return {"first": median(first_ms), "deep": median(deep_ms)} if deep_ms else {}


def _regex(database: Any, log: list[Any]) -> list[float]:
    """Return the milliseconds of the reference: one regular expression over name, brand and category, top 20.

    Filters are those of the query, as an application without search terms would state them.
    """
    found = []
    for query in log:
        pattern = {"$regex": re.escape(query.text), "$options": "i"}
        wanted: dict[str, Any] = {"$or": [{"name": pattern}, {"category": pattern}, {"brand": pattern}]}
        for name, value in query.filters:
            wanted |= _REFERENCE_FILTERS[name](value)
        started = time.perf_counter()
        list(database["products"].find(wanted).limit(20))
        found.append((time.perf_counter() - started) * 1000)
    return found


if __name__ == "__main__":
    main()
