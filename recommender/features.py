"""What the model sees of a product: one line of tokens, made by the same function for training and for serving.

A token is ``<field>:<content>`` without white space. Words of all texts share the field ``w``, so that a word in a
name meets the same word in a description; everything that stands for one fact (type, category, brand, attribute)
has a field of its own. :data:`FIELD_WEIGHTS` says how much a field counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from catalog.products import AttributeValue, Product
from catalog.search.analysis import term_of, tokens
from catalog.search.index_keys import category_key, slug

NEARLY_SAME = 0.9
"""Cosine from which two products count as one in two versions, such as another colour or size."""
FEATURES_VERSION = 1
"""Changes whenever the same product yields other tokens; a model of another version cannot place new products."""

FIELD_WEIGHTS = {"t": 2.0, "c": 1.2, "b": 0.5, "a": 0.8, "k": 0.5, "w": 1.0, "v": 0.3}
"""Weight by field: type, category, brand, attribute with value, attribute that is there at all, word, colour.

Colours count little, so that a product in another colour is nearly the same product.
"""
_NAME_REPEATS = 3
_MAX_ATTRIBUTES = 60
_MAX_DESCRIPTION = 600
"""Characters of a description that are read: a text tells what it is about at its beginning."""
_LONG_VALUE = 40
"""An attribute's text of more characters is prose: its words count, not the text as a whole."""
_LONG_LABEL = 60
_STOPWORDS = frozenset(
    (
        *("a", "an", "and", "any", "all", "also", "are", "as", "at", "be", "by", "can", "for", "from", "has", "have"),
        *("in", "into", "is", "it", "its", "more", "no", "not", "of", "on", "one", "or", "our", "per", "that", "the"),
        *("their", "this", "to", "up", "with", "you", "your"),
    )
)
_COLOURS = frozenset(
    term_of(name)
    for name in (
        *("black", "white", "red", "blue", "green", "yellow", "orange", "pink", "purple", "brown", "grey", "gray"),
        *("silver", "gold", "beige", "cyan", "magenta", "turquoise", "violet", "graphite", "anthracite", "ivory"),
        *("cream", "bronze", "copper", "navy", "mint", "titanium", "charcoal", "burgundy", "lavender", "multicolour"),
    )
)
_COLOUR_NAME = re.compile(r"colou?r(s|\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Feature:
    """A token with the words that tell it to people; ``label`` is empty where it would tell them nothing."""

    token: str
    label: str


def product_features(product: Product) -> Iterator[Feature]:
    """Yield the features of a product; a token that comes several times counts more, though less than so many times."""
    yield from _kind(product.product_type, product.category_path, product.brand)
    brand_words = {feature.token for feature in _short(product.brand)}
    for feature in _words(product.name):
        # The brand has a field of its own; repeated in names it would outweigh what the thing is.
        if feature.token not in brand_words:
            for _ in range(_NAME_REPEATS):
                yield feature
    for name, value in list(product.attributes.items())[:_MAX_ATTRIBUTES]:
        # True and 1 are the same key to a cache, so the type is part of it.
        yield from _attribute(name, value, type(value).__name__)
    for feature in _words(product.description[:_MAX_DESCRIPTION]):
        yield Feature(feature.token, "")


def _words(text: str) -> Iterator[Feature]:
    for token in tokens(text):
        if token.term not in _STOPWORDS and (len(token.term) > 1 or token.term.isdigit()):
            word = text[token.start : token.end]
            if token.term in _COLOURS:
                yield Feature(f"v:{token.term}", "")
            else:
                yield Feature(f"w:{token.term}", f"“{word}”" if len(word) > 2 else "")


@lru_cache(maxsize=20_000)
def _short(text: str) -> tuple[Feature, ...]:
    """Return the words of a text that many products share, which are told otherwise than as words."""
    return tuple(Feature(feature.token, "") for feature in _words(text))


@lru_cache(maxsize=20_000)
def _kind(product_type: str, category_path: tuple[str, ...], brand: str) -> tuple[Feature, ...]:
    found = [Feature(f"c:{category_key(category_path[:depth])}", "") for depth in range(1, len(category_path) + 1)]
    if product_type:
        found.append(Feature(f"t:{slug(product_type)}", ""))
    if brand:
        found.append(Feature(f"b:{slug(brand)}", ""))
    return (*found, *_short(product_type), *_short(" ".join(category_path)))


@lru_cache(maxsize=100_000)
def _attribute(name: str, value: AttributeValue, kind: str) -> tuple[Feature, ...]:
    del kind
    key = slug(name)
    there = Feature(f"k:{key}", "")
    spoken = " ".join(name.replace("_", " ").split())
    spoken = spoken if any(char.isupper() for char in spoken[1:]) else spoken.lower()
    if isinstance(value, bool):
        # What a product lacks says little about it, and nothing that one would recommend it for.
        return (there, Feature(f"a:{key}=yes", spoken)) if value else (there,)
    if isinstance(value, int | float):
        return there, Feature(f"a:{key}={_rounded(value):g}", _counted(spoken, _rounded(value)))
    if len(value) > _LONG_VALUE:
        return there, *_short(value)
    if not value.strip():
        return (there,)
    if _COLOUR_NAME.search(spoken) and len(value) <= _LONG_LABEL:
        return there, Feature(f"v:{key}={slug(value)}", _told(spoken, value.strip()))
    return there, Feature(f"a:{key}={slug(value)}", _told(spoken, value.strip())), *_short(value)


def _told(name: str, value: str) -> str:
    """Return a fact in words: ``hot-swap switches``, but ``Flatbed scanner`` where the name would only repeat it."""
    said = set(value.casefold().split())
    label = value if said & set(name.casefold().split()) else f"{value} {name}"
    return label if len(label) <= _LONG_LABEL else ""


def _counted(name: str, value: float) -> str:
    """Return a number in words: ``8 ports``, but ``cable length 7``."""
    return f"{value:g} {name}" if name.endswith("s") and " " not in name else f"{name} {value:g}"


def _rounded(value: float) -> float:
    """Round to two significant digits, so that 15.6 and 15.4 inches are about the same size."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, 1 - math.floor(math.log10(abs(value))))
