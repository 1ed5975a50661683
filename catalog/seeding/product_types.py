"""What the seeded shop sells: product types with their brands, attributes and sentences, read from ``assortment/``.

A file names a top category, ``series`` (words for model names) and, by leaf category, ``closings`` (last sentences of
descriptions), and lists ``[[types]]``:

- ``leaf``, ``type``, ``weight``: leaf category, name of the type, its share of the catalogue;
- ``price``: EUR for an ordinary brand and ordinary attributes;
- ``title``: what follows brand and model in a name, with ``{type}`` and ``{Attribute}``; ``{type}`` alone if left out;
- ``brands``: names from ``shared.toml``, the most common first, or ``Name:level`` with a price level of its own;
- ``openings``: first sentences, with ``{model}``;
- ``attributes``: tables with ``values`` and, in parallel, ``weights``, price ``factors`` and ``tells`` (one sentence
  for each value) or ``says`` (sentences with ``{}``, ``{lower}`` or ``{inches}`` for the value). Values of a ``graded``
  attribute run from plain to best, and a product that is good in one is good in all. A string stands for an attribute
  of ``shared.toml``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.products import AttributeValue

ASSORTMENT = Path(__file__).parent / "assortment"
FILES = ("electronics", "computers", "accessories", "home_office", "audio", "gaming")
MAX_ATTRIBUTES = 16
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")
_TYPE_KEYS = {"leaf", "type", "weight", "price", "title", "brands", "openings", "attributes"}
_ATTRIBUTE_KEYS = {"values", "weights", "factors", "graded", "says", "tells"}


class AssortmentError(ValueError):
    """A file of the assortment cannot be used; the message names the type and what is wrong."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an attribute: how common it is, what it does to the price, and sentences that mention it."""

    value: AttributeValue
    weight: float
    factor: float
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A feature of a product type; values of a graded one run from plain to best."""

    name: str
    values: tuple[Value, ...]
    graded: bool

    @property
    def told(self) -> bool:
        """Whether a description can mention it, whatever its value."""
        return all(value.sentences for value in self.values)


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker, and its price level relative to an ordinary one."""

    name: str
    level: float


@dataclass(frozen=True, slots=True)
class ProductType:
    """A kind of product with everything that its products are made from. ``price`` is in EUR."""

    category_path: tuple[str, str]
    name: str
    weight: float
    price: float
    title: str
    brands: tuple[Brand, ...]
    series: tuple[str, ...]
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    attributes: tuple[Attribute, ...]


def load_product_types(directory: Path = ASSORTMENT) -> tuple[ProductType, ...]:
    """Read the assortment; the order is that of :data:`FILES` and of the types inside, and never changes by itself.

    Raises:
        AssortmentError: a type is incomplete or contradicts itself.
    """
    shared = _read(directory / "shared.toml")
    types = []
    for name in FILES:
        data = _read(directory / f"{name}.toml")
        types += [_product_type(entry, data, shared) for entry in data["types"]]
    return tuple(types)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AssortmentError(f"{path.name}: {error}") from error


def _product_type(entry: Mapping[str, Any], file: Mapping[str, Any], shared: Mapping[str, Any]) -> ProductType:
    name = str(entry.get("type", "(no type)"))
    unknown = entry.keys() - _TYPE_KEYS
    missing = _TYPE_KEYS - {"title"} - entry.keys()
    if unknown or missing:
        raise AssortmentError(f"{name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
    attributes = []
    for label, table in entry["attributes"].items():
        if isinstance(table, str):
            if table not in shared["attributes"]:
                raise AssortmentError(f"{name}: {label} refers to {table!r}, which shared.toml does not have")
            table = shared["attributes"][table]  # noqa: PLW2901
        attributes.append(_attribute(f"{name}: {label}", label, table))
    title = entry.get("title", "{type}")
    placeholders = _PLACEHOLDER.findall(title)
    if stray := set(placeholders) - {"type"} - {attribute.name for attribute in attributes}:
        raise AssortmentError(f"{name}: the title names {sorted(stray)}, which are no attributes")
    if len(attributes) > MAX_ATTRIBUTES or sum(attribute.told for attribute in attributes) < 2:
        raise AssortmentError(f"{name}: needs sentences for 2 attributes, and at most {MAX_ATTRIBUTES} attributes")
    if not all("{model}" in opening for opening in entry["openings"]):
        raise AssortmentError(f"{name}: each opening must name the {{model}}")
    return ProductType(
        category_path=(file["category"], entry["leaf"]),
        name=name,
        weight=entry["weight"],
        price=entry["price"],
        title=title,
        brands=tuple(_brand(name, text, shared["brands"]) for text in entry["brands"]),
        series=tuple(file["series"]),
        openings=tuple(entry["openings"]),
        closings=tuple(file["closings"].get(entry["leaf"], ())),
        attributes=tuple(attributes),
    )


def _brand(type_name: str, text: str, levels: Mapping[str, float]) -> Brand:
    name, _, own_level = text.partition(":")
    if own_level:
        return Brand(name, float(own_level))
    if name not in levels:
        raise AssortmentError(f"{type_name}: shared.toml gives no price level for {name}")
    return Brand(name, levels[name])


def _attribute(where: str, name: str, table: Mapping[str, Any]) -> Attribute:
    values: Sequence[AttributeValue] = table.get("values", ())
    if unknown := table.keys() - _ATTRIBUTE_KEYS:
        raise AssortmentError(f"{where}: unknown {sorted(unknown)}")
    if not values or {"says", "tells"} <= table.keys():
        raise AssortmentError(f"{where}: needs values, and either says or tells")
    for column in ("weights", "factors", "tells"):
        if column in table and len(table[column]) != len(values):
            raise AssortmentError(f"{where}: {len(table[column])} {column} for {len(values)} values")
    says = table.get("says", ())
    patterns = (says,) if isinstance(says, str) else tuple(says)
    return Attribute(
        name,
        tuple(
            Value(
                value=value,
                weight=table["weights"][index] if "weights" in table else 1.0,
                factor=table["factors"][index] if "factors" in table else 1.0,
                sentences=(table["tells"][index],)
                if "tells" in table
                else tuple(_said(pattern, str(value)) for pattern in patterns),
            )
            for index, value in enumerate(values)
        ),
        bool(table.get("graded", False)),
    )


def _said(pattern: str, value: str) -> str:
    return (
        pattern.replace("{}", value)
        .replace("{lower}", value.lower())
        .replace("{inches}", value.replace("inch", "inches"))
    )
