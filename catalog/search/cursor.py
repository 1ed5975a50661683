"""Where a page of results ended: opaque to clients, checked when it comes back."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

import orjson

from catalog.errors import InvalidParameter

_MAX_LENGTH = 2000
MAX_TOTAL = 10_000
"""Results are counted up to this many; no cursor of ours says more."""
_ID = re.compile(r"^[0-9a-f]{24}$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a page.

    Attributes:
        sort: the order that the page was in; a cursor means nothing in another.
        key: sort key of the last product shown.
        seen: ids of the products shown that have this very key; nearly always one.
        total: number of results that the first page announced, so that later pages need not count again.
        total_relation: ``eq`` or ``gte``.
    """

    sort: str
    key: int
    seen: tuple[str, ...]
    total: int
    total_relation: str

    def encoded(self) -> str:
        """Return the cursor for use in a URL."""
        raw = orjson.dumps([self.sort, self.key, self.seen, self.total, self.total_relation])
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(text: str, *, sort: str) -> Cursor:
    """Read a cursor; raise :class:`~catalog.errors.InvalidParameter` for one that this server did not make."""
    wrong = InvalidParameter("after", "This is not the end of a page; start again without it.")
    if len(text) > _MAX_LENGTH or not text.isascii():
        raise wrong
    try:
        parts = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise wrong from None
    match parts:
        case [str(stored_sort), int(key), [*seen], int(total), ("eq" | "gte") as relation] if (
            not isinstance(key, bool)
            and not isinstance(total, bool)
            and 0 <= key < 2**63
            and 0 <= total <= MAX_TOTAL
            and 0 < len(seen) <= 50
            and all(isinstance(item, str) and _ID.match(item) for item in seen)
        ):
            if stored_sort != sort:
                raise InvalidParameter("after", "This page belongs to another sort order; start again without it.")
            return Cursor(sort=sort, key=key, seen=tuple(seen), total=total, total_relation=str(relation))
    raise wrong
