"""Products out of numbers: the same seed and number give the same bytes on every machine.

Each product has 64 random bytes. They decide, by position: 0 and 1 the type, 2 and 3 brand and model line, 4 the grade,
5 and 6 the model number, 7 what follows it, 8 the price and 9 its ending, 10 the stock, 12 to 15 the popularity, 16 and
17 the ratings, 18 to 21 the time of creation, 22 to 25 the description, 32 to 47 the attributes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from catalog.search.analysis import ANALYZER_VERSION, STOP_WORDS
from catalog.search.impacts import ATTRIBUTE, description_weight, level_of, name_weight
from catalog.search.index_keys import MAX_WORDS, packed_spans
from catalog.seeding.measures import Integers, packed_measures, random_bytes, shop_prices, stock_of
from catalog.seeding.pieces import Line, Pieces, ValuePieces, Words, objects, suffixes, term_values
from catalog.seeding.product_types import MAX_ATTRIBUTES, load_product_types

DEFAULT_SEED = 1
MAX_SEED = 2**63 - 1
_ATTRIBUTE_DRAWS = 32
"""Where the random bytes of the attributes begin."""
_SUFFIXES = objects(
    [
        *suffixes(("", 62), ("SE", 14), ("Lite", 14), ("Go", 10)),
        *suffixes(("", 74), ("S", 14), ("Plus", 12)),
        *suffixes(("", 66), ("Plus", 14), ("Pro", 14), ("X", 6)),
        *suffixes(("", 50), ("Pro", 22), ("Max", 12), ("Ultra", 9), ("Elite", 7)),
    ]
)
"""Endings of model names, in four tables for the four quarters of the grades."""
_MOST_TERMS = MAX_WORDS + 1
_ARRAYS = tuple(b"".join(b"\x02%d\0%%b" % index for index in range(size)) for size in range(_MOST_TERMS))
"""Arrays of strings by number of entries, to be filled."""
_BODY = (
    b"\x07_id\0%b\x02sku\0%b%b\0\x02name\0%b%b\0%b"  # from _id to product_type
    b"\x02description\0%b%b%b%b%b"  # to attributes
    b"%b%b%b\x04words\0%b%b\0\x10spans\0%b\x02impacts\0%b%b\0\x10analyzer\0%b%b"  # from image_url to order
)
_STOP_WORDS = frozenset(term_values(" ".join(STOP_WORDS)))
_ANALYZER = struct.Struct("<i").pack(ANALYZER_VERSION)
_length = struct.Struct("<i").pack
_Suffix = tuple[bytes, Words]
_Drawn = tuple[
    *tuple[bytes, bytes, Line, int, _Suffix, list[ValuePieces], list[bytes], list[int], int, bool],
    *tuple[bytes, bytes, bytes],
]
"""All that is drawn for a product: a plain tuple, because a million of them are made in a row."""


class ProductGenerator:
    """Makes the documents of a seeded catalogue, each from its number alone.

    A product depends on nothing but ``seed`` and its number, so a larger catalogue begins with the smaller one, and
    any process can make any part.
    """

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        if not 0 <= seed <= MAX_SEED:
            raise ValueError(f"a seed is a whole number from 0 to {MAX_SEED}")
        self._seed = seed
        self._pieces = _pieces()
        self._sku = b"SD%d-%%08d" % seed

    def sku(self, number: int) -> str:
        """Return the sku of product ``number``, which counts from 1."""
        return (self._sku % number).decode()

    def identifier(self, number: int) -> bytes:
        """Return the 12 bytes of the ``_id`` of product ``number``."""
        return hashlib.blake2b(self._sku % number, digest_size=12).digest()

    def documents(self, numbers: Iterable[int]) -> list[bytes]:
        """Return the products of ``numbers``, in no particular order.

        Each is in BSON, byte for byte as :func:`catalog.documents.to_document` would have it stored.
        """
        pieces = self._pieces
        column = np.fromiter(numbers, dtype=np.int64)
        draws = random_bytes(self._seed, column)
        kinds = pieces.kind_slots[draws[:, 0].astype(np.int64) << 4 | draws[:, 1] >> 4]
        lines = pieces.line_slots[kinds, draws[:, 2], draws[:, 3] & 3]
        # Products of one line made in a row find its pieces in the processor's cache.
        by_line = np.argsort(lines, kind="stable")
        column, draws, kinds, lines = column[by_line], draws[by_line], kinds[by_line], lines[by_line]
        skus = [self._sku % number for number in column.tolist()]
        identifiers = [hashlib.blake2b(sku, digest_size=12).digest() for sku in skus]

        grades = np.clip(draws[:, 4] + pieces.line_shifts[lines], 0, 255)
        values, prices = self._values(draws, kinds, lines, grades)
        stock = stock_of(draws[:, 10])
        measures = packed_measures(draws, identifiers, shop_prices(prices, draws[:, 9]), stock)
        first, step, count = pieces.line_numbers[lines].T
        model_numbers = first + ((draws[:, 5].astype(np.int64) << 8 | draws[:, 6]) * count >> 16) * step
        choices = draws[:, 22:25].astype(np.int64) * pieces.choices[kinds] >> 8
        drawn: Iterator[_Drawn] = zip(
            skus,
            identifiers,
            pieces.lines[lines].tolist(),
            model_numbers.tolist(),
            _SUFFIXES[(grades >> 6 << 8) + draws[:, 7]].tolist(),
            pieces.values[values].tolist(),
            pieces.elements[values].tolist(),
            choices.tolist(),
            draws[:, 25].tolist(),
            (stock > 0).tolist(),
            measures.numbers,
            measures.times,
            measures.order,
            strict=True,
        )
        return [_document(product) for product in drawn]

    def _values(
        self, draws: NDArray[np.uint8], kinds: Integers, lines: Integers, grades: Integers
    ) -> tuple[Integers, NDArray[np.float64]]:
        """Choose the attributes' values, and return them with the prices (minor units) that they add up to."""
        pieces = self._pieces
        share = pieces.grade_shares[kinds]
        slots = (
            grades[:, None] * share + draws[:, _ATTRIBUTE_DRAWS : _ATTRIBUTE_DRAWS + MAX_ATTRIBUTES] * (4 - share)
        ) >> 2
        values = pieces.value_slots[kinds[:, None], np.arange(MAX_ATTRIBUTES), slots]
        # From 0.88 to 1.12; as a float, because 230 and more would not fit into the byte that was drawn.
        prices = pieces.line_prices[lines] * (230 + (draws[:, 8] >> 2).astype(np.float64)) / 261
        # One factor after the other: a product over rows could be added up in another order on another processor.
        for place in range(MAX_ATTRIBUTES):
            prices *= pieces.value_factors[values[:, place]]
        return values, prices


@cache
def _pieces() -> Pieces:
    # The same for every seed and never changed, and putting them together takes half a second.
    return Pieces(load_product_types())


def _document(drawn: _Drawn) -> bytes:
    sku, identifier, line, model_number, suffix, values, elements, choices, variety, in_stock, numbers, times, order = (
        drawn
    )
    kind = line.kind
    digits = b"%d" % model_number
    model = line.prefix + digits + suffix[0]
    model_terms = [*line.terms, *_code_terms(line, digits), *suffix[1]]
    terms = [*model_terms, *kind.title_terms[0]]
    in_title = [values[place] for place in kind.title_values]
    for value, after in zip(in_title, kind.title_terms[1:], strict=True):
        terms += value.terms
        terms += after
    name = model + kind.title % tuple([value.text for value in in_title])

    opening, told, closing = choices
    begin, end = kind.openings[opening], kind.closings[closing]
    told_sentences = [said[variety % len(said)] for said in [values[place].sentences for place in kind.told[told]]]
    texts = [begin.text % model, *[sentence.text for sentence in told_sentences], end.text]
    description = b" ".join(texts).rstrip()

    words = dict.fromkeys(terms, 0)
    weight_of = words.get
    after_name = len(words)
    for term, weight in line.labels_weighed:
        words[term] = weight_of(term, 0) + weight
    listed = (*words, *line.filters[in_stock])
    after_labels = len(words)
    for value in values:
        for term in value.words:
            words[term] = weight_of(term, 0) + ATTRIBUTE
    after_attributes = len(words)
    # The opening names the model, whose words stand at the beginning of the name.
    in_model = [term for term in model_terms if term not in _STOP_WORDS]
    told_words = [*begin.words, *in_model]
    for sentence in told_sentences:
        told_words += sentence.words
    told_words += end.words
    weight = description_weight(len(told_words))
    for term in told_words:
        words[term] = weight_of(term, 0) + weight
    weight = name_weight(len(terms))
    for term in terms:
        words[term] += weight
    impacts = "".join(map(level_of, words.values())).encode()
    attributes = b"".join(elements)
    term_array, word_array = _ARRAYS[len(listed)] % listed, _ARRAYS[len(words)] % (*words,)
    body = _BODY % (
        *(identifier, _length(len(sku) + 1), sku, _length(len(name) + 1), name, line.labels),
        *(_length(len(description) + 1), description, numbers, _length(len(attributes) + 5), attributes),
        *(times, _length(len(term_array) + 5), term_array + b"\0", _length(len(word_array) + 5), word_array),
        *(_length(packed_spans(after_name, after_labels, after_attributes)), _length(len(impacts) + 1), impacts),
        *(_ANALYZER, order),
    )
    return _length(len(body) + 4) + body


def _code_terms(line: Line, digits: bytes) -> list[bytes]:
    return [
        piece if is_whole else _length(len(piece) + len(digits) + 1) + piece + digits + b"\0"
        for is_whole, piece in line.codes
    ]
