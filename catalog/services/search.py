"""Answer a search: from the cache, or by running its plan."""

from __future__ import annotations

from typing import TypedDict

from cachelayer.engine import Cached, Loaded, get_or_load
from cachelayer.trace import span
from catalog.changes import ANY_PRODUCT, UNPLACED, category_tag, search_tags
from catalog.representation import ProductJSON, product_json
from catalog.search.analysis import indexed_terms
from catalog.search.facets import Facets, FacetValue
from catalog.search.index_keys import brand_term
from catalog.search.ranking import Score, terms_of
from catalog.search.request import SearchRequest, Sort
from catalog.services.curating import CuratedPage, find_curated_page
from catalog.services.found import PARTIAL_SECONDS, Page, Result


class FacetJSON(TypedDict):
    """A value to narrow results to."""

    key: str
    label: str
    count: int


class AttributeFacetJSON(TypedDict):
    """Values of one attribute to narrow results to: ``attr.<name>=<key>``."""

    name: str
    values: list[FacetJSON]


class FacetsJSON(TypedDict):
    """Values by facet; counts are over all results where ``exact``, else over the most popular products among them.

    What is chosen in a facet does not narrow the counts of that facet, only those of the others. The category is the
    exception: of one category at a time the results are shown, so it narrows all counts.

    Attributes:
        price: bands; a key such as ``50-100`` holds prices in major units from the first to below the second.
        rating: at least so many stars.
        in_stock: how many results are.
        attributes: the few that matter for the kind of product that most results are.
    """

    brand: list[FacetJSON]
    category: list[FacetJSON]
    price: list[FacetJSON]
    rating: list[FacetJSON]
    in_stock: int
    attributes: list[AttributeFacetJSON]
    exact: bool


class WhyWordJSON(TypedDict):
    """What one word of the query adds to a product's score.

    Attributes:
        found: the term that the product was found by; empty where it does not have the word.
        field: the weightiest field in which it has it.
        by: ``typed``, ``corrected``, ``completed`` or ``synonym``.
    """

    word: str
    found: str
    field: str | None
    by: str
    points: float


class WhyJSON(TypedDict):
    """Why a product is where it is among the results; ``parts`` add up to ``score``.

    Attributes:
        pinned: whether the shop has put it there, whatever its score.
    """

    score: float
    words: list[WhyWordJSON]
    parts: dict[str, float]
    pinned: bool


class ExplainedProductJSON(ProductJSON):
    """A product with the reasons for its place."""

    why: WhyJSON


class SearchJSON(TypedDict):
    """One page of results, as cached and as sent.

    Attributes:
        corrected_query: what was searched for instead of what was typed.
        dropped_words: words that were left out, because nothing has them together with the others, or because a
            query has too many.
        matching_all: how many of ``data``, from its beginning, have all words; the others have some of them.
            What the shop has pinned is among the former.
        complete: whether all results can be shown; if not, time has run out, or no index has them in this order.
    """

    count: int
    total: int
    total_relation: str
    next: str | None
    corrected_query: str | None
    dropped_words: list[str]
    matching_all: int
    complete: bool
    facets: FacetsJSON | None
    data: list[ProductJSON]


def search_products(*, request: SearchRequest) -> Cached:
    """Return one page of results, a :class:`SearchJSON`.

    Raises:
        CatalogUnavailable: the page is not cached and MongoDB does not answer.
    """
    return get_or_load(request.cache_key(), "search", lambda: _tagged(request, find_curated_page(request)))


def _tagged(request: SearchRequest, curated: CuratedPage) -> Loaded:
    """Name what the page depends on: the categories of what it shows, and the words that a product may gain."""
    page = curated.page
    tags = {UNPLACED, *curated.tags, *(category_tag(result.product.category_path) for result in page.results)}
    words = set(indexed_terms(request.query))
    if page.meaning is not None:
        words.update(terms_of(page.meaning))
    words.update(map(brand_term, request.brands))
    has_bounds = request.min_rating or (request.min_price, request.max_price) != (None, None)
    narrowed = bool(request.in_stock or request.sort is not Sort.RELEVANCE or has_bounds)
    tags |= search_tags(words, narrowed=narrowed)
    if request.attributes:
        # A product may gain a value without a new word.
        tags.add(ANY_PRODUCT)
    if request.category:
        tags.add(f"category:{request.category}")
    # The facet of brands counts products of other brands as well, whatever words they have.
    if not page.results or request.brand or not (words or request.category):
        tags.add(ANY_PRODUCT)
    return Loaded(_json(page), tuple(sorted(tags)), fresh_seconds=None if page.complete else PARTIAL_SECONDS)


def _json(page: Page) -> SearchJSON:
    meaning = page.meaning
    with span("represent"):
        return SearchJSON(
            count=len(page.results),
            total=page.total,
            total_relation="eq" if page.exact else "gte",
            next=page.next_page.encoded() if page.next_page else None,
            corrected_query=meaning.query if meaning is not None and meaning.corrected and page.results else None,
            dropped_words=list(meaning.dropped) if meaning is not None else [],
            matching_all=sum(result.has_all for result in page.results),
            complete=page.complete,
            facets=_facets(page.facets) if page.facets is not None else None,
            data=[_product(result) for result in page.results],
        )


def _product(result: Result) -> ProductJSON:
    if result.score is None:
        return product_json(result.product)
    return ExplainedProductJSON(**product_json(result.product), why=_why(result.score, pinned=result.pinned))


def _why(score: Score, *, pinned: bool) -> WhyJSON:
    return WhyJSON(
        score=round(score.total, 3),
        words=[
            WhyWordJSON(
                word=one.word,
                found=one.found,
                field=one.field.value if one.field else None,
                by=one.by,
                points=round(one.points, 3),
            )
            for one in score.evidence
        ],
        parts={name: round(points, 3) for name, points in score.parts},
        pinned=pinned,
    )


def _facets(facets: Facets) -> FacetsJSON:
    return FacetsJSON(
        brand=[_facet(value) for value in facets.brands],
        category=[_facet(value) for value in facets.categories],
        price=[_facet(value) for value in facets.prices],
        rating=[_facet(value) for value in facets.ratings],
        in_stock=facets.in_stock,
        attributes=[
            AttributeFacetJSON(name=facet.name, values=[_facet(value) for value in facet.values])
            for facet in facets.attributes
        ],
        exact=facets.exact,
    )


def _facet(value: FacetValue) -> FacetJSON:
    return FacetJSON(key=value.key, label=value.label, count=value.count)
