"""From a request to the query that MongoDB runs: pure, so that it can be read, tested and explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from bson.int64 import Int64

from catalog.search.analysis import terms
from catalog.search.cursor import MAX_TOTAL
from catalog.search.index_keys import ANY_TERM, IN_STOCK_TERM, brand_term, category_term, price_bounds
from catalog.search.request import SearchRequest, Sort

TOTAL_CAP = MAX_TOTAL
"""Results are counted up to this many; beyond it a page says "10,000+"."""

_ORDERS: dict[Sort, tuple[str, int]] = {
    Sort.RELEVANCE: ("popularity", -1),
    Sort.PRICE_ASC: ("price", 1),
    Sort.PRICE_DESC: ("price", -1),
    Sort.RATING: ("rating", -1),
    Sort.NEWEST: ("newest", -1),
}


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """One query on ``products``.

    Attributes:
        words: the terms of the query, for highlighting.
        filter: matches all results, whatever the page.
        page_filter: matches the results from this page on.
        order_field: the stored sort key.
        direction: 1 ascending, -1 descending.
        hint: the index that must serve it.
    """

    words: tuple[str, ...]
    filter: dict[str, Any]
    page_filter: dict[str, Any]
    order_field: str
    direction: int
    hint: str

    @property
    def checks_price_late(self) -> bool:
        """Whether a range of prices is asked for in another order than by price, so that no index bounds it."""
        return "order.price" in self.filter and self.order_field != "order.price"


def plan_search(request: SearchRequest) -> SearchPlan:
    """Build the query for ``request``.

    Words and equality filters become terms of one ``$all``, so the index on terms and the sort key serves the whole
    request in order. A range of prices bounds the index where it is also the order, and filters otherwise.
    """
    words = tuple(terms(request.query))
    order, direction = _ORDERS[request.sort]
    order_field = f"order.{order}"
    conditions: dict[str, Any] = {"terms": _all_of([*words, *_filter_terms(request)])}
    bounds: dict[str, Int64] = {}
    low, high = price_bounds(request.min_price, request.max_price)
    if low is not None:
        bounds["$gte"] = Int64(low)
    if high is not None:
        bounds["$lte"] = Int64(high)
    if bounds:
        conditions["order.price"] = bounds
    page_conditions = dict(conditions)
    if request.after is not None:
        key = Int64(request.after.key)
        bound, tighter = ("$gte", max) if direction > 0 else ("$lte", min)
        inherited = dict(conditions.get(order_field, {}))
        inherited[bound] = tighter(inherited.get(bound, key), key)
        page_conditions[order_field] = inherited
        page_conditions["_id"] = {"$nin": [ObjectId(identifier) for identifier in request.after.seen]}
    return SearchPlan(
        words=words,
        filter=conditions,
        page_filter=page_conditions,
        order_field=order_field,
        direction=direction,
        hint=f"terms_{order}",
    )


def unanswerable(request: SearchRequest) -> bool:
    """Tell whether a query was typed that holds no word at all, such as punctuation: it matches nothing."""
    return bool(request.query) and not terms(request.query)


def _filter_terms(request: SearchRequest) -> list[str]:
    found = []
    if request.category:
        found.append(category_term(request.category))
    if request.brand:
        found.append(brand_term(request.brand))
    if request.in_stock:
        found.append(IN_STOCK_TERM)
    return found


def _all_of(wanted: list[str]) -> Any:
    match wanted:
        case []:
            return ANY_TERM
        case [single]:
            return single
        case _:
            return {"$all": wanted}
