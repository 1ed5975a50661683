"""Lists of products for staff: read from MongoDB each time, with those that shoppers do not see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog import repository
from catalog.documents import object_id_of
from catalog.errors import InvalidParameter, ProductNotFound
from catalog.products import Product
from catalog.search.cursor import Cursor
from catalog.search.plan import plan_search, unanswerable
from catalog.search.request import SearchRequest

PAGE_SIZE = 50
_AFTER = re.compile(r"([0-9]{1,14})-([0-9a-f]{24})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StaffList:
    """A page of products; ``next_page`` is where the next one begins, or empty."""

    products: tuple[Product, ...]
    next_page: str


def find_by_code(*, code: str) -> Product | None:
    """Return the product, active or not, whose sku or id is exactly ``code``."""
    for identifier in (str(object_id_of(code)), code):
        try:
            return repository.get_stored_product(identifier)
        except ProductNotFound:
            continue
    return None


def list_active(*, request: SearchRequest) -> StaffList:
    """Return what shoppers find, by words and in the order of ``request``."""
    if unanswerable(request):
        return StaffList((), "")
    found = repository.find_page(plan_search(request), limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    if len(found) <= PAGE_SIZE:
        return StaffList(tuple(row.product for row in shown), "")
    last_key = shown[-1].order_key
    seen = [row.product.id for row in shown if row.order_key == last_key]
    if request.after is not None and request.after.key == last_key:
        seen = [*request.after.seen, *seen]
    cursor = Cursor(request.sort.value, last_key, tuple(seen), total=0, total_relation="gte")
    return StaffList(tuple(row.product for row in shown), cursor.encoded())


def list_inactive(*, after: str) -> StaffList:
    """Return the products that were taken down, the last changed first.

    Raises:
        InvalidParameter: ``after`` is not the end of a page.
    """
    found = repository.list_inactive_products(limit=PAGE_SIZE + 1, after=_decoded(after) if after else None)
    shown = found[:PAGE_SIZE]
    if len(found) <= PAGE_SIZE:
        return StaffList(tuple(shown), "")
    last = shown[-1]
    return StaffList(tuple(shown), f"{(last.updated_at - _EPOCH) // _MILLISECOND}-{last.id}")


def _decoded(after: str) -> tuple[datetime, str]:
    match = _AFTER.fullmatch(after)
    if match is None:
        raise InvalidParameter("after", "This is not the end of a page; start again without it.")
    return _EPOCH + int(match[1]) * _MILLISECOND, match[2]
