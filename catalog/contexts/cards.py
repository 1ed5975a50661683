"""A product as a card in a grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

from catalog.contexts.formatting import format_price, highlighted, plural
from catalog.representation import ProductJSON, drawn_picture_path

_FEW = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a product.

    Attributes:
        src: what to show.
        fallback: the drawn picture, for when ``src`` cannot be loaded; empty where ``src`` is drawn itself.
        alt: what it shows, in words.
    """

    src: str
    fallback: str
    alt: str


@dataclass(frozen=True, slots=True)
class StockState:
    """Whether a product can be had; ``level`` (``in``, ``low``, ``out``) names the look."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Rating:
    """A mean rating.

    Attributes:
        value: such as ``4.3``.
        half_stars: 0 to 10, for the picture of it.
        count: number of ratings, such as ``1,203``.
        spoken: the whole in words.
    """

    value: str
    half_stars: int
    count: str
    spoken: str


@dataclass(frozen=True, slots=True)
class ProductCard:
    """A product in a grid."""

    id: str
    url: str
    name: str
    name_html: SafeString
    brand: str
    picture: Picture
    price: str
    stock: StockState
    rating: Rating | None
    reason: str
    why: tuple[str, ...] = ()


def product_card(product: ProductJSON, *, highlight: Collection[str] = ()) -> ProductCard:
    """Prepare a product for a grid.

    Args:
        product: as it is cached and sent; a ``reason`` in it (why it was recommended) is shown.
        highlight: terms of the query, to mark in the name.
    """
    extras = cast(Mapping[str, Any], product)
    return ProductCard(
        id=product["_id"],
        url=reverse("catalog:product", args=[product["_id"]]),
        name=product["name"],
        name_html=highlighted(product["name"], highlight),
        brand=product["brand"],
        picture=picture_of(product),
        price=format_price(product["price"], product["currency"]),
        stock=stock_state(product["stock"]),
        rating=rating_of(product["rating"], product["ratingCount"]),
        reason=str(extras.get("reason") or ""),
        why=_why(extras["why"]) if "why" in extras else (),
    )


_BY = {
    "typed": "",
    "corrected": ", with the spelling corrected",
    "completed": ", which begins with what was typed",
    "synonym": ", which means the same",
}


def _why(why: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the reasons for a result's place in words, each with its points."""
    lines = ["pinned by the shop"] if why.get("pinned") else []
    for word in why["words"]:
        if word["field"] is None:
            lines.append(f"“{word['word']}” is missing")
            continue
        lines.append(f"“{word['word']}” in its {word['field']}{_BY[word['by']]}: {word['points']:.1f}")
    lines += [f"{name}: {points:+.1f}" for name, points in why["parts"].items() if name != "words" and round(points, 1)]
    return (*lines, f"score: {why['score']:.1f}") if why["words"] else tuple(lines)


def picture_of(product: ProductJSON) -> Picture:
    """Choose a picture: the product's own if its host is allowed, else the drawn one."""
    kind = product["productType"] or product["category"]
    drawn = drawn_picture_path(kind=kind, brand=product["brand"])
    own = product["imageUrl"]
    if own.startswith("/") or not _host_is_allowed(own):
        return Picture(src=drawn, fallback="", alt=f"Drawing of a {kind.lower()}")
    return Picture(src=own, fallback=drawn, alt=product["name"])


def _host_is_allowed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    named = f"{host}:{port}" if port else host
    for allowed in settings.IMAGE_HOSTS:
        if allowed in ("*", named) or (allowed.startswith(".") and named.endswith(allowed)):
            return bool(host)
    return False


def stock_state(stock: int) -> StockState:
    """Return what to tell about a number of pieces on hand."""
    if stock <= 0:
        return StockState("out", "Out of stock")
    if stock <= _FEW:
        return StockState("low", f"Only {stock} left")
    return StockState("in", "In stock")


def rating_of(mean: float, count: int) -> Rating | None:
    """Return a rating to show, or ``None`` where nobody has rated."""
    if count <= 0:
        return None
    return Rating(
        value=f"{mean:.1f}",
        half_stars=max(0, min(10, round(mean * 2))),
        count=f"{count:,}",
        spoken=f"Rated {mean:.1f} out of 5 by {plural(count, 'customer', 'customers')}",
    )
