"""What somebody has typed into the form of a product: texts, and the changes that they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from catalog.contexts.formatting import format_attribute
from catalog.errors import InvalidProduct
from catalog.importing.prices import price_from_major
from catalog.money import major_units, minor_digits, shop_currency
from catalog.products import AttributeValue, Product

SEPARATOR = ">"
TEXT_FIELDS = (
    "sku",
    "name",
    "brand",
    "category",
    "product_type",
    "description",
    "price",
    "currency",
    "stock",
    "popularity",
    "image_url",
)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,15})?")
_WHOLE = re.compile(r"[0-9]{1,18}")
_TRUTHS = {"Yes": True, "No": False}

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """The form of a product as it is shown and sent.

    Attributes:
        texts: by name of the field.
        rows: names and values of attributes.
        version: the version that was read; 0 for a new product.
    """

    texts: Mapping[str, str]
    rows: Rows
    version: int = 0


@dataclass(slots=True)
class Meaning:
    """What a form means.

    Attributes:
        changes: new values by field of :class:`~catalog.documents.ProductDraft`.
        reasons: what cannot be understood, by field.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def typed_of(product: Product) -> Typed:
    """Return the form that shows a product."""
    digits = minor_digits(product.currency)
    texts = {
        "sku": product.sku,
        "name": product.name,
        "brand": product.brand,
        "category": f" {SEPARATOR} ".join(product.category_path),
        "product_type": product.product_type,
        "description": product.description,
        "price": f"{major_units(product.price, product.currency):.{digits}f}",
        "currency": product.currency,
        "stock": str(product.stock),
        "popularity": str(product.popularity),
        "image_url": product.image_url,
    }
    rows = tuple((_line(name), _as_text(value)) for name, value in product.attributes.items())
    return Typed({name: _as_sent(name, text) for name, text in texts.items()}, rows, product.version)


def empty_form() -> Typed:
    """Return the form of a product that is to be created."""
    return Typed(dict.fromkeys(TEXT_FIELDS, "") | {"currency": shop_currency(), "stock": "0", "popularity": "0"}, ())


def read_form(sent: QueryDict) -> Typed:
    """Return what was sent; a version that is no number reads as 0."""
    version = sent.get("version", "")
    names, values = sent.getlist("attribute_name"), sent.getlist("attribute_value")
    return Typed(
        {name: _as_sent(name, sent.get(name, "")) for name in TEXT_FIELDS},
        tuple(zip((_line(name) for name in names), (_line(value) for value in values), strict=False)),
        int(version) if re.fullmatch(r"[0-9]{1,9}", version) else 0,
    )


def meaning_of(typed: Typed, stored: Product | None) -> Meaning:
    """Return what a form changes about ``stored``, or says about a new product.

    A field whose text is the one that shows the stored value means that value, whatever the text loses.
    """
    meaning = Meaning()
    shown = typed_of(stored) if stored is not None else None
    changed = {name: text for name, text in typed.texts.items() if shown is None or text != shown.texts[name]}
    for name, text in changed.items():
        try:
            meaning.changes |= _meant(name, text, typed.texts["currency"])
        except InvalidProduct as error:
            meaning.reasons[name] = error.reason
    if stored is not None and "currency" in changed and "price" not in changed:
        # The same digits, in the units of the other currency.
        try:
            meaning.changes |= _meant("price", typed.texts["price"], typed.texts["currency"])
        except InvalidProduct as error:
            meaning.reasons["price"] = error.reason
    if shown is None or _filled(typed.rows) != _filled(shown.rows):
        try:
            meaning.changes["attributes"] = _attributes(typed.rows, stored)
        except InvalidProduct as error:
            meaning.reasons["attributes"] = error.reason
    return meaning


def _meant(name: str, text: str, currency: str) -> dict[str, Any]:
    match name:
        case "category":
            return {"category_path": tuple(level for part in text.split(SEPARATOR) if (level := _line(part)))}
        case "price":
            return {"price": price_from_major(text, currency=currency.strip().upper(), decimal=".")}
        case "currency":
            return {"currency": text.strip().upper()}
        case "stock" | "popularity":
            if not _WHOLE.fullmatch(text.strip()):
                raise InvalidProduct(name, "must be a whole number, such as 12")
            return {name: int(text)}
        case "description":
            return {"description": text.strip()}
        case _:
            return {name: _line(text)}


def _attributes(rows: Rows, stored: Product | None) -> dict[str, AttributeValue]:
    before = {_line(name): value for name, value in stored.attributes.items()} if stored is not None else {}
    attributes: dict[str, AttributeValue] = {}
    for name, text in _filled(rows):
        if not name:
            raise InvalidProduct("attributes", f"“{text[:40]}” has no name")
        if name in attributes:
            raise InvalidProduct("attributes", f"“{name[:40]}” is there twice")
        attributes[name] = _value(text, before.get(name))
    return attributes


def _filled(rows: Rows) -> Rows:
    return tuple((name, value) for name, value in rows if value)


def _value(text: str, before: AttributeValue | None) -> AttributeValue:
    """Return the value that a text stands for: of the same type as before where it can be."""
    if before is not None and _as_text(before) == text:
        return before
    if isinstance(before, str):
        return text
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _as_text(value: AttributeValue) -> str:
    return _line(repr(value) if isinstance(value, float) else format_attribute(value))


def _as_sent(name: str, text: str) -> str:
    # Browsers send texts in this form, so that what comes back unchanged is recognised.
    if name != "description":
        return _line(text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(text: str) -> str:
    return " ".join(text.split())
