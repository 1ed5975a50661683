"""Results as staff wants them: pinned products on top of the first page, hidden ones nowhere, and honest numbers.

Ranking and paging know nothing of this: cursors are those of the results as they were found, so a decision that is
made between two pages moves no product from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from catalog import candidates
from catalog.changes import ANY_PRODUCT, category_tag, curation_tag
from catalog.curations import Curation, curation_key, find_curation, matching_ids
from catalog.documents import to_product
from catalog.search.attributes import text_of_value
from catalog.search.cursor import MAX_TOTAL
from catalog.search.facet_changes import (
    changed_attribute,
    changed_brands,
    changed_facets,
    changed_prices,
    changed_ratings,
)
from catalog.search.facets import AttributeFacet, FacetRow, Facets, count_facets
from catalog.search.plan import Phase, PhaseName, narrowing_of, plan_everything, plan_walk
from catalog.search.ranking import Score
from catalog.search.request import SearchRequest, Sort
from catalog.services.finding import find_page
from catalog.services.found import Page, Result

_UNRANKED = Score(0.0, (), ())


@dataclass(frozen=True, slots=True)
class CuratedPage:
    """A page of results, and the tags of what staff may decide about it."""

    page: Page
    tags: frozenset[str] = frozenset()


def find_curated_page(request: SearchRequest, *, draft: Curation | None = None) -> CuratedPage:
    """Return a page of results with what staff has decided about its query, or about what it was corrected to.

    Args:
        draft: what to go by instead of what is stored, for a preview.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
    """
    if not request.query:
        return CuratedPage(find_page(request))
    key = curation_key(request.query)
    keys = {key}
    curation, page = draft or find_curation(key), None
    if curation is None:
        page = find_page(request)
        if page.meaning is not None and page.meaning.corrected and page.results:
            keys.add(curation_key(page.meaning.query))
            curation = find_curation(curation_key(page.meaning.query))
    tags = frozenset(map(curation_tag, keys))
    if curation is None or curation.is_empty:
        return CuratedPage(page or find_page(request), tags)
    if request.after is not None:
        return CuratedPage(_later_page(request, curation), tags)
    work = _FirstPage(request, curation)
    return CuratedPage(work.page(), tags | work.tags())


def _later_page(request: SearchRequest, curation: Curation) -> Page:
    """Return a later page without what is hidden, or what the first page had on top; one with results if there is."""
    without = {*curation.hides, *_pins_of(request, curation)}
    page = find_page(request)
    while True:
        left = tuple(result for result in page.results if result.product.id not in without)
        if left or page.next_page is None:
            return replace(page, results=left)
        page = find_page(replace(request, after=page.next_page))


def _pins_of(request: SearchRequest, curation: Curation) -> tuple[str, ...]:
    # Whoever asks for the cheapest first gets the cheapest first.
    return curation.pins if request.sort is Sort.RELEVANCE else ()


class _FirstPage:
    """Applies a curation to the first page of a request."""

    def __init__(self, request: SearchRequest, curation: Curation) -> None:
        self._request = request
        self._pins = _pins_of(request, curation)
        self._hides = frozenset(curation.hides)
        self._all = tuple(dict.fromkeys([*self._pins, *curation.hides]))
        self._documents = candidates.find_by_ids(self._all)
        # A pinned product is shown if the filters let it through, whatever its words; an inactive one has no terms.
        listed = self._listed(request)
        self._shown = tuple(each for each in self._pins if each in listed and each not in self._hides)

    def tags(self) -> frozenset[str]:
        """Return the tags of pinned products, also of those that may come back."""
        tags = {category_tag(self._documents[each]["category_path"]) for each in self._pins if each in self._documents}
        return frozenset(tags if len(self._documents) == len(self._all) else tags | {ANY_PRODUCT})

    def page(self) -> Page:
        """Return the page."""
        found = find_page(replace(self._request, limit=self._request.limit - len(self._shown)))
        scores = {result.product.id: result.score for result in found.results}
        without = {*self._hides, *self._pins}
        pinned = tuple(self._pinned(each, scores.get(each)) for each in self._shown)
        results = (*pinned, *(result for result in found.results if result.product.id not in without))
        added, removed = self._changes(found, self._request)
        related = {result.product.id for result in found.results if not result.has_all}
        gone = len(removed) + len(related & self._hides)
        total = min(max(found.total + len(added - related) - gone, len(results)), MAX_TOTAL)
        page = replace(
            found,
            results=results,
            total=total,
            next_page=replace(found.next_page, total=total) if found.next_page else None,
            facets=self._facets(found, added, removed) if results else None,
        )
        return page if results or page.next_page is None else self._next_with_results(page)

    def _next_with_results(self, first: Page) -> Page:
        page = first
        while not page.results and page.next_page is not None:
            page = find_page(replace(self._request, after=page.next_page))
            left = tuple(result for result in page.results if result.product.id not in self._hides)
            page = replace(page, results=left)
        return replace(page, facets=first.facets, total=first.total)

    def _pinned(self, product_id: str, score: Score | None) -> Result:
        product = to_product(self._documents[product_id])
        return Result(product, score=(score or _UNRANKED) if self._request.explain else None, pinned=True)

    def _listed(self, wanted: SearchRequest) -> set[str]:
        plan = plan_walk(replace(wanted, query="", after=None, sort=Sort.RELEVANCE))
        return matching_ids(Phase(PhaseName.STRONG, plan.filter, plan.hint, None), self._all)

    def _found(self, found: Page, wanted: SearchRequest) -> set[str]:
        """Return which of the products in question are counted in ``found``, were its filters those of ``wanted``."""
        meaning = found.meaning
        if meaning is None or not found.results:
            return set()
        if found.strong_only:
            plan = plan_walk(replace(wanted, after=None), meaning)
            return matching_ids(Phase(PhaseName.STRONG, plan.filter, plan.hint, None), self._all)
        return matching_ids(plan_everything(meaning, narrowing_of(wanted), {}), self._all)

    def _changes(self, found: Page, wanted: SearchRequest) -> tuple[set[str], set[str]]:
        """Return what is among the results only because it is pinned, and what is not because it is hidden."""
        counted = self._found(found, wanted)
        listed = self._listed(wanted) if wanted is not self._request else set(self._shown)
        return listed.intersection(self._shown_anywhere()) - counted, counted & self._hides

    def _shown_anywhere(self) -> set[str]:
        return {each for each in self._pins if each not in self._hides}

    def _facets(self, found: Page, added: set[str], removed: set[str]) -> Facets | None:
        if found.facets is None:
            return count_facets(self._rows(added), exact=True) if added else None
        request = self._request
        facets = changed_facets(found.facets, added=self._rows(added), removed=self._rows(removed))
        # What is chosen in a facet does not narrow its own counts, so more of the products may be counted there.
        if request.brand:
            brands = self._wider(found, found.facets.brands, changed_brands, brand="")
            facets = replace(facets, brands=brands)
        if request.min_price is not None or request.max_price is not None:
            prices = self._wider(found, found.facets.prices, changed_prices, min_price=None, max_price=None)
            facets = replace(facets, prices=prices)
        if request.min_rating:
            facets = replace(facets, ratings=self._wider(found, found.facets.ratings, changed_ratings, min_rating=0))
        if request.in_stock:
            more, less = self._changes(found, replace(request, in_stock=False))
            stocked = [sum(row.stock > 0 for row in self._rows(rows)) for rows in (more, less)]
            facets = replace(facets, in_stock=max(found.facets.in_stock + stocked[0] - stocked[1], 0))
        attributes = tuple(self._attribute(found, facet, added, removed) for facet in found.facets.attributes)
        return replace(facets, attributes=attributes)

    def _attribute(self, found: Page, facet: AttributeFacet, added: set[str], removed: set[str]) -> AttributeFacet:
        if facet.name in dict(self._request.attributes):
            added, removed = self._changes(found, self._request.with_attribute(facet.name, ()))
        return changed_attribute(facet, added=self._texts(added, facet.name), removed=self._texts(removed, facet.name))

    def _texts(self, identifiers: Iterable[str], name: str) -> list[str | None]:
        known = [self._documents[each]["attributes"] for each in identifiers if each in self._documents]
        return [text_of_value(attributes[name]) for attributes in known if name in attributes]

    def _wider(self, found: Page, values: Any, change: Callable[..., Any], **filters: Any) -> Any:
        more, less = self._changes(found, replace(self._request, **filters))
        return change(values, added=self._rows(more), removed=self._rows(less))

    def _rows(self, identifiers: Iterable[str]) -> Sequence[FacetRow]:
        documents = [self._documents[each] for each in identifiers if each in self._documents]
        return [
            FacetRow(
                document["brand"],
                tuple(document["category_path"]),
                document["price"],
                document["rating"],
                document["stock"],
                document["attributes"],
            )
            for document in documents
        ]
