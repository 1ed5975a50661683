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
_MAX_SEEN = 50
_PLACE_LIMITS = (9, 10_000, 9, 99, 99)
PRICED = 4
"""The phase of few products in a narrow range of prices, which are all looked at for each page."""
NUMBERED = 5
"""Phases from this one on are walked through by the numbers of products, and ``key`` is such a number."""
_LAST_NUMBER = 2**31
_ID = re.compile(r"^[0-9a-f]{24}$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The end of a page.

    Attributes:
        sort: the order that the page was in; a cursor means nothing in another.
        key: sort key of the last product shown, or of the last one before the window of candidates that is shown.
        seen: ids of the products before that have this very key; nearly always one.
        total: number of results that the first page announced, so that later pages need not count again.
        total_relation: ``eq`` or ``gte``.
        phase: phase of the plan that the window of candidates begins in.
        group: which group of the candidates of a block, where windows are groups; see
            :class:`catalog.services.numbered.Numbered`.
        offset: how many of the window were shown.
        meaning: which of the possible meanings of the query was searched for.
        dropped: how many words of it were left out.
    """

    sort: str
    key: int
    seen: tuple[str, ...]
    total: int
    total_relation: str
    phase: int = 0
    offset: int = 0
    meaning: int = 0
    dropped: int = 0
    group: int = 0

    def encoded(self) -> str:
        """Return the cursor for use in a URL."""
        place = [self.phase, self.offset, self.meaning, self.dropped, self.group]
        raw = orjson.dumps([self.sort, self.key, self.seen, self.total, self.total_relation, place])
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
        case [str(stored_sort), key, [*seen], total, ("eq" | "gte") as relation, [*place]] if (
            _is_number(key, 2**63 - 1)
            and _is_number(total, MAX_TOTAL)
            and len(seen) <= _MAX_SEEN
            and all(isinstance(item, str) and _ID.match(item) for item in seen)
            and len(place) == len(_PLACE_LIMITS)
            and all(_is_number(number, limit) for number, limit in zip(place, _PLACE_LIMITS, strict=True))
            and (seen or place[1] or place[4] or place[0] >= NUMBERED)
            and (place[0] < NUMBERED or _is_number(key, _LAST_NUMBER))
        ):
            if stored_sort != sort:
                raise InvalidParameter("after", "This page belongs to another sort order; start again without it.")
            return Cursor(stored_sort, key, tuple(seen), total, str(relation), *place)
    raise wrong


def _is_number(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest
