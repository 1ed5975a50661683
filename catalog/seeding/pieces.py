"""Everything about the product types that can be worked out before the first product is made.

A million products are put together from a few thousand words and values. Their BSON elements and their search terms
are computed here once, so that making a product is mostly the joining of bytes. What is chosen by number stands in
arrays, so that a batch of products is chosen at once.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import bson
import numpy as np
from numpy.typing import NDArray

from catalog.search.analysis import indexed_words, term_of
from catalog.search.index_keys import attribute_words, filter_terms, label_weights
from catalog.seeding.product_types import MAX_ATTRIBUTES, Attribute, Brand, ProductType

T = TypeVar("T")
SLOTS = 256
"""Length of the tables that one byte of randomness chooses from."""
TYPE_SLOTS = 4096
LINES = 4
"""Model lines of a brand in one product type; a power of two."""
_LENGTH = struct.Struct("<i")
_CODE_LETTERS = "ABCDEFGHKLMNPRSTVXZ"
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")
_MOST_GRADE_SHIFT = 48


Words = tuple[bytes, ...]
"""Search terms, each as the value of a BSON string."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of descriptions; an opening has to be filled with the model, and its words are without those of it."""

    text: bytes
    words: Words


@dataclass(frozen=True, slots=True)
class ValuePieces:
    """An attribute's value in names, terms and descriptions.

    Attributes:
        terms: words of the value in a name.
        words: words by which it is found as an attribute.
    """

    text: bytes
    terms: Words
    words: Words
    sentences: tuple[Sentence, ...]


NO_VALUE = ValuePieces(b"", (), (), ())


@dataclass(frozen=True, slots=True)
class Kind:
    """A product type.

    Attributes:
        title: what follows the model in a name, to be filled with values.
        title_values: the attributes that fill it.
        title_terms: terms of the title before the first and after each value.
        openings: first sentences, to be filled with the model.
        told: pairs and single ones of the attributes that a description mentions.
        closings: last sentences; the last of them is empty.
    """

    title: bytes
    title_values: tuple[int, ...]
    title_terms: tuple[Words, ...]
    openings: tuple[Sentence, ...]
    told: tuple[tuple[int, ...], ...]
    closings: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A model line: one series of one brand in one product type.

    Attributes:
        prefix: the name up to the digits of the model number.
        codes: terms of the model number: what precedes its digits, or, where true, a term without them.
        numbers: first model number, step, and how many there are.
        labels: BSON elements from ``brand`` to ``product_type``.
        terms: of the prefix without ``code``.
        labels_weighed: terms of brand, type and category with what they count.
        filters: filter terms of a product that is out of stock, and of one that is in stock.
    """

    kind: Kind
    prefix: bytes
    codes: tuple[tuple[bool, bytes], ...]
    numbers: tuple[int, int, int]
    labels: bytes
    terms: Words
    labels_weighed: tuple[tuple[bytes, int], ...]
    filters: tuple[Words, Words]


class Pieces:
    """The pieces of all product types, and the arrays that choose among them.

    Attributes:
        lines, values: what line and value numbers stand for.
        elements: BSON elements by value.
        kind_slots: type by :data:`TYPE_SLOTS` slots.
        line_slots: line by type, brand's slot and one of :data:`LINES`.
        line_prices: minor units before attributes, by line.
        line_shifts: what to add to the grade, by line; better brands make better products.
        line_numbers: first model number, step and count, by line.
        value_slots: value by type, place among the attributes and slot; 0 is no value.
        value_factors: effect on the price, by value.
        grade_shares: how many quarters of the choice the grade decides, by type and place.
        choices: number of openings, of told combinations and of closings, by type.
    """

    def __init__(self, types: Sequence[ProductType]) -> None:
        lines: list[Line] = []
        self._values: list[ValuePieces] = [NO_VALUE]
        self._elements: list[bytes] = [b""]
        self._value_numbers: dict[tuple[str, Any, tuple[str, ...], float], int] = {}
        self._factors: list[float] = [1.0]
        self.kind_slots = np.array(spread(range(len(types)), [one.weight for one in types], slots=TYPE_SLOTS))
        self.line_slots = np.zeros((len(types), SLOTS, LINES), dtype=np.intp)
        self.value_slots = np.zeros((len(types), MAX_ATTRIBUTES, SLOTS), dtype=np.intp)
        self.grade_shares = np.zeros((len(types), MAX_ATTRIBUTES), dtype=np.int64)
        prices: list[float] = []
        shifts: list[int] = []
        choices = []
        for number, product_type in enumerate(types):
            kind = _kind(product_type)
            choices.append((len(kind.openings), len(kind.told), len(kind.closings)))
            first = len(lines)
            for brand in product_type.brands:
                lines += _lines(kind, product_type, brand)
                prices += [product_type.price * brand.level * 100] * LINES
                shifts += [max(-_MOST_GRADE_SHIFT, min(_MOST_GRADE_SHIFT, round((brand.level - 1) * 80)))] * LINES
            starts = range(first, len(lines), LINES)
            # The first brands of the list sell most: the weights fall from 1 to about 1/3.
            weights = [len(starts) / (len(starts) + 2 * rank) for rank in range(len(starts))]
            self.line_slots[number] = np.array(spread(starts, weights))[:, None] + np.arange(LINES)
            for place, attribute in enumerate(product_type.attributes):
                self.value_slots[number, place] = self._values_of(attribute)
                self.grade_shares[number, place] = 3 if attribute.graded else 0
        self.lines, self.values, self.elements = objects(lines), objects(self._values), objects(self._elements)
        self.line_prices = np.array(prices)
        self.line_shifts = np.array(shifts)
        self.line_numbers = np.array([line.numbers for line in lines])
        self.value_factors = np.array(self._factors)
        self.choices = np.array(choices)

    def _values_of(self, attribute: Attribute) -> NDArray[np.intp]:
        numbers = []
        for value in attribute.values:
            # Types share many values. One copy of each keeps the whole stock of pieces in the processor's cache.
            key = (attribute.name, value.value, value.sentences, value.factor)
            if key not in self._value_numbers:
                self._value_numbers[key] = len(self._values)
                self._factors.append(value.factor)
                self._elements.append(element(attribute.name, value.value))
                self._values.append(
                    ValuePieces(
                        text=value.text.encode(),
                        terms=term_values(value.text),
                        words=_strings(attribute_words(attribute.name, value.value)),
                        sentences=tuple(map(_sentence, value.sentences)),
                    )
                )
            numbers.append(self._value_numbers[key])
        return np.array(spread(numbers, [value.weight for value in attribute.values]), dtype=np.intp)


def objects(items: Sequence[Any]) -> NDArray[np.object_]:
    """Return an array of ``items`` themselves, even where numpy would take them apart."""
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array


def spread(items: Sequence[T], weights: Sequence[float] | None = None, *, slots: int = SLOTS) -> tuple[T, ...]:
    """Return a table of ``slots`` entries in which each item takes its share, in the order given."""
    shares = weights or [1.0] * len(items)
    total = sum(shares)
    ends = [round(share * slots / total) for share in itertools.accumulate(shares)]
    return tuple(
        itertools.chain.from_iterable(
            [item] * (end - start) for item, start, end in zip(items, [0, *ends], ends, strict=False)
        )
    )


def element(name: str, value: Any) -> bytes:
    """Return one field as it stands inside a BSON document."""
    return bson.encode({name: value})[4:-1]


def term_values(text: str) -> Words:
    """Return the search terms of ``text``, each as the value of a BSON string."""
    return _strings(indexed_words(text))


def suffixes(*choices: tuple[str, float]) -> tuple[tuple[bytes, Words], ...]:
    """Return a table of endings of a model's name, such as `` Pro``, with their terms."""
    return spread(
        [(f" {text}".rstrip().encode(), term_values(text)) for text, _ in choices], [weight for _, weight in choices]
    )


@cache
def _string(text: str) -> bytes:
    # Cached, so that a word is one object wherever it occurs: the fewer objects, the more of them stay in the cache.
    encoded = text.encode()
    return _LENGTH.pack(len(encoded) + 1) + encoded + b"\0"


def _strings(texts: Iterable[str]) -> Words:
    return tuple(_string(text) for text in texts)


def _sentence(text: str) -> Sentence:
    return Sentence(text.encode(), _strings(indexed_words(text, stop_words=False)))


def _opening(text: str) -> Sentence:
    words = indexed_words(text.replace("{model}", " "), stop_words=False)
    return Sentence(text.replace("%", "%%").replace("{model}", "%b").encode(), _strings(words))


def _kind(product_type: ProductType) -> Kind:
    names = [attribute.name for attribute in product_type.attributes]
    parts = _PLACEHOLDER.split(product_type.title.replace("{type}", product_type.name))
    told = [place for place, attribute in enumerate(product_type.attributes) if attribute.told]
    return Kind(
        title=b" " + "%b".join(part.replace("%", "%%") for part in parts[::2]).encode(),
        title_values=tuple(names.index(name) for name in parts[1::2]),
        title_terms=tuple(term_values(part) for part in parts[::2]),
        openings=tuple(map(_opening, product_type.openings)),
        told=(*itertools.permutations(told, 2), *((place,) for place in told)),
        closings=(*map(_sentence, product_type.closings), _sentence("")),
    )


def _lines(kind: Kind, product_type: ProductType, brand: Brand) -> list[Line]:
    path = product_type.category_path
    labels = (
        element("brand", brand.name)
        + element("category", path[-1])
        + element("category_path", list(path))
        + element("product_type", product_type.name)
    )
    weighed = tuple(
        (_string(word), weight) for word, weight in label_weights(brand.name, product_type.name, tuple(path))
    )
    filters = (
        _strings(filter_terms(brand.name, product_type.name, tuple(path), in_stock=False)),
        _strings(filter_terms(brand.name, product_type.name, tuple(path), in_stock=True)),
    )
    # Python's own hash() differs from run to run.
    draws = hashlib.blake2b(f"{product_type.name}|{brand.name}".encode()).digest()
    lines = []
    for number in range(LINES):
        series = product_type.series[(draws[0] + number * 5) % len(product_type.series)]
        letters = "".join(_CODE_LETTERS[draw % len(_CODE_LETTERS)] for draw in draws[2 + 2 * number : 4 + 2 * number])
        code, numbers = (
            ("", (100, 1, 900)),
            (letters[0], (100, 1, 900)),
            (f"{letters}-", (100, 5, 180)),
            ("", (1000, 10, 900)),
            (letters, (1000, 10, 900)),
        )[draws[1] % 5]
        prefix = f"{brand.name} {series} {code}"
        glued = code if code.isalpha() else ""
        lines.append(
            Line(
                kind=kind,
                prefix=prefix.encode(),
                codes=_codes(code),
                numbers=numbers,
                labels=labels,
                terms=term_values(prefix.removesuffix(glued)),
                labels_weighed=weighed,
                filters=filters,
            )
        )
    return lines


def _codes(code: str) -> tuple[tuple[bool, bytes], ...]:
    """Return the terms of a model number, as the analysis has them of ``code`` and some digits."""
    letters = code.rstrip("-").lower()
    whole, digits, apart = (False, letters.encode()), (False, b""), (True, _string(term_of(letters)))
    if len(letters) < 2:
        return (whole,)
    return (digits, whole) if code.endswith("-") else (whole, apart, digits)
