"""Where the queries of a replay come from: what visitors asked, a file, or a made-up log as skewed as real ones."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cachelayer.server.door import RedisUnavailable
from cachelayer.telemetry import store
from catalog.errors import InvalidParameter
from catalog.search.request import normalise_query
from catalog.services.products import newest_products, popular_products, top_categories

MAX_QUERIES = 5000
_ROUTES = frozenset({"api:search", "catalog:search"})
_ZIPF_EXPONENT = 1.0
_MAX_FILE_BYTES = 5 * 1024 * 1024


class NoQueries(ValueError):
    """The log holds nothing that can be replayed; the message says why."""


def recorded_log(count: int) -> list[str]:
    """Return the newest searches of visitors, oldest first; raise :class:`NoQueries`."""
    try:
        samples = store.read_log(limit=store.LOG_LENGTH)
    except RedisUnavailable as error:
        raise NoQueries("Redis is away, which holds the recorded requests.") from error
    paths = (sample.path for sample in samples if sample.route in _ROUTES and sample.status == 200)
    queries = _usable(_query_of(path) for path in paths)[:count]
    if not queries:
        raise NoQueries("No search has been recorded yet: search for something, or use a generated log.")
    return queries[::-1]


def file_log(path: Path, count: int) -> list[str]:
    """Return the queries of a file with one on each line, plain or as an address; raise :class:`NoQueries`."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise NoQueries(f"{path} is larger than 5 MiB.")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise NoQueries(f"{path} cannot be read: {error.strerror}.") from error
    queries = _usable(_query_of(line) if line.startswith("/") else line for line in lines)[:count]
    if not queries:
        raise NoQueries(f"{path} holds no query.")
    return queries


def generated_log(count: int, *, seed: int) -> list[str]:
    """Return made-up searches for what the catalogue has, a few of them often and most of them rarely (Zipf's law).

    The same catalogue and seed give the same log.
    """
    chance = random.Random(seed)
    vocabulary = _vocabulary()
    chance.shuffle(vocabulary)
    if not vocabulary:
        raise NoQueries("The catalogue is empty: seed it first.")
    weights = [1 / (rank + 1) ** _ZIPF_EXPONENT for rank in range(len(vocabulary))]
    return chance.choices(vocabulary, weights, k=count)


def hash_of(queries: Sequence[str]) -> str:
    """Return a digest by which two logs are known to be the same."""
    return hashlib.sha256("\n".join(queries).encode()).hexdigest()[:16]


def _vocabulary() -> list[str]:
    products = [*popular_products(limit=50).value, *newest_products(limit=50).value]
    found: dict[str, None] = {}
    for product in products:
        words = product["name"].split()
        found.update(dict.fromkeys(_usable([product["brand"], " ".join(words[:2]), " ".join(words[-2:]), words[-1]])))
    for category in top_categories(limit=50).value:
        found.update(dict.fromkeys(_usable([category["name"]])))
    return sorted(found)


def _query_of(path: str) -> str:
    parameters = parse_qs(urlsplit(path).query)
    return next((parameters[name][0] for name in ("query", "q") if name in parameters), "")


def _usable(queries: Iterable[str]) -> list[str]:
    usable = []
    for query in queries:
        try:
            normalised = normalise_query(query)
        except InvalidParameter:
            continue
        if normalised:
            usable.append(normalised)
        if len(usable) >= MAX_QUERIES:
            break
    return usable
