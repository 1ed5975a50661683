"""Suggest what to look for while somebody types: queries, categories, brands, products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from cachelayer.engine import Cached, Loaded, get_or_load
from catalog import beginnings as reads
from catalog.beginnings import FoundProduct
from catalog.changes import ANY_PRODUCT, CATEGORY_TREE, UNPLACED, beginning_tags, category_tag, search_tags
from catalog.errors import InvalidParameter
from catalog.search.index_keys import brand_term, slug
from catalog.search.lexicon import TermStats
from catalog.search.request import MAX_QUERY_LENGTH, normalise_query
from catalog.search.suggesting import (
    MAX_BEGINNING,
    Typed,
    begins,
    folded_words,
    is_form_of,
    suggestion_key,
    typed,
)
from catalog.services.found import PARTIAL_SECONDS
from catalog.services.trending import trending_searches
from catalog.vocabulary.store import lexicon

MAX_QUERIES, MAX_CATEGORIES, MAX_BRANDS, MAX_PRODUCTS = 4, 2, 2, 3
_POPULAR = 500
"""So many of the most popular queries are compared with what was typed."""
_LOOKED_AT = 24
"""Products that are read to learn which completions have any with the words before them."""


class SuggestionJSON(TypedDict):
    """A suggestion, as cached.

    Attributes:
        kind: ``query``, ``category``, ``brand`` or ``product``.
        text: for people.
        detail: the categories above a category, the brand of a product; may be empty.
        key: the query, the key of the category, the slug of the brand, or the id of the product.
    """

    kind: str
    text: str
    detail: str
    key: str


class SuggestionsJSON(TypedDict):
    """All suggestions for one beginning."""

    count: int
    data: list[SuggestionJSON]


def parse_beginning(text: str, *, field: str = "q") -> str:
    """Return what was typed in the form that suggestions are cached under.

    Raises:
        InvalidParameter: it is blank, too long, or cannot be searched for.
    """
    beginning = normalise_query(text, field=field)
    if not beginning:
        raise InvalidParameter(field, f"Give 1 to {MAX_QUERY_LENGTH} characters to complete.")
    return beginning


def suggest(*, beginning: str) -> Cached:
    """Return what to look for, a :class:`SuggestionsJSON`.

    Raises:
        CatalogUnavailable: the suggestions are not cached and MongoDB does not answer.
    """
    return get_or_load(suggestion_key(beginning), "suggestions", lambda: _loaded(beginning))


def _loaded(beginning: str) -> Loaded:
    what = typed(beginning)
    if what is None:
        return Loaded(SuggestionsJSON(count=0, data=[]))
    completions = _completions(what)
    stats = lexicon.stats(what.head_terms)
    in_time = _products(what, completions, stats)
    products = in_time or ()
    words = folded_words(beginning)
    brands = reads.find_brands(slug(words), limit=MAX_BRANDS)
    found = [
        *_queries(what, completions, products),
        *(
            SuggestionJSON(kind="category", text=each.path[-1], detail=" › ".join(each.path[:-1]), key=each.key)
            for each in reads.find_categories(words[:MAX_BEGINNING], limit=MAX_CATEGORIES)
        ),
        *(SuggestionJSON(kind="brand", text=each.name, detail="", key=each.slug) for each in brands),
        *(
            SuggestionJSON(kind="product", text=each.name, detail=each.brand, key=each.id)
            for each in _best(what, products)
        ),
    ]
    tags = {UNPLACED, CATEGORY_TREE, *beginning_tags([what.last])}
    tags |= {category_tag(product.category_path) for product in products}
    tags |= search_tags([*what.head_terms, *completions, *(brand_term(each.slug) for each in brands)], narrowed=False)
    if not found:
        tags.add(ANY_PRODUCT)
    fresh_seconds = PARTIAL_SECONDS if in_time is None else None
    return Loaded(SuggestionsJSON(count=len(found), data=found), tuple(sorted(tags)), fresh_seconds)


def _completions(what: Typed) -> dict[str, TermStats]:
    """Return the terms that the last word may become, the most frequent first, and the one that it is."""
    found = list(lexicon.completions(what.last)) if what.can_be_completed else []
    exact = lexicon.stats([what.term])
    terms = {each.term: each for each in found if each.strong and ":" not in each.term}
    return {term: each for term, each in exact.items() if each.strong} | terms


def _products(
    what: Typed, completions: Mapping[str, TermStats], head: Mapping[str, TermStats]
) -> Sequence[FoundProduct] | None:
    """Return products with what was typed; ``None`` where they cannot be found in time."""
    if not completions or any(term not in head or not head[term].strong for term in what.head_terms):
        return ()
    ordered = sorted(what.head_terms, key=lambda term: head[term].strong)
    together = sum(each.strong for each in completions.values())
    head_leads = bool(ordered) and head[ordered[0]].strong < together
    return reads.find_products(ordered, list(completions), head_leads=head_leads, limit=_LOOKED_AT)


def _best(what: Typed, products: Sequence[FoundProduct]) -> list[FoundProduct]:
    """Return the most popular products, first those whose name has what was typed."""
    named = [begins(folded_words(product.name), what.last) for product in products]
    order = sorted(range(len(products)), key=lambda place: not named[place])
    return [products[place] for place in order[:MAX_PRODUCTS]]


def _queries(
    what: Typed, completions: Mapping[str, TermStats], products: Sequence[FoundProduct]
) -> list[SuggestionJSON]:
    popular = trending_searches(limit=_POPULAR) or []
    starting = [query for query in popular if query.startswith(what.query)]
    inside = [query for query in popular if f" {what.query}" in query and query not in starting]
    # After other words only what products have together with them; alone, whatever the catalogue has.
    met = {term for product in products for term in product.has}
    completed = [
        what.head + each.form
        for term, each in completions.items()
        if is_form_of(each.form, what) and (term in met or not what.head_terms)
    ]
    texts = [query for query in dict.fromkeys([*starting, *completed, *inside]) if query != what.query]
    return [SuggestionJSON(kind="query", text=text, detail="", key=text) for text in texts[:MAX_QUERIES]]
