"""Facets of a page of results: what is chosen in one of them narrows the others, not itself.

Few results are counted one by one. Of many, those of the first window tell which values to offer, and the numbered
lists how many results have each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from catalog import candidates
from catalog.money import minor_per_major
from catalog.search.attributes import TellingAttribute, text_of_value
from catalog.search.facets import (
    AttributeFacet,
    FacetRow,
    Facets,
    FacetValue,
    count_brands,
    count_categories,
    count_prices,
    count_ratings,
    leading_category,
)
from catalog.search.index_keys import IN_STOCK_TERM, brand_term, category_term
from catalog.search.plan import WINDOW, Phase
from catalog.search.postings import PRICE_LIMITS, attribute_key, price_band, price_key, rating_key, term_key
from catalog.search.request import SearchRequest
from catalog.services.numbered import Numbered
from catalog.vocabulary.postings import read_telling_attributes
from catalog.vocabulary.store import lexicon


@dataclass(frozen=True, slots=True)
class Source:
    """Results to be counted.

    Attributes:
        phase: matches ``rows``.
        rows: all results, or the first of them.
        whole: whether these are all.
        numbered: counts them where they are many; ``None`` where ``rows`` do.
    """

    phase: Phase
    rows: Sequence[FacetRow]
    whole: bool
    numbered: Numbered | None = None

    @property
    def exact(self) -> bool:
        return self.numbered.counts_all if self.numbered is not None else self.whole


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
        rows, whole = candidates.sample_for_facets(phase)
        return Source(phase, rows, whole)
    is_countable = results.is_countable and results.size > WINDOW
    first = results.first(WINDOW if is_countable else candidates.FACET_SAMPLE)
    rows, whole = candidates.sample_for_facets(first)
    return Source(first, rows, whole, results if is_countable else None)


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
    attributes = [
        (attribute, matched(request.with_attribute(attribute.name, ())) if attribute.name in chosen else shown)
        for attribute in _attributes(request, shown)
    ]
    stock = FacetValue("in", "in", sum(row.stock > 0 for row in by_stock.rows))
    offered = _offered(attributes)
    sources = [by_brand, shown, by_price, by_rating, by_stock, *(source for _, source in attributes)]
    brands, categories, prices, ratings, in_stock, *others = _counted(
        sources,
        [
            (count_brands(by_brand.rows), lambda key: [term_key(brand_term(key))]),
            (count_categories(shown.rows), lambda key: [term_key(category_term(key))]),
            (count_prices(by_price.rows), _bands),
            (count_ratings(by_rating.rows), lambda key: [rating_key(int(key))]),
            ((stock,), lambda _: [term_key(IN_STOCK_TERM)]),
            *offered,
        ],
    )
    return Facets(
        brands=_largest_first(brands),
        categories=_largest_first(categories),
        prices=tuple(prices),
        ratings=tuple(ratings),
        in_stock=in_stock[0].count,
        attributes=tuple(
            AttributeFacet(attribute.name, tuple(value for value in _largest_first(values) if value.count))
            for (attribute, _), values in zip(attributes, others, strict=True)
            if sum(value.count > 0 for value in values) > 1 or attribute.name in chosen
        ),
        exact=all(source.exact for source in sources),
    )


def _attributes(request: SearchRequest, shown: Source) -> list[TellingAttribute]:
    """Return the attributes to offer: those that are chosen, then those that matter for what most results are."""
    state = lexicon.state().postings
    category = leading_category(shown.rows)
    telling = read_telling_attributes(state, category) if state is not None and category else ()
    known = {attribute.name: attribute.values for attribute in telling}
    chosen = [
        TellingAttribute(name, tuple(dict.fromkeys((*known.get(name, ()), *values))))
        for name, values in request.attributes
    ]
    names = {attribute.name for attribute in chosen}
    return [*chosen, *(attribute for attribute in telling if attribute.name not in names)]


def _offered(attributes: Sequence[tuple[TellingAttribute, Source]]) -> list[Asked]:
    """Return the values of attributes; where rows are counted one by one, a source is read once for all of them."""
    by_source: dict[int, tuple[Source, list[str]]] = {}
    for attribute, source in attributes:
        if source.numbered is None:
            by_source.setdefault(id(source), (source, []))[1].append(attribute.name)
    counts = {
        (number, name): Counter(map(text_of_value, values))
        for number, (source, names) in by_source.items()
        for name, values in candidates.attribute_values(source.phase, names).items()
    }
    nothing: Counter[str | None] = Counter()
    return [
        (
            tuple(
                FacetValue(text, text, counts.get((id(source), attribute.name), nothing)[text])
                for text in attribute.values
            ),
            _keys_of_attribute(attribute.name),
        )
        for attribute, source in attributes
    ]


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


def _bands(key: str) -> list[str]:
    """Return the lists that make up a band of prices such as ``50-100`` in major units."""
    low, _, high = key.partition("-")
    first = price_band(int(low) * minor_per_major())
    last = price_band(int(high) * minor_per_major()) if high else len(PRICE_LIMITS)
    return [price_key(band) for band in range(first, last)]
