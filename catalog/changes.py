"""What has to follow when products change, whoever changed them: the one place that tells the caches.

An entry of a product goes at once. Pages of results and lists turn stale by the tags that they carry: the categories of
what they show, so that a change in one corner of the shop leaves the others warm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

from django.dispatch import Signal

from cachelayer.engine import invalidate, invalidate_everything
from catalog.search.index_keys import category_key

ANY_PRODUCT = "products"
"""Carried by what any change may concern: lists over the whole catalogue, and searches that found nothing."""
CATEGORY_TREE = "categories"
"""Carried by lists of categories."""
CURATIONS_TAG = "curations"
"""Moved on by every change of pins and hides; what a process keeps of them is old then."""
RECENT_TAG = "products:recent"
"""Moved on by every change that search looks for beside its numbered lists."""
SYNONYMS_TAG = "synonyms"
"""Moved on by every change of synonyms."""
UNPLACED = "products:unplaced"
"""Carried by every search: moved on by changes of products whose category is not known, such as deleted ones."""

_BUCKETS = 4096
"""Words share this many tags, so that every process keeps few generations, however large the vocabulary."""
_BEGINNINGS = 1024
_CURATION_BUCKETS = 1024
_SEARCHED = ("terms", "words")

products_changed = Signal()
"""Sent after the caches were told, with ``product_ids``: what other apps keep about these products is old."""


def product_cache_key(product_id: str) -> str:
    """Return the key under which a product is cached."""
    return f"product:{product_id}"


def category_tag(path: Sequence[str]) -> str:
    """Return the tag of everything that shows products of this very category."""
    return f"category:{category_key(path)}"


def tags_of_change(category_path: Sequence[str]) -> set[str]:
    """Return the tags that a change of a product in this category moves on: its own and those of all levels above."""
    return {category_tag(category_path[:depth]) for depth in range(1, len(category_path) + 1)}


def search_tags(words: Iterable[str], *, narrowed: bool) -> set[str]:
    """Return the tags of a search for these words: it is old once a product has gained or lost one of them.

    Args:
        words: as the analyzer gives them, and brands as terms.
        narrowed: whether prices or stock decide what is found or in which order, so that they count as well.
    """
    buckets = _buckets(words)
    return {f"words:{each}" for each in buckets} | ({f"narrowed:{each}" for each in buckets} if narrowed else set())


def beginning_tags(words: Iterable[str]) -> set[str]:
    """Return the tags of suggestions for these words or beginnings, old once a product has gained or lost one."""
    return {f"begins:{crc32(word[:2].encode()) % _BEGINNINGS}" for word in words}


def tags_of_beginnings(words: Iterable[str]) -> set[str]:
    """Return the tags of all suggestions that words may enter or leave, also those for a single letter."""
    plain = [word.removeprefix("brand:") for word in words]
    return beginning_tags(word[:length] for word in plain if ":" not in word for length in (1, 2))


def tags_of_difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> set[str]:
    """Return the tags of searches that a product may have entered or left.

    Args:
        before: the stored document, ``None`` where there was none.
        after: the document that took its place.
    """
    words = _words(after)
    different = words ^ _words(before or {})
    moved = search_tags(different, narrowed=True) | tags_of_beginnings(different)
    if before is not None and before.get("order") == after.get("order"):
        return moved
    return moved | tags_of_repricing(after)


def tags_of_repricing(document: Mapping[str, Any]) -> set[str]:
    """Return the tags of searches that a product may have entered or left by its ``order`` alone."""
    return {f"narrowed:{each}" for each in _buckets(_words(document))}


def _words(document: Mapping[str, Any]) -> set[str]:
    return {word for field in _SEARCHED for word in document.get(field) or ()}


def _buckets(words: Iterable[str]) -> set[int]:
    # Whether something is in stock is no word, and is held by half of all products; categories have tags of their own.
    return {crc32(word.encode()) % _BUCKETS for word in words if ":" not in word or word.startswith("brand:")}


def announce_changes(
    product_ids: Sequence[str],
    category_paths: Iterable[Sequence[str]],
    *,
    unplaced: bool,
    searches: Iterable[str] = (),
) -> bool:
    """Tell all caches that products were created, changed or deleted; return whether Redis heard it.

    Args:
        product_ids: the products.
        category_paths: the categories that they are in now, and those that they were in before.
        unplaced: whether the categories of some of them are not known.
        searches: tags of searches that they may have entered, of :func:`tags_of_difference`.
    """
    tags = {ANY_PRODUCT, *searches} | {tag for path in category_paths for tag in tags_of_change(path)}
    if unplaced:
        tags.add(UNPLACED)
    told = invalidate(*(product_cache_key(product_id) for product_id in product_ids), tags=sorted(tags))
    products_changed.send(sender=None, product_ids=list(product_ids))
    return told


def curation_tag(key: str) -> str:
    """Return the tag of searches that pins and hides under ``key`` decide about."""
    return f"curation:{crc32(key.encode()) % _CURATION_BUCKETS}"


def announce_curation(key: str) -> bool:
    """Tell all caches that pins and hides of a query have changed; return whether Redis heard it."""
    return invalidate(tags=(CURATIONS_TAG, curation_tag(key)))


def announce_synonyms(words: Iterable[str]) -> bool:
    """Tell all caches that words mean others, or no longer do; return whether Redis heard it."""
    return invalidate(tags=sorted({SYNONYMS_TAG, *search_tags(words, narrowed=False)}))


def announce_category_tree() -> bool:
    """Tell all caches that categories were counted anew; return whether Redis heard it."""
    return invalidate(tags=(CATEGORY_TREE,))


def announce_unknown_changes() -> bool:
    """Tell all caches that products may have changed that nobody can name; return whether Redis heard it."""
    return invalidate_everything()
