"""From a request and its meaning to the queries that MongoDB runs: pure, so that they can be read, tested, explained.

A search without words, or in another order than by relevance, is one walk through one index. A search by relevance
is a few of them, from the likeliest products to the less likely: each :class:`Phase` matches all products that the
ones before it match, and leaves those out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from bson import ObjectId
from bson.int64 import Int64

from catalog.search.attributes import stored_values
from catalog.search.cursor import MAX_TOTAL
from catalog.search.index_keys import (
    ANY_TERM,
    IN_STOCK_TERM,
    brand_term,
    category_term,
    kind_term,
    price_bounds,
    rating_bound,
)
from catalog.search.lexicon import TermStats
from catalog.search.meaning import Interpretation, Origin, Want
from catalog.search.request import SearchRequest, Sort

TOTAL_CAP = MAX_TOTAL
"""Results are counted up to this many; beyond it a page says "10,000+"."""
WINDOW = 200
"""So many candidates of a walk are ranked at a time."""
_WALKED = 30
"""So many products are looked at about as quickly as the lists of a few words are read."""
ATTRIBUTES = "attributes."
"""Where the attributes of a product are stored."""
LAST_KEY = 2**63 - 1
BY_ID = "_id_"

ORDERS: dict[Sort, tuple[str, int]] = {
    Sort.RELEVANCE: ("popularity", -1),
    Sort.PRICE_ASC: ("price", 1),
    Sort.PRICE_DESC: ("price", -1),
    Sort.RATING: ("rating", -1),
    Sort.NEWEST: ("newest", -1),
    Sort.POPULARITY: ("popularity", -1),
}
Frequencies = Mapping[str, TermStats]


class PhaseName(Enum):
    """What products of a phase have in common."""

    KIND = "is what was asked for"
    STRONG = "all words in name, brand, type or category"
    ANYWHERE = "all words"
    SYNONYMS = "all words or synonyms of them"


@dataclass(frozen=True, slots=True)
class Phase:
    """One query on ``products`` in the static order.

    Attributes:
        filter: what it matches.
        hint: the index that serves it.
        most: an upper limit of the products that it has to examine; ``None`` where it is not known.
        cut: whether it matches the first results only.
    """

    name: PhaseName
    filter: dict[str, Any]
    hint: str
    most: int | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """One walk through an index.

    Attributes:
        filter: matches all results, whatever the page.
        page_filter: matches the results from this page on.
        order_field: the stored sort key.
        direction: 1 ascending, -1 descending.
        hint: the index that must serve it.
    """

    filter: dict[str, Any]
    page_filter: dict[str, Any]
    order_field: str
    direction: int
    hint: str

    @property
    def checks_price_late(self) -> bool:
        """Whether a range of prices is asked for in another order than by price, so that no index bounds it."""
        return "order.price" in self.filter and self.order_field != "order.price"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The filters of a request.

    Attributes:
        terms: a product has to hold all of them.
        groups: of each group it has to hold one.
        conditions: on other fields.
    """

    terms: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    conditions: dict[str, Any] = field(default_factory=dict)


def narrowing_of(request: SearchRequest) -> Narrowing:
    """Return the filters of ``request``."""
    terms = [category_term(request.category)] if request.category else []
    brands = tuple(brand_term(brand) for brand in request.brands)
    if len(brands) == 1:
        terms += brands
    if request.in_stock:
        terms.append(IN_STOCK_TERM)
    bounds: dict[str, Int64] = {}
    low, high = price_bounds(request.min_price, request.max_price)
    if low is not None:
        bounds["$gte"] = Int64(low)
    if high is not None:
        bounds["$lte"] = Int64(high)
    conditions: dict[str, Any] = {"order.price": bounds} if bounds else {}
    if request.min_rating:
        conditions["order.rating"] = {"$gte": Int64(rating_bound(request.min_rating))}
    for name, texts in request.attributes:
        conditions[f"{ATTRIBUTES}{name}"] = {"$in": [value for text in texts for value in stored_values(text)]}
    return Narrowing(tuple(terms), groups=(brands,) if len(brands) > 1 else (), conditions=conditions)


def plan_walk(
    request: SearchRequest, meaning: Interpretation | None = None, frequencies: Frequencies | None = None
) -> SearchPlan:
    """Build the query for ``request`` as one walk in its order.

    A range of prices bounds the index where it is also the order, and filters otherwise.

    Args:
        meaning: what a product has to have in name, brand, type or category: each word, or what does as well.
        frequencies: of words and filter terms; the rarest leads the walk.
    """
    order, direction = ORDERS[request.sort]
    order_field = f"order.{order}"
    narrowing = narrowing_of(request)
    conditions = _walked(meaning.wants if meaning is not None else (), narrowing, frequencies or {})
    page_conditions = dict(conditions)
    if request.after is not None:
        key = Int64(request.after.key)
        bound, tighter = ("$gte", max) if direction > 0 else ("$lte", min)
        inherited = dict(conditions.get(order_field, {}))
        inherited[bound] = tighter(inherited.get(bound, key), key)
        page_conditions[order_field] = inherited
        page_conditions["_id"] = {"$nin": [ObjectId(identifier) for identifier in request.after.seen]}
    return SearchPlan(
        filter=conditions,
        page_filter=page_conditions,
        order_field=order_field,
        direction=direction,
        hint=f"terms_{order}",
    )


def _walked(wants: Sequence[Want], narrowing: Narrowing, frequencies: Frequencies) -> dict[str, Any]:
    words = [term for want in wants if not want.alternatives for term in want.terms]
    varied = [(want.terms, *want.alternatives) for want in wants if want.alternatives]
    # Of an option of several terms the first one is in the group, for the index, and all of them are checked beside it.
    groups = [tuple(dict.fromkeys(option[0] for option in options)) for options in varied]
    match = _match(
        terms=(*words, *narrowing.terms),
        narrowing=replace(narrowing, groups=(*groups, *narrowing.groups)),
        frequencies=frequencies,
    )
    checked = [
        {"$or": [{"terms": _all_of(list(option))} for option in options]}
        for options in varied
        if any(len(option) > 1 for option in options)
    ]
    return match | ({"$and": [*match.get("$and", []), *checked]} if checked else {})


def plan_phases(meaning: Interpretation, narrowing: Narrowing, frequencies: Frequencies) -> tuple[Phase, ...]:
    """Build the queries that yield the candidates for ``meaning``, the likeliest products first.

    Where the numbers tell that all results fit into one window, one query is enough: ranking does the rest.

    Args:
        frequencies: of all terms of the meaning and of the filters.
    """
    everything = plan_everything(meaning, narrowing, frequencies)
    if is_short(everything, meaning):
        return (everything,)
    words, groups = _wanted(meaning)
    wide = _wide(words, groups, narrowing, frequencies)
    strong = _strong(words, groups, narrowing, frequencies)
    phases = [strong, _without(wide, strong)]
    head = meaning.wants[meaning.head] if meaning.head >= 0 else None
    if head is not None and meaning.measured and (strong.most or 0) > WINDOW:
        kinds = tuple(map(kind_term, head.kinds))
        kind = _strong(words, (*groups, kinds), narrowing, frequencies, name=PhaseName.KIND)
        phases = [kind, _without(strong, kind), _without(wide, strong)]
    if everything.name is PhaseName.SYNONYMS:
        phases.append(_without(everything, wide))
    return tuple(phases)


def is_short(everything: Phase, meaning: Interpretation) -> bool:
    """Tell whether all results of a query, and all that has to be looked at for them, fit into one window."""
    return meaning.measured and everything.most is not None and everything.most <= WINDOW


def is_best_walked(everything: Phase, meaning: Interpretation) -> bool:
    """Tell whether walking to all results is quicker than to find out their numbers."""
    return meaning.measured and everything.most is not None and everything.most <= _WALKED


def after_place(phase: Phase, *, key: int, seen: Sequence[str]) -> dict[str, Any]:
    """Return the filter of what ``phase`` has from a place on.

    Args:
        key: sort key of the last product before that place.
        seen: ids of the products before it that have this very key.
    """
    if key >= LAST_KEY:
        return phase.filter
    rest: dict[str, Any] = {**phase.filter, "order.popularity": {"$lte": Int64(key)}}
    if seen:
        rest["_id"] = {**rest.get("_id", {}), "$nin": [ObjectId(identifier) for identifier in seen]}
    return rest


def among(phase: Phase, identifiers: Iterable[ObjectId], *, cut: bool = False) -> Phase:
    """Return ``phase`` restricted to some products, which are looked up by their ids.

    Args:
        cut: whether there are more results than these.
    """
    wanted = list(identifiers)
    return Phase(phase.name, {**phase.filter, "_id": {"$in": wanted}}, BY_ID, len(wanted), cut)


def plan_everything(meaning: Interpretation, narrowing: Narrowing, frequencies: Frequencies) -> Phase:
    """Return the one query that matches all results of all phases."""
    varied = [want for want in meaning.wants if want.alternatives or _is_group(want)]
    needed = tuple(dict.fromkeys(term for want in meaning.wants if want not in varied for term in want.terms))
    phase = _wide(needed, (), narrowing, frequencies)
    match = dict(phase.filter)
    if varied:
        if "words" not in match and phase.hint == "words_popularity":
            # A condition that every product with one of the options meets gives the index something to walk along.
            leader = max(varied, key=lambda want: want.rarity)
            match["words"] = {"$in": sorted({option[0] for option in (leader.terms, *leader.alternatives)})}
        match["$and"] = [*match.get("$and", []), *map(_any_option, varied)]
    has_synonyms = any(not _is_group(want) for want in varied)
    name = PhaseName.SYNONYMS if has_synonyms else PhaseName.ANYWHERE
    return Phase(name, match, phase.hint, phase.most)


def _any_option(want: Want) -> dict[str, Any]:
    options = (want.terms, *want.alternatives)
    if all(len(option) == 1 for option in options):
        return {"words": {"$in": [option[0] for option in options]}}
    return {"$or": [{"words": _all_of(list(option))} for option in options]}


def _wanted(meaning: Interpretation) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the terms that are needed, and the groups of which one term is."""
    words = tuple(dict.fromkeys(term for want in meaning.wants if not _is_group(want) for term in want.terms))
    return words, tuple(_singles(want) for want in meaning.wants if _is_group(want))


def _is_group(want: Want) -> bool:
    """Tell whether any of several terms will do: the words that begin with what was typed."""
    return want.origin is Origin.COMPLETED


def _singles(want: Want) -> tuple[str, ...]:
    return tuple(option[0] for option in (want.terms, *want.alternatives) if len(option) == 1)


def _strong(
    words: tuple[str, ...],
    groups: tuple[tuple[str, ...], ...],
    narrowing: Narrowing,
    frequencies: Frequencies,
    *,
    name: PhaseName = PhaseName.STRONG,
) -> Phase:
    terms = (*words, *narrowing.terms)
    all_groups = (*groups, *narrowing.groups)
    return Phase(
        name=name,
        filter=_match(terms=terms, narrowing=Narrowing((), all_groups, narrowing.conditions), frequencies=frequencies),
        hint="terms_popularity",
        most=_fewest([_strong_count(frequencies, term) for term in terms]),
    )


def _wide(
    words: tuple[str, ...], groups: tuple[tuple[str, ...], ...], narrowing: Narrowing, frequencies: Frequencies
) -> Phase:
    fewest_word = _fewest([_anywhere_count(frequencies, word) for word in words])
    fewest_filter = _fewest([_strong_count(frequencies, term) for term in narrowing.terms])
    by_filter = fewest_filter is not None and (fewest_word is None or fewest_filter < fewest_word)
    ordered = sorted(words, key=lambda word: _anywhere_count(frequencies, word) or 0)
    match: dict[str, Any] = {}
    further = [{"words": {"$in": list(group)}} for group in groups]
    if ordered:
        match["words"] = _all_of(ordered)
    elif further:
        match |= further.pop(0)
    match |= _match(terms=narrowing.terms, narrowing=narrowing, frequencies=frequencies, needs_terms=False)
    if further:
        match["$and"] = [*match.get("$and", []), *further]
    return Phase(
        name=PhaseName.ANYWHERE,
        filter=match,
        hint="terms_popularity" if by_filter else "words_popularity",
        most=_fewest([fewest_word, fewest_filter]),
    )


def _without(phase: Phase, earlier: Phase) -> Phase:
    """Return ``phase`` without what ``earlier`` has found; filters are the same in both."""
    found = {name: earlier.filter[name] for name in ("terms", "words", "$and") if name in earlier.filter}
    return Phase(phase.name, {**phase.filter, "$nor": [found]}, phase.hint, phase.most)


def _match(
    *, terms: Sequence[str], narrowing: Narrowing, frequencies: Frequencies, needs_terms: bool = True
) -> dict[str, Any]:
    """Return conditions on ``terms`` with the rarest first, because the first one leads the walk through the index."""
    ordered = sorted(dict.fromkeys(terms), key=lambda term: _strong_count(frequencies, term) or 0)
    match: dict[str, Any] = {}
    groups = [{"terms": {"$in": list(group)}} for group in narrowing.groups]
    if ordered:
        match["terms"] = _all_of(ordered)
    elif groups:
        match |= groups.pop(0)
    elif needs_terms:
        match["terms"] = ANY_TERM
    if groups:
        match["$and"] = groups
    return match | narrowing.conditions


def _all_of(wanted: list[str]) -> Any:
    return wanted[0] if len(wanted) == 1 else {"$all": wanted}


def _strong_count(frequencies: Frequencies, term: str) -> int | None:
    found = frequencies.get(term)
    if found is not None:
        return found.strong
    kind, _, word = term.partition(":")
    return frequencies[word].kind if kind == "kind" and word in frequencies else None


def _anywhere_count(frequencies: Frequencies, word: str) -> int | None:
    found = frequencies.get(word)
    return found.everywhere if found is not None else None


def _fewest(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return min(known) if known else None
