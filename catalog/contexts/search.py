"""The result page and its fragments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cachelayer.engine import Cached
from cachelayer.web.presentation import Provenance, provenance_of
from catalog.contexts.cards import ProductCard, product_card
from catalog.contexts.facets import Crumb, Filters, breadcrumbs, category_names
from catalog.contexts.formatting import plural
from catalog.contexts.home import CategoryTile
from catalog.contexts.links import found_product_url, next_page_url, query_url, search_url
from catalog.representation import ProductJSON
from catalog.search.analysis import MAX_QUERY_UNITS, terms, words_beyond
from catalog.search.request import SearchRequest, Sort
from catalog.services.search import SearchJSON

_SHORTEST_TELLING_WORD = 3
_MAX_BROADER = 3


@dataclass(frozen=True, slots=True)
class NothingFound:
    """What to offer where nothing was found."""

    explanation: str
    broader: tuple[tuple[str, str], ...]
    categories: tuple[CategoryTile, ...]
    popular: tuple[ProductCard, ...]


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Everything a page of results shows.

    Attributes:
        title: for the browser's tab.
        heading: what these results are.
        query: the words searched for; empty while browsing.
        total: such as ``1,203 products`` or ``10,000+ products``.
        status: what a screen reader is told after an update.
        next_url: where the results go on; empty at their end.
        first_page_url: set where this is not the first page.
        corrected: a spelling that was searched instead; empty where there is none.
        as_typed_url: searches for what was typed all the same.
        dropped: words that were left out.
        dropped_because: why they were.
        related_from: number of cards before those that have only some of the words; -1 where all have all.
        explain_url: shows or hides why each result is where it is; empty where nothing is ranked.
    """

    title: str
    heading: str
    query: str
    crumbs: tuple[Crumb, ...]
    total: str
    status: str
    cards: tuple[ProductCard, ...]
    next_url: str
    next_label: str
    first_page_url: str
    corrected: str
    as_typed_url: str
    dropped: tuple[str, ...]
    dropped_because: str
    related_from: int
    explain_url: str
    explained: bool
    partial: bool
    filters: Filters
    provenance: Provenance
    nothing: NothingFound | None


def build_result_page(
    request: SearchRequest,
    answer: Cached,
    *,
    filters: Filters,
    nothing: NothingFound | None = None,
    shown_before: int = 0,
) -> ResultPage:
    """Prepare a page of results.

    Args:
        shown_before: how many products the pages before this one had.
    """
    found: SearchJSON = answer.value
    words = terms(found["corrected_query"] or request.query)
    names = category_names(request.category, found["data"])
    total = total_text(found)
    is_first = request.after is None
    return ResultPage(
        title=_title(request, names),
        heading=_heading(request, names, found),
        query=request.query,
        crumbs=breadcrumbs(names) if names else (),
        total=total,
        status=_status(found, total, is_first=is_first),
        cards=tuple(
            _card(request, product, words, place) for place, product in enumerate(found["data"], start=shown_before + 1)
        ),
        next_url=next_page_url(request, found["next"], shown=shown_before + found["count"]) if found["next"] else "",
        next_label="Show more products",
        first_page_url="" if is_first else search_url(request),
        corrected=found["corrected_query"] or "",
        as_typed_url=search_url(request, as_typed=True) if found["corrected_query"] else "",
        dropped=tuple(found["dropped_words"]) if found["data"] else (),
        dropped_because=_dropped_because(request, found),
        related_from=found["matching_all"] if found["matching_all"] < found["count"] else -1,
        explain_url=search_url(request, explain=not request.explain) if _is_ranked(request) else "",
        explained=request.explain,
        partial=not found["complete"],
        filters=filters,
        provenance=provenance_of(answer, key=request.cache_key()),
        nothing=nothing,
    )


def _card(request: SearchRequest, product: ProductJSON, words: Sequence[str], place: int) -> ProductCard:
    card = product_card(product, highlight=words)
    return replace(card, url=found_product_url(card.url, request, place=place))


def build_nothing_found(
    request: SearchRequest, *, categories: Sequence[CategoryTile], popular: Sequence[ProductCard]
) -> NothingFound:
    """Prepare what helps where nothing was found."""
    broader: list[tuple[str, str]] = []
    if request.has_filters:
        broader.append(("Remove all filters", search_url(SearchRequest(query=request.query))))
    words = request.query.split()
    if len(words) > 1:
        telling = [word for word in words if len(word) >= _SHORTEST_TELLING_WORD]
        broader += [(f"Search for “{word}” only", query_url(word)) for word in telling[:_MAX_BROADER]]
    if request.has_filters and request.query:
        explanation = "No product matches all of these words and filters together."
    elif request.query:
        explanation = "No product has all of these words."
    else:
        explanation = "No product matches these filters together."
    return NothingFound(explanation, tuple(broader), tuple(categories), tuple(popular))


def total_text(found: SearchJSON) -> str:
    """Return how many results there are, as honestly as it is known."""
    if found["total_relation"] == "gte":
        return f"{found['total']:,}+ products"
    return plural(found["total"], "product", "products")


def _dropped_because(request: SearchRequest, found: SearchJSON) -> str:
    if found["dropped_words"] == list(words_beyond(request.query)):
        return f"Only the first {MAX_QUERY_UNITS} words are looked for."
    return "No product has all of these words."


def _is_ranked(request: SearchRequest) -> bool:
    return bool(request.query) and request.sort is Sort.RELEVANCE


def _status(found: SearchJSON, total: str, *, is_first: bool) -> str:
    if not found["total"]:
        return "No products found"
    return f"{total} found" if is_first else f"{plural(found['count'], 'more product', 'more products')} of {total}"


def _heading(request: SearchRequest, names: Sequence[str], found: SearchJSON) -> str:
    if request.query:
        return f"“{request.query}”"
    if names:
        return names[-1]
    if len(request.brands) == 1:
        return found["data"][0]["brand"] if found["data"] else request.brand.replace("-", " ").title()
    return "New products" if request.sort is Sort.NEWEST else "All products"


def _title(request: SearchRequest, names: Sequence[str]) -> str:
    if request.query:
        return f"{request.query} – search"
    return names[-1] if names else "Products"
