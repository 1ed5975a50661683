"""The pages on which staff pins products to queries and hides them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse

from catalog.contexts.facets import Crumb
from catalog.contexts.formatting import format_price, plural
from catalog.contexts.links import query_url
from catalog.contexts.searches import pin_url
from catalog.contexts.staff import staff_crumbs
from catalog.contexts.synonyms import moment
from catalog.curations import MAX_HIDES, MAX_PINS, Curation
from catalog.products import Product
from catalog.representation import product_json
from catalog.services.found import Page
from catalog.staff_log import StaffChange

PREVIEWED = 10


@dataclass(frozen=True, slots=True)
class PinnedQuery:
    """A query with pins or hides, in the list of them."""

    query: str
    decided: str
    changed: str
    url: str


@dataclass(frozen=True, slots=True)
class ChosenProduct:
    """A product that is pinned, hidden, or may be.

    Attributes:
        note: why shoppers do not see it, or empty.
        is_first: whether nothing comes before it in its list.
        is_last: whether nothing follows.
    """

    id: str
    name: str
    detail: str
    note: str = ""
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A result in a preview; ``mark`` says what the shop has decided about it, or is empty."""

    id: str
    name: str
    detail: str
    mark: str
    can_be_chosen: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """The first results before or after."""

    rows: tuple[PreviewRow, ...]
    total: str


@dataclass(frozen=True, slots=True)
class Material:
    """What the form is made of.

    Attributes:
        products: those that are pinned or hidden, by id.
        history: who has changed it, the last change first.
        words: what was looked for, to find products to choose from.
        offered: what was found for that; ``None`` where nothing was looked for.
        pages: the first page before and after; ``None`` where they cannot be found at present.
    """

    products: Mapping[str, Product]
    history: Sequence[StaffChange] = ()
    words: str = ""
    offered: Sequence[Product] | None = None
    pages: tuple[Page, Page] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What is told about the last button.

    Attributes:
        status: what it has done, for those who hear the page.
        focus: id of the element at which the keyboard goes on.
        problem: why nothing was done, or empty.
        notice: what went wrong with the whole, or empty.
    """

    status: str = ""
    focus: str = ""
    problem: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class PinForm:
    """Everything the form of a query's pins and hides shows.

    Attributes:
        version: the version that was read; 0 where nothing is stored.
        offered: products to choose from; ``None`` where nothing was looked for.
        history: who has changed it, the last change first.
    """

    query: str
    version: int
    pins: tuple[ChosenProduct, ...]
    hides: tuple[ChosenProduct, ...]
    words: str
    offered: tuple[ChosenProduct, ...] | None
    before: Preview | None
    after: Preview | None
    is_changed: bool
    told: Told
    history: tuple[str, ...]
    url: str
    shop_url: str
    crumbs: tuple[Crumb, ...]
    most_pins: int = MAX_PINS
    most_hides: int = MAX_HIDES


def build_pinned_queries(found: Sequence[Curation]) -> tuple[PinnedQuery, ...]:
    """Prepare the list of queries that staff has decided about."""
    return tuple(
        PinnedQuery(each.query, _numbers(each), moment(each.updated_at, each.updated_by), pin_url(each.query))
        for each in found
    )


def build_pin_form(draft: Curation, stored: Curation, material: Material, told: Told) -> PinForm:
    """Prepare the form.

    Args:
        draft: what is in the form.
        stored: what is stored.
    """
    pages, offered = material.pages, material.offered
    return PinForm(
        query=stored.query,
        version=draft.version,
        pins=_chosen(draft.pins, material.products),
        hides=_chosen(draft.hides, material.products),
        words=material.words,
        offered=None if offered is None else tuple(_of(each) for each in offered),
        before=_preview(pages[0], stored) if pages else None,
        after=_preview(pages[1], draft) if pages else None,
        is_changed=(draft.pins, draft.hides) != (stored.pins, stored.hides),
        told=told,
        history=tuple(f"{moment(each.at, each.by)}: {_log_line(each)}" for each in material.history),
        url=pin_url(stored.query),
        shop_url=query_url(stored.query),
        crumbs=staff_crumbs(("Pins and hides", reverse("staff:pins")), (f"“{stored.query}”", "")),
    )


def _numbers(curation: Curation) -> str:
    return f"{len(curation.pins)} pinned, {len(curation.hides)} hidden"


def _log_line(change: StaffChange) -> str:
    if not change.after:
        return "all pins and hides removed"
    return f"{len(change.after['pins'])} pinned, {len(change.after['hides'])} hidden"


def _chosen(identifiers: Sequence[str], products: Mapping[str, Product]) -> tuple[ChosenProduct, ...]:
    last = len(identifiers) - 1
    found = []
    for place, identifier in enumerate(identifiers):
        product = products.get(identifier)
        if product is None:
            gone = ChosenProduct(identifier, "Product that is gone", identifier, "no longer in the catalogue")
            found.append(gone)
            continue
        note = "" if product.active else "out of the shop, so not shown"
        known = _of(product)
        found.append(ChosenProduct(known.id, known.name, known.detail, note, place == 0, place == last))
    return tuple(found)


def _of(product: Product) -> ChosenProduct:
    return ChosenProduct(product.id, product.name, _detail(product))


def _detail(product: Product) -> str:
    shown = product_json(product)
    stock = f"{product.stock:,} in stock" if product.stock else "sold out"
    return f"{product.sku}, {format_price(shown['price'], shown['currency'])}, {stock}"


def _preview(page: Page, curation: Curation) -> Preview:
    chosen = {*curation.pins, *curation.hides}
    return Preview(
        rows=tuple(
            PreviewRow(
                id=result.product.id,
                name=result.product.name,
                detail=_detail(result.product),
                mark="pinned" if result.pinned else "",
                can_be_chosen=result.product.id not in chosen,
            )
            for result in page.results[:PREVIEWED]
        ),
        total=plural(page.total, "product", "products") if page.exact else f"{page.total:,}+ products",
    )
