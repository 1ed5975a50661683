"""The stored shape of a product, its validator, and the one place that converts to and from it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict
from urllib.parse import urlsplit

from bson import ObjectId
from bson.int64 import Int64

from catalog.errors import InvalidProduct
from catalog.products import AttributeValue, Product
from catalog.search.analysis import ANALYZER_VERSION
from catalog.search.index_keys import MAX_POPULARITY, NO_TEXT_KEYS, OrderKeys, order_keys, text_keys

MAX_PRICE = 10**12
"""Largest price in minor units; keeps the sort key within 64 bits."""
MAX_STOCK = 2**31 - 1
MAX_TEXT = {"sku": 100, "name": 300, "brand": 100, "product_type": 100, "description": 20_000, "image_url": 2000}
MAX_CATEGORY_DEPTH = 6
MAX_ATTRIBUTES = 400
MAX_ATTRIBUTE_NAME = 80
MAX_ATTRIBUTE_TEXT = 2000
_REQUIRED_TEXT = frozenset({"sku", "name"})
_LARGEST = {"price": MAX_PRICE, "stock": MAX_STOCK, "rating_count": MAX_STOCK, "popularity": MAX_POPULARITY}
_CURRENCY = re.compile(r"^[A-Z]{3}$")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_NUL = "\x00"


class ProductDocument(TypedDict):
    """A document of the ``products`` collection.

    ``terms``, ``words``, ``spans``, ``impacts``, ``analyzer`` and ``order`` are derived from the other fields by
    :func:`to_document` and serve search alone.
    """

    _id: ObjectId
    sku: str
    name: str
    brand: str
    category: str
    category_path: list[str]
    product_type: str
    description: str
    price: Int64
    currency: str
    stock: int
    rating: float
    rating_count: int
    popularity: int
    attributes: dict[str, AttributeValue]
    image_url: str
    active: bool
    created_at: datetime
    updated_at: datetime
    version: int
    terms: list[str]
    words: list[str]
    spans: int
    impacts: str
    analyzer: int
    order: OrderKeys


DERIVED_FIELDS = ("terms", "words", "spans", "impacts", "analyzer", "order")
"""What follows from the other fields, and is needed by search alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDraft:
    """What a seed, an import or an editor says about a product; the rest is derived.

    The fields are those of :class:`~catalog.products.Product`.
    """

    sku: str
    name: str
    price: int
    currency: str
    category_path: Sequence[str]
    stock: int
    brand: str = ""
    product_type: str = ""
    description: str = ""
    rating: float = 0.0
    rating_count: int = 0
    popularity: int = 0
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    image_url: str = ""
    active: bool = True
    created_at: datetime | None = None


def object_id_of(sku: str) -> ObjectId:
    """Return the ``_id`` of a product: 96 bits of BLAKE2b over its sku.

    A collection that is sharded on hashed ``_id`` can have no other unique index, so uniqueness of the sku has to
    follow from uniqueness of ``_id``.
    """
    return ObjectId(hashlib.blake2b(sku.encode(), digest_size=12).digest())


def validated(draft: ProductDraft) -> ProductDraft:
    """Return ``draft`` if it can be stored; raise :class:`~catalog.errors.InvalidProduct` naming the field if not."""
    for check in _CHECKS:
        check(draft)
    return draft


def invalid_fields(draft: ProductDraft) -> dict[str, str]:
    """Return what is wrong with ``draft``, by field: the first rule that each field breaks."""
    reasons: dict[str, str] = {}
    for check in _CHECKS:
        try:
            check(draft)
        except InvalidProduct as error:
            reasons.setdefault(error.field, error.reason)
    return reasons


def draft_of(product: Product) -> ProductDraft:
    """Return what an editor could have said to get ``product``."""
    return ProductDraft(**{name: getattr(product, name) for name in ProductDraft.__dataclass_fields__})


def to_document(draft: ProductDraft, *, now: datetime, version: int = 1) -> ProductDocument:
    """Build the document to store, with everything the indexes need.

    Args:
        draft: a validated draft.
        now: the time of the write, timezone-aware.
        version: the version that this write creates.
    """
    identifier = object_id_of(draft.sku)
    created_at = draft.created_at or now
    # An inactive product has no terms, so no search can find it and no query needs a condition for it.
    keys = (
        text_keys(
            name=draft.name,
            brand=draft.brand,
            category_path=draft.category_path,
            product_type=draft.product_type,
            description=draft.description,
            attributes=draft.attributes,
            in_stock=draft.stock > 0,
        )
        if draft.active
        else NO_TEXT_KEYS
    )
    return ProductDocument(
        _id=identifier,
        sku=draft.sku,
        name=draft.name,
        brand=draft.brand,
        category=draft.category_path[-1],
        category_path=list(draft.category_path),
        product_type=draft.product_type,
        description=draft.description,
        price=Int64(draft.price),
        currency=draft.currency,
        stock=draft.stock,
        rating=float(draft.rating),
        rating_count=draft.rating_count,
        popularity=draft.popularity,
        attributes=dict(draft.attributes),
        image_url=draft.image_url,
        active=draft.active,
        created_at=created_at,
        updated_at=now,
        version=version,
        terms=list(keys.terms),
        words=list(keys.words),
        spans=keys.spans,
        impacts=keys.impacts,
        analyzer=ANALYZER_VERSION,
        order=order_keys(
            identifier=identifier,
            popularity=draft.popularity,
            price=draft.price,
            rating=draft.rating,
            rating_count=draft.rating_count,
            created_at=created_at,
        ),
    )


def to_product(document: Mapping[str, Any]) -> Product:
    """Return the product that a stored document describes."""
    return Product(
        id=str(document["_id"]),
        sku=document["sku"],
        name=document["name"],
        brand=document["brand"],
        category_path=tuple(document["category_path"]),
        product_type=document["product_type"],
        description=document["description"],
        price=int(document["price"]),
        currency=document["currency"],
        stock=document["stock"],
        rating=document["rating"],
        rating_count=document["rating_count"],
        popularity=document["popularity"],
        attributes=document["attributes"],
        image_url=document["image_url"],
        active=document["active"],
        created_at=_aware(document["created_at"]),
        updated_at=_aware(document["updated_at"]),
        version=document["version"],
    )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _check_text(draft: ProductDraft, name: str) -> None:
    value = getattr(draft, name)
    if not isinstance(value, str):
        raise InvalidProduct(name, "must be text")
    if len(value) > MAX_TEXT[name]:
        raise InvalidProduct(name, f"has {len(value):,} characters, more than {MAX_TEXT[name]:,}")
    if _NUL in value:
        raise InvalidProduct(name, "contains a NUL character")
    if name in _REQUIRED_TEXT and not value.strip():
        raise InvalidProduct(name, "is missing")


def _check_number(draft: ProductDraft, name: str) -> None:
    value, largest = getattr(draft, name), _LARGEST[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise InvalidProduct(name, f"must be a whole number from 0 to {largest:,}")


def _check_rating(draft: ProductDraft) -> None:
    if isinstance(draft.rating, bool) or not isinstance(draft.rating, int | float) or not 0 <= draft.rating <= 5:
        raise InvalidProduct("rating", "must be a number from 0 to 5")


def _check_currency(draft: ProductDraft) -> None:
    if not isinstance(draft.currency, str) or not _CURRENCY.fullmatch(draft.currency):
        raise InvalidProduct("currency", "must be an ISO 4217 code such as EUR")


def _check_image_url(draft: ProductDraft) -> None:
    if not draft.image_url:
        return
    if not draft.image_url.startswith(("https://", "http://")):
        raise InvalidProduct("image_url", "must start with https:// or http://")
    try:
        address = urlsplit(draft.image_url)
        usable = bool(address.hostname) and not _BLANK.search(draft.image_url)
    except ValueError:
        usable = False
    if not usable:
        raise InvalidProduct("image_url", "is not an address, or contains blanks (write %20)")
    if "@" in address.netloc:
        # Every visitor of the shop would see them.
        raise InvalidProduct("image_url", "must not contain a user name or password")


def _check_category(draft: ProductDraft) -> None:
    path = draft.category_path
    if not path or len(path) > MAX_CATEGORY_DEPTH:
        raise InvalidProduct("category", f"must have from 1 to {MAX_CATEGORY_DEPTH} levels")
    for name in path:
        if not isinstance(name, str) or not name.strip() or len(name) > 100 or _NUL in name:
            raise InvalidProduct("category", "each level must be a name of 1 to 100 characters")


def _check_attributes(draft: ProductDraft) -> None:
    attributes = draft.attributes
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidProduct("attributes", f"has {len(attributes)} entries, more than {MAX_ATTRIBUTES}")
    for name, value in attributes.items():
        if not name or len(name) > MAX_ATTRIBUTE_NAME or _NUL in name or name.startswith("$") or "." in name:
            raise InvalidProduct("attributes", f"{name[:MAX_ATTRIBUTE_NAME]!r} cannot be the name of an attribute")
        if isinstance(value, str) and (len(value) > MAX_ATTRIBUTE_TEXT or _NUL in value):
            raise InvalidProduct("attributes", f"{name} is longer than {MAX_ATTRIBUTE_TEXT} characters or holds NUL")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidProduct("attributes", f"{name} is not a finite number")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InvalidProduct("attributes", f"{name} does not fit into 64 bits")
        if not isinstance(value, str | int | float | bool):
            raise InvalidProduct("attributes", f"{name} must be text, a number or true/false")


_CHECKS: tuple[Callable[[ProductDraft], None], ...] = (
    *(partial(_check_text, name=name) for name in MAX_TEXT),
    *(partial(_check_number, name=name) for name in _LARGEST),
    _check_rating,
    _check_currency,
    _check_image_url,
    _check_category,
    _check_attributes,
)

_INTEGER = {"bsonType": ["int", "long"], "minimum": 0}
_TEXT = {"bsonType": "string"}
VALIDATOR: dict[str, Any] = {
    "$jsonSchema": {
        "bsonType": "object",
        "required": [*ProductDocument.__annotations__],
        "properties": {
            "_id": {"bsonType": "objectId"},
            "sku": {"bsonType": "string", "minLength": 1, "maxLength": MAX_TEXT["sku"]},
            "name": {"bsonType": "string", "minLength": 1, "maxLength": MAX_TEXT["name"]},
            "brand": _TEXT,
            "category": _TEXT,
            "category_path": {"bsonType": "array", "minItems": 1, "maxItems": MAX_CATEGORY_DEPTH, "items": _TEXT},
            "product_type": _TEXT,
            "description": _TEXT,
            "price": {**_INTEGER, "maximum": MAX_PRICE},
            "currency": {"bsonType": "string", "pattern": _CURRENCY.pattern},
            "stock": _INTEGER,
            "rating": {"bsonType": "double", "minimum": 0, "maximum": 5},
            "rating_count": _INTEGER,
            "popularity": {**_INTEGER, "maximum": MAX_POPULARITY},
            "attributes": {"bsonType": "object"},
            "image_url": _TEXT,
            "active": {"bsonType": "bool"},
            "created_at": {"bsonType": "date"},
            "updated_at": {"bsonType": "date"},
            "version": {**_INTEGER, "minimum": 1},
            "terms": {"bsonType": "array", "items": _TEXT},
            "words": {"bsonType": "array", "items": _TEXT},
            "spans": _INTEGER,
            "impacts": _TEXT,
            "analyzer": _INTEGER,
            "order": {"bsonType": "object", "required": [*OrderKeys.__annotations__]},
        },
    }
}
"""JSON schema that MongoDB itself holds every writer to."""
