"""Lists of products for staff: read from MongoDB each time, with those that shoppers do not see."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from catalog import repository
from catalog.documents import object_id_of
from catalog.errors import InvalidParameter, ProductNotFound
from catalog.products import Product
from catalog.search.request import SearchRequest
from catalog.services.finding import find_page

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
    page = find_page(replace(request, limit=PAGE_SIZE))
    return StaffList(
        tuple(result.product for result in page.results), page.next_page.encoded() if page.next_page else ""
    )


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
