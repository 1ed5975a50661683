"""Facets of a page of results: what is chosen in one of them narrows the others, not itself.

Few results are counted one by one. Of many, the numbered lists tell how many have each value; which brands, categories
and attributes to offer, those of the first window tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from catalog import candidates
from catalog.search.attributes import TellingAttribute, text_of_value
from catalog.search.facets import (
    STARS,
    VALUES,
    AttributeFacet,
    FacetRow,
    Facets,
    FacetValue,
    count_brands,
    count_categories,
    count_prices,
    count_ratings,
    largest_brands,
    leading_category,
    offered_prices,
)
from catalog.search.index_keys import IN_STOCK_TERM, brand_term, category_term
from catalog.search.plan import Phase
from catalog.search.postings import attribute_key, rating_key, term_key
from catalog.search.price_bands import ROUND, round_key
from catalog.search.request import SearchRequest
from catalog.services.numbered import GROUP, Numbered
from catalog.vocabulary.postings import Offer, read_offer
from catalog.vocabulary.store import lexicon

_FEW = 200
"""So many results are read to be counted: that tells all values that they have."""


class Source:
    """Results to be counted: by their numbers where these are known and many, or row by row.

    Args:
        phase: matches them all.
        numbered: the same by number, to count them by.
        rows: all of them, where these are at hand.
        first: gives the first ones, where they are counted by number.
    """

    def __init__(
        self,
        phase: Phase,
        numbered: Numbered | None = None,
        *,
        rows: Sequence[FacetRow] | None = None,
        first: Callable[[], Sequence[FacetRow]] | None = None,
    ) -> None:
        self.numbered = numbered
        self._phase = phase
        self._at_hand = rows
        self._first = first

    @property
    def rows(self) -> Sequence[FacetRow]:
        """All results, or the first of them; where they are counted by number, these tell which values to offer."""
        return self._read[0]

    @property
    def exact(self) -> bool:
        """Whether all results are counted as they are now."""
        return self.numbered.counts_all if self.numbered is not None else self._read[1]

    @cached_property
    def _read(self) -> tuple[Sequence[FacetRow], bool]:
        if self._at_hand is not None:
            return self._at_hand, True
        if self._first is not None:
            return self._first(), False
        if self.numbered is not None:
            return candidates.sample_for_facets(self.numbered.first(GROUP))
        return candidates.sample_for_facets(self._phase)


Asked = tuple[tuple[FacetValue, ...], Callable[[str], list[str]]]
"""Values of a facet, and the lists that hold the products with one of them, by its key."""
Matched = Callable[[SearchRequest], Source]
"""Gives all results of a request with these filters."""


def source_of(phase: Phase, results: Numbered | None) -> Source:
    """Return the results that ``phase`` matches, for counting.

    Args:
        results: the same where they are known by number.
    """
    if results is None:
        return Source(phase)
    return Source(phase, results) if tells_counts(results) else Source(results.first(candidates.FACET_SAMPLE))


def tells_counts(results: Numbered) -> bool:
    """Tell whether results are counted by the lists, because they are too many to be read."""
    return results.is_countable and results.size > _FEW


def facets_of(request: SearchRequest, matched: Matched, *, shown: Source) -> Facets:
    """Count the facets of a request.

    Args:
        shown: all its results.
    """

    def without(is_chosen: object, **changes: object) -> Source:
        return matched(replace(request, **changes)) if is_chosen else shown  # type: ignore[arg-type]

    by_price = without(request.min_price is not None or request.max_price is not None, min_price=None, max_price=None)
    by_brand = without(request.brand, brand="")
    by_rating = without(request.min_rating, min_rating=0)
    by_stock = without(request.in_stock, in_stock=False)
    chosen = dict(request.attributes)
    offer = _offer(shown)
    attributes = [
        (attribute, matched(request.with_attribute(attribute.name, ())) if attribute.name in chosen else shown)
        for attribute in _attributes(request, offer)
    ]
    sources = [by_brand, shown, by_price, by_rating, by_stock, *(source for _, source in attributes)]
    brands, categories, prices, ratings, in_stock, *others = _counted(
        sources,
        [
            (_brands(by_brand, shown, offer), lambda key: [term_key(brand_term(key))]),
            (count_categories(shown.rows), lambda key: [term_key(category_term(key))]),
            _prices(by_price),
            _ratings(by_rating),
            _in_stock(by_stock),
            *_offered(attributes),
        ],
    )
    return Facets(
        brands=_largest_first([value for value in brands if value.count])[:VALUES],
        categories=_largest_first(categories),
        prices=_banded(prices) if by_price.numbered is not None else tuple(prices),
        ratings=tuple(value for value in ratings if value.count),
        in_stock=in_stock[0].count,
        attributes=tuple(
            AttributeFacet(attribute.name, tuple(value for value in _largest_first(values) if value.count))
            for (attribute, _), values in zip(attributes, others, strict=True)
            if sum(value.count > 0 for value in values) > 1 or attribute.name in chosen
        ),
        exact=all(source.exact for source in sources),
    )


def _offer(shown: Source) -> Offer:
    """Return what is worth narrowing to in what most results are."""
    state = lexicon.state().postings
    category = leading_category(shown.rows)
    return read_offer(state, category) if state is not None and category else Offer()


def _brands(source: Source, shown: Source, offer: Offer) -> tuple[FacetValue, ...]:
    """Return the brands to count: those of the first results, and of the category that most of these are in.

    Args:
        source: the results, whatever their brand.
        shown: those that are shown, which tell the category.
    """
    if source.numbered is None or not offer.brands:
        return count_brands(source.rows)
    return largest_brands(Counter([row.brand for row in shown.rows] + list(offer.brands)), values=2 * VALUES)


def _attributes(request: SearchRequest, offer: Offer) -> list[TellingAttribute]:
    """Return the attributes to offer: those that are chosen, then those that matter for what most results are."""
    known = {attribute.name: attribute.values for attribute in offer.attributes}
    chosen = [
        TellingAttribute(name, tuple(dict.fromkeys((*known.get(name, ()), *values))))
        for name, values in request.attributes
    ]
    names = {attribute.name for attribute in chosen}
    return [*chosen, *(attribute for attribute in offer.attributes if attribute.name not in names)]


def _prices(source: Source) -> Asked:
    """Return the bands of prices to count; where results are counted by number, all that there can be."""
    if source.numbered is None:
        return count_prices(source.rows), lambda _: []
    return tuple(FacetValue(str(limit), "", 0) for limit in ROUND), lambda key: [round_key(int(key))]


def _banded(counted: Sequence[FacetValue]) -> tuple[FacetValue, ...]:
    return offered_prices({int(value.key): value.count for value in counted})


def _ratings(source: Source) -> Asked:
    values = (
        tuple(FacetValue(str(stars), str(stars), 0) for stars in STARS)
        if source.numbered is not None
        else count_ratings(source.rows)
    )
    return values, lambda key: [rating_key(int(key))]


def _in_stock(source: Source) -> Asked:
    count = sum(row.stock > 0 for row in source.rows) if source.numbered is None else 0
    return (FacetValue("in", "in", count),), lambda _: [term_key(IN_STOCK_TERM)]


def _offered(attributes: Sequence[tuple[TellingAttribute, Source]]) -> list[Asked]:
    """Return the values of attributes, counted where the rows of their source are."""
    found: list[Asked] = []
    for attribute, source in attributes:
        counts: Counter[str | None] = Counter()
        if source.numbered is None:
            held = (row.attributes.get(attribute.name) for row in source.rows)
            counts = Counter(text_of_value(value) for value in held if value is not None)
        values = tuple(FacetValue(text, text, counts[text]) for text in attribute.values)
        found.append((values, _keys_of_attribute(attribute.name)))
    return found


def _keys_of_attribute(name: str) -> Callable[[str], list[str]]:
    return lambda text: [attribute_key(name, text)]


def _counted(sources: Sequence[Source], asked: Sequence[Asked]) -> list[list[FacetValue]]:
    """Return values of facets with the numbers of all results; the lists of a source are read together."""
    counts: dict[int, Mapping[str, int]] = {}
    for source in sources:
        if source.numbered is not None and id(source) not in counts:
            needed = {
                key
                for of, (values, keys) in zip(sources, asked, strict=True)
                for value in values
                for key in keys(value.key)
                if of is source
            }
            counts[id(source)] = source.numbered.count(needed)
    return [
        [
            FacetValue(value.key, value.label, sum([counts[id(source)][key] for key in keys(value.key)]))
            if source.numbered is not None
            else value
            for value in values
        ]
        for source, (values, keys) in zip(sources, asked, strict=True)
    ]


def _largest_first(values: Sequence[FacetValue]) -> tuple[FacetValue, ...]:
    return tuple(sorted(values, key=lambda value: (-value.count, value.key)))
