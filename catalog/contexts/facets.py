"""The filters beside the results: what can be chosen, what is chosen, and where each choice leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.contexts.formatting import currency_symbol, format_minor
from catalog.contexts.links import attribute_parameters, search_url
from catalog.money import minor_per_major, shop_currency
from catalog.representation import ProductJSON
from catalog.search.index_keys import category_key, slug
from catalog.search.request import SearchRequest, Sort
from catalog.services.products import CategoryJSON
from catalog.services.search import FacetJSON, FacetsJSON

_SORT_LABELS = {
    Sort.RELEVANCE: "Most relevant",
    Sort.PRICE_ASC: "Price: low to high",
    Sort.PRICE_DESC: "Price: high to low",
    Sort.RATING: "Best rated",
    Sort.NEWEST: "Newest",
    Sort.POPULARITY: "Most popular",
}


@dataclass(frozen=True, slots=True)
class FacetOption:
    """A value to narrow to. ``element_id`` keeps the keyboard's place when the list is replaced."""

    label: str
    count: str
    url: str
    selected: bool
    element_id: str


@dataclass(frozen=True, slots=True)
class Facet:
    """A group of values. ``ancestors`` lead back up where the values form a tree."""

    name: str
    title: str
    ancestors: tuple[FacetOption, ...]
    options: tuple[FacetOption, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter with the address that removes it."""

    label: str
    remove_url: str


@dataclass(frozen=True, slots=True)
class SortOption:
    """A way to sort."""

    value: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """Everything the filter column shows.

    Attributes:
        kept: parameters that the form does not show but must keep, as pairs of name and value.
        note: how the numbers beside the values are to be read; empty where they are exact.
    """

    category: Facet | None
    brand: Facet | None
    price: Facet | None
    rating: Facet | None
    attributes: tuple[Facet, ...]
    in_stock_count: str
    chips: tuple[Chip, ...]
    sorts: tuple[SortOption, ...]
    kept: tuple[tuple[str, str], ...]
    min_price: str
    max_price: str
    in_stock: bool
    currency: str
    clear_url: str
    note: str


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the way to a page; the last one has no address."""

    label: str
    url: str


def build_filters(
    request: SearchRequest,
    *,
    facets: FacetsJSON | None,
    products: Sequence[ProductJSON],
    top_categories: Sequence[CategoryJSON],
) -> Filters:
    """Prepare the filter column of a result page.

    Args:
        facets: values counted over the results; ``None`` where there are no results.
        products: the results shown, for the names of what is chosen.
        top_categories: offered while no category and no word narrows the results.
    """
    exact = facets is None or facets["exact"]
    names = category_names(request.category, products)
    return Filters(
        category=_unless_empty(_category_facet(request, facets, names, top_categories, exact=exact)),
        brand=_unless_empty(_brand_facet(request, facets, exact=exact)),
        price=_unless_empty(_price_facet(request, facets, exact=exact)),
        rating=_unless_empty(_rating_facet(request, facets, exact=exact)),
        attributes=_attribute_facets(request, facets, exact=exact),
        in_stock_count=_count(facets["in_stock"], exact) if facets is not None else "",
        chips=_chips(request, names, products),
        sorts=tuple(SortOption(sort.value, label, sort is request.sort) for sort, label in _SORT_LABELS.items()),
        kept=tuple(
            (name, value)
            for name, value in (
                ("q", request.query),
                ("category", request.category),
                ("brand", request.brand),
                ("min_rating", str(request.min_rating or "")),
                ("as_typed", "true" if request.as_typed else ""),
                ("explain", "true" if request.explain else ""),
                *attribute_parameters(request),
            )
            if value
        ),
        min_price=format_minor(request.min_price),
        max_price=format_minor(request.max_price),
        in_stock=request.in_stock,
        currency=currency_symbol(shop_currency()),
        clear_url=search_url(SearchRequest(query=request.query, sort=request.sort)),
        note="" if exact else "At least so many results each",
    )


def category_names(key: str, products: Sequence[ProductJSON]) -> tuple[str, ...]:
    """Return the names of the levels of a category key, as products spell them, else guessed from the key."""
    if not key:
        return ()
    depth = key.count("/") + 1
    for product in products:
        path = tuple(product["categoryPath"][:depth])
        if category_key(path) == key:
            return path
    return tuple(level.replace("-", " ").capitalize() for level in key.split("/"))


def breadcrumbs(path: Sequence[str], *, last_is_link: bool = False) -> tuple[Crumb, ...]:
    """Return the way from the home page to a category."""
    crumbs = [Crumb("Home", "/")]
    for depth, name in enumerate(path, start=1):
        is_last = depth == len(path) and not last_is_link
        crumbs.append(Crumb(name, "" if is_last else search_url(SearchRequest(category=category_key(path[:depth])))))
    return tuple(crumbs)


def _category_facet(
    request: SearchRequest,
    facets: FacetsJSON | None,
    names: Sequence[str],
    top_categories: Sequence[CategoryJSON],
    *,
    exact: bool,
) -> Facet:
    ancestors: list[FacetOption] = []
    if request.category:
        ancestors.append(_option("category", "All categories", "", search_url(request, category=""), "all"))
        keys = request.category.split("/")
        for depth, name in enumerate(names, start=1):
            key = "/".join(keys[:depth])
            is_chosen = depth == len(names)
            ancestors.append(_option("category", name, "", search_url(request, category=key), key, selected=is_chosen))
        values = [value for value in _values(facets, "category") if value["key"].startswith(f"{request.category}/")]
    elif request.query or request.has_filters:
        values = _values(facets, "category")
    else:
        values = [
            {"key": category["key"], "label": category["name"], "count": category["product_count"]}
            for category in top_categories
        ]
        exact = True
    options = (
        _option(
            "category", value["label"], _count(value["count"], exact), search_url(request, category=value["key"]),
            value["key"],
        )
        for value in values
    )  # fmt: skip
    return Facet("category", "Category", tuple(ancestors), tuple(options))


def _brand_facet(request: SearchRequest, facets: FacetsJSON | None, *, exact: bool) -> Facet:
    values = _values(facets, "brand")
    chosen = set(request.brands)
    known = {value["key"] for value in values}
    # What is chosen stays on the list even where nothing is left of it, or it could not be given up.
    values = [*values, *(FacetJSON(key=key, label=_spelt(key), count=0) for key in request.brands if key not in known)]
    ancestors = [_option("brand", "All brands", "", search_url(request, brand=""), "all")] if chosen else []
    options = (
        _option(
            "brand",
            value["label"],
            _count(value["count"], exact),
            search_url(request, brand=",".join(sorted(chosen ^ {value["key"]}))),
            value["key"],
            selected=value["key"] in chosen,
        )
        for value in values
    )
    return Facet("brand", "Brand", tuple(ancestors), tuple(options))


def _price_facet(request: SearchRequest, facets: FacetsJSON | None, *, exact: bool) -> Facet:
    ancestors = []
    if request.min_price is not None or request.max_price is not None:
        url = search_url(request, min_price=None, max_price=None)
        ancestors.append(_option("price", "Any price", "", url, "all"))
    options = []
    for value in facets["price"] if facets is not None else []:
        low, _, high = value["key"].partition("-")
        # The next band begins where this one ends, so this one ends a minor unit before.
        bounds = {
            "min_price": int(low) * minor_per_major() or None,
            "max_price": int(high) * minor_per_major() - 1 if high else None,
        }
        label = _price_label(currency_symbol(shop_currency()), low if low != "0" else "", high)
        selected = (request.min_price, request.max_price) == (bounds["min_price"], bounds["max_price"])
        url = search_url(request, **bounds)
        options.append(_option("price", label, _count(value["count"], exact), url, value["key"], selected=selected))
    return Facet("price", "Price", tuple(ancestors), tuple(options))


def _rating_facet(request: SearchRequest, facets: FacetsJSON | None, *, exact: bool) -> Facet:
    ancestors = []
    if request.min_rating:
        ancestors.append(_option("rating", "Any rating", "", search_url(request, min_rating=0), "all"))
    options = (
        _option(
            "rating",
            _stars(int(value["key"])),
            _count(value["count"], exact),
            search_url(request, min_rating=int(value["key"])),
            value["key"],
            selected=request.min_rating == int(value["key"]),
        )
        for value in (facets["rating"] if facets is not None else [])
    )
    return Facet("rating", "Rating", tuple(ancestors), tuple(options))


def _attribute_facets(request: SearchRequest, facets: FacetsJSON | None, *, exact: bool) -> tuple[Facet, ...]:
    chosen = {name: set(values) for name, values in request.attributes}
    counted = {facet["name"]: facet["values"] for facet in facets["attributes"]} if facets is not None else {}
    # What is chosen stays on the list even where nothing is left of it, or it could not be given up.
    found = []
    for name in dict.fromkeys((*chosen, *counted)):
        values = counted.get(name, [])
        known = {value["key"] for value in values}
        missing = sorted(chosen.get(name, set()) - known)
        values = [*values, *(FacetJSON(key=value, label=value, count=0) for value in missing)]
        facet = f"attr-{slug(name)}"
        ancestors = (
            [_option(facet, "Any", "", search_url(request.with_attribute(name, ())), "all")] if name in chosen else []
        )
        options = (
            _option(
                facet,
                _value_label(value["label"]),
                _count(value["count"], exact),
                search_url(request.with_attribute(name, chosen.get(name, set()) ^ {value["key"]})),
                slug(value["key"]),
                selected=value["key"] in chosen.get(name, set()),
            )
            for value in values
        )
        found.append(Facet(facet, _attribute_label(name), tuple(ancestors), tuple(options)))
    return tuple(found)


def _attribute_label(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _value_label(text: str) -> str:
    return {"true": "Yes", "false": "No"}.get(text, text)


def _stars(least: int) -> str:
    return f"{least} stars and more" if least > 1 else "1 star and more"


def _spelt(key: str) -> str:
    return key.replace("-", " ").title()


def _unless_empty(facet: Facet) -> Facet | None:
    return facet if facet.options or facet.ancestors else None


def _values(facets: FacetsJSON | None, name: str) -> list[FacetJSON]:
    if facets is None:
        return []
    return facets["brand"] if name == "brand" else facets["category"]


def _count(count: int, exact: bool) -> str:
    return f"{count:,}" if exact else f"{count:,}+"


def _option(facet: str, label: str, count: str, url: str, name: str, *, selected: bool = False) -> FacetOption:
    element_id = f"{facet}-{name.replace('/', '-')}"
    return FacetOption(label=label, count=count, url=url, selected=selected, element_id=element_id)


def _chips(request: SearchRequest, names: Sequence[str], products: Sequence[ProductJSON]) -> tuple[Chip, ...]:
    symbol = currency_symbol(shop_currency())
    low, high = format_minor(request.min_price), format_minor(request.max_price)
    chips: list[Chip] = []
    if request.category:
        chips.append(Chip(names[-1], search_url(request, category="")))
    labels = {slug(product["brand"]): product["brand"] for product in products}
    for brand in request.brands:
        others = ",".join(one for one in request.brands if one != brand)
        chips.append(Chip(labels.get(brand, _spelt(brand)), search_url(request, brand=others)))
    if low or high:
        chips.append(Chip(_price_label(symbol, low, high), search_url(request, min_price=None, max_price=None)))
    if request.min_rating:
        chips.append(Chip(_stars(request.min_rating), search_url(request, min_rating=0)))
    for name, values in request.attributes:
        for value in values:
            rest = request.with_attribute(name, set(values) - {value})
            chips.append(Chip(f"{_attribute_label(name)}: {_value_label(value)}", search_url(rest)))
    if request.in_stock:
        chips.append(Chip("In stock", search_url(request, in_stock=False)))
    return tuple(chips)


def _price_label(symbol: str, low: str, high: str) -> str:
    if low and high:
        return f"{symbol}{low} to {symbol}{high}"
    return f"From {symbol}{low}" if low else f"Up to {symbol}{high}"
