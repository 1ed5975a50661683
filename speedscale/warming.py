"""Fill the caches with what will be asked for first: searches, products and similar products, the most wanted ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from time import monotonic, sleep

from cachelayer.outcomes import Outcome
from cachelayer.server import door
from catalog import repository
from catalog.errors import ProductNotFound
from catalog.progress import Progress
from catalog.search.request import MAX_QUERY_LENGTH, parse_search_request
from catalog.services.products import newest_products, popular_products, read_product, top_categories
from catalog.services.search import search_products
from catalog.services.trending import wanted_searches
from catalog.views.home import ALL_CATEGORIES, NEWEST, POPULAR
from recommender.services import similar_products

DEFAULT_RATE = 100
"""Reads a second; a warm-up takes a small share of what MongoDB can do, so that visitors do not notice it."""
_CATEGORIES = 50

Read = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Warmed:
    """What a warm-up did.

    Attributes:
        loaded: values that were loaded and stored.
        present: values that were cached already.
        gone: products that vanished meanwhile.
        queries: how many searches were warmed, and how many of them people had asked for.
    """

    loaded: int
    present: int
    gone: int
    queries: int
    trending: int
    products: int
    seconds: float


def warm_cache(*, top: int, rate: float = DEFAULT_RATE, progress: Progress) -> Warmed:
    """Read what ``top`` searches and ``top`` products need, the most wanted first, at most ``rate`` reads a second.

    Searches are those that people have asked for lately; where these are fewer, the names of the largest categories.
    What is cached already costs one look.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
        RedisUnavailable: Redis does not answer, so nothing can be kept.
    """
    door.run(lambda client: client.ping())
    started = monotonic()
    trending = (wanted_searches(limit=top) or [])[:top]
    queries = list(dict.fromkeys([*trending, *_names_of_categories()]))[:top]
    identifiers = [product.id for product in repository.list_products(order="popularity", limit=top)]
    reads = [*_lists(), *_interleaved(queries, identifiers)]
    outcomes = _paced(reads, rate, progress)
    return Warmed(
        loaded=sum(outcomes[outcome] for outcome in (Outcome.MISS, Outcome.WAITED)),
        present=sum(count for outcome, count in outcomes.items() if outcome is not None and outcome.is_hit),
        gone=outcomes[None],
        queries=len(queries),
        trending=len(trending),
        products=len(identifiers),
        seconds=monotonic() - started,
    )


def _paced(reads: Sequence[Read], rate: float, progress: Progress) -> Counter[Outcome | None]:
    outcomes: Counter[Outcome | None] = Counter()
    progress.begin("warming the cache", len(reads), shows_rate=True)
    started = monotonic()
    try:
        for number, read in enumerate(reads):
            sleep(max(started + number / rate - monotonic(), 0))
            try:
                outcome = read()
            except ProductNotFound:
                outcomes[None] += 1
            else:
                if outcome is Outcome.BYPASS:
                    raise door.RedisUnavailable("Redis stopped answering, so nothing more can be kept")
                outcomes[outcome] += 1
            progress.update(number + 1)
    finally:
        progress.end()
    return outcomes


def _lists() -> Iterator[Read]:
    yield lambda: popular_products(limit=POPULAR).outcome
    yield lambda: newest_products(limit=NEWEST).outcome
    yield lambda: top_categories(limit=ALL_CATEGORIES).outcome
    yield lambda: top_categories().outcome


def _interleaved(queries: Sequence[str], identifiers: Sequence[str]) -> Iterator[Read]:
    searches = (partial(_search, query) for query in queries)
    products = ((partial(_product, each), partial(_similar, each)) for each in identifiers)
    for search, of_product in zip_longest(searches, products):
        yield from chain([search] if search else [], of_product or [])


def _search(query: str) -> Outcome:
    request = parse_search_request({"query": query}, query_field="query", query_required=True)
    return search_products(request=request).outcome


def _product(product_id: str) -> Outcome:
    return read_product(product_id=product_id).outcome


def _similar(product_id: str) -> Outcome:
    return similar_products(product_id=product_id).outcome


def _names_of_categories() -> list[str]:
    tops = repository.list_categories(limit=_CATEGORIES)
    below = [child for top in tops[:10] for child in repository.list_categories(parent=top.key, limit=_CATEGORIES)]
    ranked = sorted([*tops, *below], key=lambda category: -category.product_count)
    # As short as a query may be, and one spelling for categories of the same name.
    return [category.name.lower()[:MAX_QUERY_LENGTH] for category in ranked]
