"""What a client asks of search: parsed, checked, and put into one canonical form."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from django.utils.datastructures import MultiValueDict

from catalog.errors import InvalidParameter
from catalog.money import minor_per_major
from catalog.search.attributes import MAX_VALUE
from catalog.search.cursor import Cursor, decode_cursor
from catalog.search.index_keys import slug

MAX_QUERY_LENGTH = 100
MAX_FILTER_LENGTH = 200
PAGE_SIZE = 20
_MAX_PRICE = Decimal(10**10)
_PRICE = re.compile(r"^[0-9]{1,15}([.,][0-9]{1,4})?$")
_RATING = re.compile(r"^[1-5]$")
MAX_BRANDS = 10
ATTRIBUTE_PREFIX = "attr."
"""Begins the parameter of a filter by an attribute; its name follows."""
MAX_ATTRIBUTE_FILTERS = 5
MAX_ATTRIBUTE_VALUES = 10
MAX_ATTRIBUTE_NAME = 60
_PLAIN_QUERY = re.compile(r"^[a-z0-9 ]*$")
_PLAIN_KEY = re.compile(r"^[a-z0-9 |=/,_-]{1,60}$")
_TRUE = frozenset({"1", "true", "on", "yes"})
_FALSE = frozenset({"", "0", "false", "off", "no"})


class Sort(Enum):
    """The orders in which results can be asked for; the values are those of the ``sort`` parameter."""

    RELEVANCE = "relevance"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"
    RATING = "rating"
    NEWEST = "newest"
    POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search in canonical form; equal requests have equal cache keys.

    Attributes:
        query: what was typed, in composed Unicode, lower case and with single spaces; may be empty.
        category: key of a category such as ``accessories/mice``, or empty.
        brand: slugs of brands in order, joined by commas; any of them will do. Empty for all brands.
        min_rating: lowest mean rating from 1 to 5, or 0.
        min_price: lowest price in minor units, or ``None``.
        max_price: highest price in minor units, or ``None``.
        after: where the page before this one ended, or ``None`` for the first page.
        as_typed: search for the words as they are, however unusual they look.
        explain: say for each result why it is where it is.
        attributes: names of attributes with the values of which any will do, both in order.
    """

    query: str = ""
    category: str = ""
    brand: str = ""
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool = False
    min_rating: int = 0
    sort: Sort = Sort.RELEVANCE
    after: Cursor | None = None
    limit: int = PAGE_SIZE
    as_typed: bool = False
    explain: bool = False
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def has_filters(self) -> bool:
        prices = self.min_price is not None or self.max_price is not None
        return bool(self.category or self.brand or self.in_stock or self.min_rating or prices or self.attributes)

    def with_attribute(self, name: str, values: Iterable[str]) -> SearchRequest:
        """Return the request with other values of one attribute; without any, the attribute is free."""
        chosen = {**dict(self.attributes), name: tuple(sorted(set(values)))}
        return replace(self, attributes=tuple(sorted((name, of) for name, of in chosen.items() if of)))

    @property
    def brands(self) -> tuple[str, ...]:
        return tuple(self.brand.split(",")) if self.brand else ()

    def first_page(self) -> SearchRequest:
        return replace(self, after=None)

    def cache_key(self) -> str:
        """Return the key under which the answer is cached: readable while the query is short and plain."""
        parts = [
            f"{name}={value}"
            for name, value in (
                ("category", self.category),
                ("brand", self.brand),
                ("min", self.min_price),
                ("max", self.max_price),
                ("stock", "in" if self.in_stock else ""),
                ("rating", self.min_rating or ""),
                ("sort", "" if self.sort is Sort.RELEVANCE else self.sort.value),
                ("after", self.after.encoded() if self.after else ""),
                ("typed", "yes" if self.as_typed else ""),
                ("explain", "yes" if self.explain else ""),
                ("attr", "\r".join("\t".join((name, *values)) for name, values in self.attributes)),
                ("limit", "" if self.limit == PAGE_SIZE else self.limit),
            )
            if value not in ("", None)
        ]
        whole = "|".join([self.query, *parts])
        if _PLAIN_QUERY.match(self.query) and _PLAIN_KEY.match(whole):
            return f"search:{whole}"
        # A line feed is in no query and no filter, so different requests cannot be joined to the same text.
        digest = hashlib.blake2b("\n".join([self.query, *parts]).encode(), digest_size=16).hexdigest()
        return f"search:#{digest}"


def parse_search_request(parameters: Mapping[str, str], *, query_field: str, query_required: bool) -> SearchRequest:
    """Build a request from the parameters of a URL.

    Args:
        parameters: decoded parameters, one value each; unknown ones are ignored.
        query_field: name of the parameter that holds the query.
        query_required: whether an empty query is an error.

    Raises:
        InvalidParameter: a value cannot be used; names the field.
    """
    query = normalise_query(parameters.get(query_field, ""), field=query_field)
    if query_required and not query:
        raise InvalidParameter(query_field, f"Give 1 to {MAX_QUERY_LENGTH} characters to search for.")
    low = _price(parameters, "min_price")
    high = _price(parameters, "max_price")
    if low is not None and high is not None and low > high:
        raise InvalidParameter("min_price", "The lowest price is above the highest.")
    sort = _sort(parameters.get("sort", ""))
    after = parameters.get("after", "")
    return SearchRequest(
        query=query,
        category=_category(parameters.get("category", "")),
        brand=_brand(parameters.get("brand", "")),
        min_price=low,
        max_price=high,
        in_stock=_flag(parameters, "in_stock"),
        min_rating=_rating(parameters.get("min_rating", "")),
        sort=sort,
        after=decode_cursor(after, sort=sort.value) if after else None,
        as_typed=_flag(parameters, "as_typed"),
        explain=_flag(parameters, "explain"),
        attributes=_attributes(parameters),
    )


def normalise_query(text: str, *, field: str = "query") -> str:
    """Return what was typed in the form that is cached, counted and shown as trending."""
    if len(text) > MAX_QUERY_LENGTH:
        raise InvalidParameter(field, f"Search for at most {MAX_QUERY_LENGTH} characters; these are {len(text):,}.")
    if "\x00" in text:
        raise InvalidParameter(field, "A NUL character cannot be searched for.")
    composed = unicodedata.normalize("NFKC", text).lower()
    printable = "".join(char if unicodedata.category(char)[0] not in "CZ" else " " for char in composed)
    return " ".join(printable.split())


def _category(text: str) -> str:
    if not text.strip():
        return ""
    if len(text) > MAX_FILTER_LENGTH:
        raise InvalidParameter("category", "No category has such a long name.")
    return "/".join(slug(level) for level in text.split("/"))


def _brand(text: str) -> str:
    if not text.strip():
        return ""
    if len(text) > MAX_FILTER_LENGTH:
        raise InvalidParameter("brand", "No brand has such a long name.")
    found = sorted({slug(name) for name in text.split(",") if name.strip()})
    if len(found) > MAX_BRANDS:
        raise InvalidParameter("brand", f"Choose at most {MAX_BRANDS} brands.")
    return ",".join(found)


def _attributes(parameters: Mapping[str, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read filters such as ``attr.Colour=Black``; one that is given several times has several values."""
    chosen: dict[str, tuple[str, ...]] = {}
    for field in parameters:
        if not field.startswith(ATTRIBUTE_PREFIX):
            continue
        name = field.removeprefix(ATTRIBUTE_PREFIX)
        given = parameters.getlist(field) if isinstance(parameters, MultiValueDict) else [parameters[field]]
        values = tuple(sorted({value.strip() for value in given} - {""}))
        if not values:
            continue
        if not name.isprintable() or not 0 < len(name) <= MAX_ATTRIBUTE_NAME or name.startswith("$") or "." in name:
            raise InvalidParameter(field[:80], "No attribute has such a name.")
        if any(len(value) > MAX_VALUE or not value.isprintable() for value in values):
            raise InvalidParameter(field[:80], f"Give a value of at most {MAX_VALUE} printable characters.")
        if len(values) > MAX_ATTRIBUTE_VALUES:
            raise InvalidParameter(field[:80], f"Choose at most {MAX_ATTRIBUTE_VALUES} values.")
        chosen[name] = values
    if len(chosen) > MAX_ATTRIBUTE_FILTERS:
        raise InvalidParameter("attr", f"Filter by at most {MAX_ATTRIBUTE_FILTERS} attributes.")
    return tuple(sorted(chosen.items()))


def _rating(text: str) -> int:
    if not text.strip():
        return 0
    if not _RATING.match(text.strip()):
        raise InvalidParameter("min_rating", "Give a whole number from 1 to 5.")
    return int(text)


def _price(parameters: Mapping[str, str], field: str) -> int | None:
    text = parameters.get(field, "").strip()
    if not text:
        return None
    if not _PRICE.match(text):
        raise InvalidParameter(field, "Give a price as a number, such as 49.90.")
    value = Decimal(text.replace(",", "."))
    if value > _MAX_PRICE:
        raise InvalidParameter(field, f"Give a price from 0 to {_MAX_PRICE:,}.")
    return int(value * minor_per_major())


def _sort(text: str) -> Sort:
    try:
        return Sort(text.strip().lower() or Sort.RELEVANCE.value)
    except ValueError:
        known = ", ".join(sort.value for sort in Sort)
        raise InvalidParameter("sort", f"Sort by one of {known}.") from None


def _flag(parameters: Mapping[str, str], field: str) -> bool:
    value = parameters.get(field, "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InvalidParameter(field, "Say true or false.")
