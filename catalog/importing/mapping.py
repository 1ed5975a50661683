"""Which field of the file is which field of a product, and what applies where the file says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from catalog.documents import ProductDraft
from catalog.importing.attributes import AttributeRules
from catalog.importing.categorising import CategoryRules
from catalog.importing.errors import InvalidMapping
from catalog.importing.prices import DecimalMark
from catalog.importing.rows import shown
from catalog.importing.sources import FieldSource
from catalog.importing.values import Cleaning, is_empty

TARGETS = tuple(target.name for target in fields(ProductDraft))
"""The fields that a mapping may fill."""
ALIASES = MappingProxyType({"category": "category_path"})


def _built_in_sources() -> Mapping[str, tuple[FieldSource, ...]]:
    spellings = {
        "image_url": ("image_url", "imageUrl"),
        "created_at": ("created_at", "createdAt"),
        "category_path": ("category_path", "categoryPath", "category"),
        "product_type": ("product_type", "productType"),
        "rating_count": ("rating_count", "ratingCount"),
    }
    return {target: tuple(map(FieldSource.parse, spellings.get(target, (target,)))) for target in TARGETS}


BUILT_IN_IGNORED = ("_id", "in_stock", "inStock", "score", "reason", "updated_at", "updatedAt", "version")
"""Fields of our own API that say nothing a product does not say elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMapping:
    """A complete mapping.

    Attributes:
        sources: for each target field its sources; the first that has a value wins.
        defaults: values for target fields for which no source has one.
        empty: for target fields, texts in lower case that say no more than nothing does, such as ``n/a``.
        price_is_minor: whether prices are whole numbers of minor units.
        price_decimal: the decimal mark of prices in text; empty for either, where it is clear.
        category: how category paths are cut or derived.
        attributes: what happens to fields that nothing else uses.
        cleaning: what happens to texts before they are used.
    """

    sources: Mapping[str, tuple[FieldSource, ...]] = field(default_factory=_built_in_sources)
    defaults: Mapping[str, object] = field(default_factory=dict)
    empty: Mapping[str, frozenset[str]] = field(default_factory=dict)
    price_is_minor: bool = False
    price_decimal: DecimalMark = ""
    category: CategoryRules = field(default_factory=CategoryRules)
    attributes: AttributeRules = field(default_factory=lambda: AttributeRules(ignored=BUILT_IN_IGNORED))
    cleaning: Cleaning = field(default_factory=Cleaning)

    def value(self, target: str, record: Mapping[str, object]) -> object:
        """Return the first value that the sources of a target have, or ``None``."""
        for source in self.sources[target]:
            value = source.value(record)
            if not is_empty(value) and not self._counts_as_empty(target, value):
                return value
        return None

    def _counts_as_empty(self, target: str, value: object) -> bool:
        texts = self.empty.get(target, frozenset())
        return isinstance(value, str | int) and str(value).strip().casefold() in texts

    def used_names(self) -> frozenset[str]:
        """Return the fields that some target reads, with the objects they lie in; the others may become attributes."""
        return frozenset(name.partition(".")[0] for name in self._names()) | frozenset(self._names())

    def _names(self) -> Iterator[str]:
        for sources in self.sources.values():
            for source in sources:
                yield from source.names


def canonical_target(name: str, *, origin: str) -> str:
    """Return the target field that ``name`` means; raise :class:`InvalidMapping` naming the known ones if none."""
    target = ALIASES.get(name, name)
    if target not in TARGETS:
        known = ", ".join(TARGETS)
        raise InvalidMapping(f"{origin}: {shown(name)} is not a field of a product; the fields are {known}")
    return target
