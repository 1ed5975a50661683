"""What a client says about a product: from the names and units of the API to those of the catalogue."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.documents import MAX_PRICE
from catalog.errors import EditConflict, InvalidFields
from catalog.money import major_units, minor_digits
from catalog.products import Product

MAX_VERSION = 2**31 - 1
DERIVED = frozenset({"_id", "category", "inStock", "createdAt", "updatedAt"})
REQUIRED = ("sku", "name", "price", "currency", "categoryPath", "stock")
_ETAG = re.compile(r'"([1-9][0-9]{0,9})"')


class PreconditionRequired(Exception):
    """The client does not say which version it has read."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text")
    return value


def _line(value: Any) -> str:
    return " ".join(_text(value).split())


def _number(value: Any) -> float:
    match value:
        case bool():
            raise TypeError("must be a number")
        case int() | float():
            return value
        case _:
            raise TypeError("must be a number")


def _whole(value: Any) -> int:
    number = _number(value)
    # JSON knows one kind of number: 3.0 is 3.
    if isinstance(number, float) and not number.is_integer():
        raise TypeError("must be a whole number")
    return int(number)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _path(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(level, str) for level in value):
        raise TypeError("must be a list of names, the top category first")
    return tuple(_line(level) for level in value)


def _attributes(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("must be an object of names and values")
    return value


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    read: Callable[[Any], Any]


FIELDS: dict[str, _Field] = {
    "sku": _Field("sku", lambda value: _text(value).strip()),
    "name": _Field("name", _line),
    "brand": _Field("brand", _line),
    "categoryPath": _Field("category_path", _path),
    "productType": _Field("product_type", _line),
    "description": _Field("description", _text),
    "price": _Field("price", _number),
    "currency": _Field("currency", _line),
    "stock": _Field("stock", _whole),
    "rating": _Field("rating", _number),
    "ratingCount": _Field("rating_count", _whole),
    "popularity": _Field("popularity", _whole),
    "attributes": _Field("attributes", _attributes),
    "imageUrl": _Field("image_url", _line),
    "active": _Field("active", _truth),
}
_API_NAMES = {field.name: name for name, field in FIELDS.items()} | {"category": "categoryPath"}


def read_fields(body: Any, *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what ``body`` says, by field of the catalogue; the price stays in major units.

    Raises:
        InvalidFields: the body is no object, names unknown fields, lacks ``required`` ones, or holds wrong types; the
            names are those of the API.
    """
    if not isinstance(body, Mapping):
        raise InvalidFields({"body": "must be a JSON object"})
    reasons = {name: "is required" for name in required if name not in body}
    values: dict[str, Any] = {}
    for name, value in body.items():
        if name == "version":
            continue
        if name in DERIVED:
            reasons[name] = "is derived and cannot be set"
        elif name not in FIELDS:
            reasons[name[:80]] = "is not a field of products"
        else:
            try:
                values[FIELDS[name].name] = FIELDS[name].read(value)
            except TypeError as error:
                reasons[name] = str(error)
    if reasons:
        raise InvalidFields(reasons)
    return values


def with_minor_price(values: dict[str, Any], *, stored: Product | None = None) -> dict[str, Any]:
    """Return ``values`` with the price in minor units of the currency that the product will have.

    Raises:
        InvalidFields: the price has too many decimals, or the currency changes and the price is not given.
    """
    currency = values.get("currency", stored.currency if stored else "")
    if "price" not in values:
        if stored is not None and currency != stored.currency:
            raise InvalidFields({"price": "is required where the currency changes"})
        return values
    return {**values, "price": _minor_units(values["price"], currency)}


def read_version(body: Any, if_match: str | None) -> int:
    """Return the version that the client has read, from ``version`` in the body or from ``If-Match``.

    Raises:
        PreconditionRequired: neither is given.
        InvalidFields: it is no version, or the two differ.
    """
    stated = body.get("version") if isinstance(body, Mapping) else None
    versions: set[int] = set()
    if stated is not None:
        if isinstance(stated, bool) or not isinstance(stated, int) or not 1 <= stated <= MAX_VERSION:
            raise InvalidFields({"version": f"must be a whole number from 1 to {MAX_VERSION:,}"})
        versions.add(stated)
    if if_match is not None:
        match = _ETAG.fullmatch(if_match.strip())
        if match is None:
            raise InvalidFields({"If-Match": 'must be one version in quotes, such as "3"'})
        versions.add(int(match[1]))
    if not versions:
        raise PreconditionRequired
    if len(versions) > 1:
        raise InvalidFields({"version": "differs from If-Match"})
    return versions.pop()


def api_names(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return ``reasons`` by the names that the API has for the fields."""
    return {_API_NAMES.get(name, name): reason for name, reason in reasons.items()}


def sent_json(conflict: EditConflict) -> dict[str, Any]:
    """Return what the editor of a conflict wanted, by the names and in the units of the API."""
    currency = conflict.sent.get("currency", conflict.stored.currency)
    values = {_API_NAMES[name]: value for name, value in conflict.sent.items()}
    if "price" in values:
        values["price"] = major_units(values["price"], currency)
    return {**values, "version": conflict.sent_version}


def _minor_units(amount: float, currency: str) -> int:
    if not math.isfinite(amount) or not 0 <= amount <= MAX_PRICE:
        raise InvalidFields({"price": "must be an amount of 0 or more"})
    minor = Decimal(repr(amount)).scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise InvalidFields({"price": f"has more than the {minor_digits(currency)} decimals of {currency}"})
    return int(minor)
