"""From a row to a product draft, by the rules of a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.documents import ProductDraft, validated
from catalog.errors import InvalidProduct
from catalog.importing.attributes import AttributeReader
from catalog.importing.mapping import ImportMapping
from catalog.importing.prices import currency_in, price_from_major, price_from_minor
from catalog.importing.rows import Rejection, Row
from catalog.importing.values import boolean_of, moment_of, number_of, whole_number_of

_DRAWN_PICTURES = "/pictures/"
_ADVICE = {
    "sku": "name the field that identifies a product (--map sku=FIELD)",
    "name": "name the field to take it from (--map name=FIELD)",
    "price": "name the field to take it from (--map price=FIELD)",
    "currency": "name a field (--map currency=FIELD) or state one for all (--default currency=EUR)",
    "stock": "name a field (--map stock=FIELD) or state a number for all (--default stock=0)",
    "category": "name a field (--map category=FIELD), give rules in a mapping file, or state one for the rest "
    "(--default category=NAME)",
}
CONVERTERS: Mapping[str, Callable[[str, object], object]] = {
    "stock": whole_number_of,
    "rating": number_of,
    "rating_count": whole_number_of,
    "popularity": whole_number_of,
    "active": boolean_of,
    "created_at": moment_of,
}
"""How the fields that are no text are read.

Others than the file may know these: sales count down the stock, editors deactivate. So where a row has no value, a
product that exists already keeps its own, and a default is for new ones.
"""


@dataclass(frozen=True, slots=True)
class Built:
    """A draft with what its report has to know.

    Attributes:
        line: the row's first line.
        size: a measure of the memory that it takes.
        draft: the product, validated.
        shortened: how many attribute texts were cut or dropped.
        unstated: fields that an existing product keeps, because the row has no value for them.
    """

    line: int
    size: int
    draft: ProductDraft
    shortened: int = 0
    unstated: tuple[str, ...] = ()


class DraftBuilder:
    """Builds drafts by one mapping."""

    def __init__(self, mapping: ImportMapping) -> None:
        self._mapping = mapping
        self._attributes = AttributeReader(mapping.attributes, taken=mapping.used_names())

    def build(self, row: Row) -> Built | Rejection:
        """Return the draft of a row, or why there is none."""
        sku = ""
        try:
            sku = self._line(row.fields, "sku", required=True)
            draft, shortened = self._draft(sku, row.fields)
            unstated = tuple(name for name in CONVERTERS if self._mapping.value(name, row.fields) is None)
            return Built(row.line, row.size, validated(draft), shortened, unstated)
        except InvalidProduct as error:
            return Rejection(row.line, error.reason, field=error.field, sku=sku[:100])

    def _draft(self, sku: str, record: Mapping[str, object]) -> tuple[ProductDraft, int]:
        currency, price = self._money(record)
        attributes = self._attributes.read(record, self._mapping.value("attributes", record))
        optional: dict[str, Any] = {}
        for name, convert in {**CONVERTERS, "description": self._mapping.cleaning.paragraphs}.items():
            value = self._value(record, name, required=name == "stock")
            if value is not None:
                optional[name] = convert(name, value)
        draft = ProductDraft(
            sku=sku,
            name=self._line(record, "name", required=True),
            price=price,
            currency=currency,
            category_path=self._category(record),
            brand=self._line(record, "brand"),
            product_type=self._line(record, "product_type"),
            image_url=self._image_url(record),
            attributes=attributes.values,
            **optional,
        )
        return draft, len(attributes.shortened)

    def _value(self, record: Mapping[str, object], target: str, *, required: bool = False) -> object:
        value = self._mapping.value(target, record)
        if value is None:
            value = self._mapping.defaults.get(target)
        if value is None and required:
            raise self._missing(target)
        return value

    def _line(self, record: Mapping[str, object], target: str, *, required: bool = False) -> str:
        value = self._value(record, target, required=required)
        return "" if value is None else self._mapping.cleaning.line(target, value)

    def _money(self, record: Mapping[str, object]) -> tuple[str, int]:
        price = self._value(record, "price", required=True)
        currency = self._line(record, "currency") or currency_in(price)
        if not currency:
            raise self._missing("currency")
        currency = currency.upper()
        if self._mapping.price_is_minor:
            return currency, price_from_minor(price)
        return currency, price_from_major(price, currency=currency, decimal=self._mapping.price_decimal)

    def _category(self, record: Mapping[str, object]) -> tuple[str, ...]:
        value = self._mapping.value("category_path", record)
        path = self._mapping.category.path(value, record)
        if not path:
            raise self._missing("category_path")
        return path

    def _image_url(self, record: Mapping[str, object]) -> str:
        url = self._line(record, "image_url")
        # An export of our own API names the picture that we drew: that is none of the product's.
        return "" if url.startswith(_DRAWN_PICTURES) else url

    def _missing(self, target: str) -> InvalidProduct:
        field = "category" if target == "category_path" else target
        looked_for = ", ".join(source.template for source in self._mapping.sources[target])
        looked_for = f" (looked for {looked_for})" if looked_for else ""
        return InvalidProduct(field, f"is missing{looked_for}; {_ADVICE[field]}")
