"""Answer a search: from the cache, or by running its plan."""

from __future__ import annotations

from typing import TypedDict

from cachelayer.engine import Cached, Loaded, get_or_load
from cachelayer.trace import span
from catalog import repository
from catalog.changes import ANY_PRODUCT, UNPLACED, category_tag, search_tags
from catalog.representation import ProductJSON, product_json
from catalog.search.analysis import terms
from catalog.search.cursor import Cursor
from catalog.search.index_keys import brand_term
from catalog.search.plan import SearchPlan, plan_search, unanswerable
from catalog.search.request import SearchRequest, Sort


class FacetJSON(TypedDict):
    """A value to narrow results to."""

    key: str
    label: str
    count: int


class FacetsJSON(TypedDict):
    """Values by facet; counts are over all results where ``exact``, else over the first of them."""

    brand: list[FacetJSON]
    category: list[FacetJSON]
    exact: bool


class SearchJSON(TypedDict):
    """One page of results, as cached and as sent."""

    count: int
    total: int
    total_relation: str
    next: str | None
    corrected_query: str | None
    facets: FacetsJSON | None
    data: list[ProductJSON]


def search_products(*, request: SearchRequest) -> Cached:
    """Return one page of results, a :class:`SearchJSON`.

    Raises:
        CatalogUnavailable: the page is not cached and MongoDB does not answer.
    """
    return get_or_load(request.cache_key(), "search", lambda: _tagged(request, _find(request)))


def _tagged(request: SearchRequest, page: SearchJSON) -> Loaded:
    """Name what the page depends on: the categories of what it shows, and the words that a product may gain."""
    tags = {UNPLACED, *(category_tag(product["categoryPath"]) for product in page["data"])}
    words = set(terms(f"{request.query} {page['corrected_query'] or ''}"))
    if request.brand:
        words.add(brand_term(request.brand))
    narrowed = (
        request.in_stock or request.sort is not Sort.RELEVANCE or (request.min_price, request.max_price) != (None, None)
    )
    tags |= search_tags(words, narrowed=narrowed)
    if request.category:
        tags.add(f"category:{request.category}")
    if not page["data"] or not (words or request.category):
        tags.add(ANY_PRODUCT)
    return Loaded(page, tuple(sorted(tags)))


def _find(request: SearchRequest) -> SearchJSON:
    if unanswerable(request):
        return _page([], total=0, relation="eq", cursor=None, facets=None)
    with span("plan"):
        plan = plan_search(request)
    found = _in_price_range(request, plan) if plan.checks_price_late else None
    if found is None:
        found = repository.find_page(plan, limit=request.limit + 1)
    shown, has_more = found[: request.limit], len(found) > request.limit
    total, relation = _total(request, plan, shown=len(shown), has_more=has_more)
    cursor = _cursor_after(request, shown, total=total, relation=relation) if has_more else None
    facets = _facets(plan) if request.after is None and shown else None
    with span("represent"):
        return _page(
            [product_json(row.product) for row in shown],
            total=total,
            relation=relation,
            cursor=cursor,
            facets=facets,
        )


def _in_price_range(request: SearchRequest, plan: SearchPlan) -> list[repository.FoundProduct] | None:
    """Return the results from this page on, where few products are in the range of prices; else ``None``."""
    found = repository.find_all_in_price_range(plan)
    if found is None or request.after is None:
        return found
    end = request.after.key * plan.direction
    return [row for row in found if row.order_key * plan.direction >= end and row.product.id not in request.after.seen]


def _total(request: SearchRequest, plan: SearchPlan, *, shown: int, has_more: bool) -> tuple[int, str]:
    if request.after is not None:
        return request.after.total, request.after.total_relation
    if not has_more:
        return shown, "eq"
    count = repository.count_results(plan)
    return max(count.value, shown + 1), "eq" if count.exact else "gte"


def _cursor_after(request: SearchRequest, shown: list[repository.FoundProduct], *, total: int, relation: str) -> Cursor:
    last_key = shown[-1].order_key
    seen = [row.product.id for row in shown if row.order_key == last_key]
    before = request.after
    if before is not None and before.key == last_key:
        seen = [*before.seen, *seen]
    return Cursor(sort=request.sort.value, key=last_key, seen=tuple(seen), total=total, total_relation=relation)


def _facets(plan: SearchPlan) -> FacetsJSON:
    facets = repository.count_facets(plan)
    return FacetsJSON(
        brand=[_facet(value) for value in facets.brands],
        category=[_facet(value) for value in facets.categories],
        exact=facets.exact,
    )


def _facet(value: repository.FacetValue) -> FacetJSON:
    return FacetJSON(key=value.key, label=value.label, count=value.count)


def _page(
    data: list[ProductJSON],
    *,
    total: int,
    relation: str,
    cursor: Cursor | None,
    facets: FacetsJSON | None,
) -> SearchJSON:
    return SearchJSON(
        count=len(data),
        total=total,
        total_relation=relation,
        next=cursor.encoded() if cursor else None,
        corrected_query=None,
        facets=facets,
        data=data,
    )
