"""Similar products for a product: looked up, never computed, where the model knows the product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

from cachelayer.engine import Cached, Loaded
from cachelayer.outcomes import Outcome
from cachelayer.trace import span
from catalog import repository as products
from catalog.changes import ANY_PRODUCT, UNPLACED, category_tag
from catalog.errors import CatalogUnavailable, ProductNotFound
from catalog.products import Product, is_product_id
from catalog.representation import ProductJSON, product_json
from catalog.search.index_keys import category_key
from recommender import repository
from recommender.caching import LONG, NO_MODEL, SHORT, active_version, cached_list
from recommender.placing import Placed, place_product
from recommender.reasons import Reasons, shared_labels
from recommender.repository import Neighbours

FALLBACK = "CATEGORY_FALLBACK"
ML_ENGINE = "ML_ENGINE"
_SPARE = 4
"""Neighbours cached beyond those that are shown, to take the place of what sells out meanwhile."""


class SimilarJSON(ProductJSON):
    """A product that resembles another; ``score`` is ``None`` where no model compared them."""

    score: float | None
    reason: str


class SimilarListJSON(TypedDict):
    """Similar products, best first, as cached.

    ``origin`` is the source of the answer when no cache held it. ``model`` is the version of the model, or empty.
    ``placed`` tells that the product is newer than the model, which compared it only when it was asked for.
    """

    origin: str
    model: str
    placed: bool
    data: list[SimilarJSON]


@dataclass(frozen=True, slots=True)
class Similar:
    """Similar products that can be bought now.

    Attributes:
        source: as in the API's envelope.
        origin: who made the list, whatever cache it came from.
        placed: whether the product is newer than the model.
        model: the version of the model, or empty.
    """

    outcome: Outcome
    source: str
    origin: str
    placed: bool
    model: str
    rows: tuple[SimilarJSON, ...]


def similar_products(*, product_id: str, limit: int = SHORT) -> Similar:
    """Return products like the given one, best first, none of them sold out, inactive or the product itself.

    Lists are cached, availability is not: it is asked for in one query each time. While MongoDB is away a cached
    list is given as it is.

    Args:
        product_id: whose neighbours are asked for.
        limit: the largest number to return, up to :data:`~recommender.caching.LONG`.

    Raises:
        ProductNotFound: there is no active product of this id.
        CatalogUnavailable: the list is not cached and MongoDB does not answer.
    """
    if not is_product_id(product_id):
        raise ProductNotFound(product_id[:40])
    version = active_version()
    size = SHORT if limit <= SHORT else LONG
    answer = cached_list(version, product_id, size, lambda: _tagged(_load(version, product_id, size + _SPARE)))
    return _available(answer, product_id, limit)


def _tagged(value: SimilarListJSON) -> Loaded:
    """Name what a list depends on: the categories of what it shows, in which a name or a price may change."""
    # Most of them are in the same few categories.
    tags = {UNPLACED, *map(category_tag, {tuple(row["categoryPath"]) for row in value["data"]})}
    if not value["data"]:
        tags.add(ANY_PRODUCT)
    return Loaded(value, tuple(sorted(tags)))


def _available(answer: Cached, product_id: str, limit: int) -> Similar:
    value = cast(SimilarListJSON, answer.value)
    rows: Sequence[SimilarJSON] = value["data"]
    if answer.outcome.is_hit:
        rows = _still_available(rows, product_id)
    return Similar(
        outcome=answer.outcome,
        source=answer.source,
        origin=value["origin"],
        placed=value["placed"],
        model=value["model"],
        rows=tuple(rows[:limit]),
    )


def _still_available(rows: Sequence[SimilarJSON], product_id: str) -> list[SimilarJSON]:
    try:
        with span("availability"):
            stock = products.stock_of([product_id, *(row["_id"] for row in rows)])
    except CatalogUnavailable:
        return list(rows)
    if product_id not in stock:
        raise ProductNotFound(product_id[:40])
    # A copy, because the cached value is shared between threads.
    return [cast(SimilarJSON, {**row, "stock": stock[row["_id"]]}) for row in rows if stock.get(row["_id"], 0) > 0]


def _load(version: str, product_id: str, most: int) -> SimilarListJSON:
    neighbours = None if version == NO_MODEL else repository.find_neighbours(version, product_id, most=most)
    if neighbours is not None and neighbours.ids:
        item, rows = _stored(product_id, neighbours)
        if rows:
            return SimilarListJSON(origin=ML_ENGINE, model=version, placed=False, data=rows)
        return _fallback(item, most)
    item = products.get_product(product_id)
    if neighbours is None and version != NO_MODEL:
        rows = _placed(version, item, most)
        if rows:
            return SimilarListJSON(origin=ML_ENGINE, model=version, placed=True, data=rows)
    return _fallback(item, most)


def _stored(product_id: str, neighbours: Neighbours) -> tuple[Product, list[SimilarJSON]]:
    """Return the product and what the model found for it."""
    found = neighbours.products
    item = found.get(product_id)
    if item is None:
        raise ProductNotFound(product_id[:40])
    reasons = Reasons(item)
    rows = [
        _described(
            found[identifier],
            score=score,
            reason=reasons.of(found[identifier], score=score, shared=shared_labels(neighbours.features, mask)),
        )
        for identifier, score, mask in zip(neighbours.ids, neighbours.scores, neighbours.shared, strict=True)
        if identifier in found and found[identifier].in_stock
    ]
    return item, rows


def _fallback(item: Product, most: int) -> SimilarListJSON:
    return SimilarListJSON(origin=FALLBACK, model="", placed=False, data=_of_same_category(item, most))


def _placed(version: str, item: Product, most: int) -> list[SimilarJSON]:
    entries: list[Placed] = place_product(version, item, limit=most)
    reasons = Reasons(item)
    return [
        _described(
            entry.product,
            score=entry.score,
            reason=reasons.of(entry.product, score=entry.score, shared=entry.shared),
        )
        for entry in entries
    ]


def _of_same_category(item: Product, most: int) -> list[SimilarJSON]:
    neighbours: dict[str, SimilarJSON] = {}
    # The leaf alone may be small: what it lacks comes from the categories above it, nearest first.
    for depth in range(len(item.category_path), 0, -1):
        path = item.category_path[:depth]
        for candidate in products.list_products(order="popularity", limit=most + 1, category=category_key(path)):
            if candidate.id != item.id:
                reason = f"Popular in {path[-1]}"
                neighbours.setdefault(candidate.id, _described(candidate, score=None, reason=reason))
        if len(neighbours) >= most:
            break
    return list(neighbours.values())[:most]


def _described(product: Product, *, score: float | None, reason: str) -> SimilarJSON:
    return SimilarJSON(**product_json(product), score=score, reason=reason)
