"""Pages in a stored order: by price, rating, age or popularity, and lists without words. Nothing is ranked."""

from __future__ import annotations

from dataclasses import dataclass

from catalog import candidates, mongo
from catalog.candidates import Few, Key
from catalog.documents import to_product
from catalog.errors import CatalogUnavailable
from catalog.search.cursor import Cursor
from catalog.search.facets import Facets
from catalog.search.index_keys import ANY_TERM
from catalog.search.plan import (
    Narrowing,
    Phase,
    PhaseName,
    SearchPlan,
    is_short,
    narrowing_of,
    plan_everything,
    plan_walk,
)
from catalog.search.request import SearchRequest
from catalog.services.faceting import Source, facets_of, source_of
from catalog.services.found import Choice, Page, Result
from catalog.services.numbered import Numbered, gather


@dataclass(frozen=True, slots=True)
class _Results:
    """All results of a request in a stored order.

    Attributes:
        phase: matches them.
        numbered: the same by number; ``None`` where they are not known by number, or are best walked to.
        strong_only: whether they are only what has all words in name, brand, type or category.
        has_index: whether the index of the order leads to all of them.
    """

    phase: Phase
    numbered: Numbered | None
    strong_only: bool
    has_index: bool


def walk(request: SearchRequest, choice: Choice | None, *, with_facets: bool = True) -> Page:
    """Return a page in the order of ``request``.

    The index of an order knows the words in name, brand, type and category. Where many products have all words
    there, whatever the filters, these products are the results, straight from the index. Where few do, those with a
    word in another field are among the results, of which a bounded number is put in order here.

    Args:
        choice: what the query means; ``None`` without words.

    Raises:
        CatalogUnavailable: MongoDB does not answer, or finds nothing in time.
    """
    plan = plan_walk(request, *((choice.meaning, choice.frequencies) if choice else ()))
    results = _results(request, choice)
    few = _few(results, plan)
    if results.strong_only and few is not None and not few.keys:
        # The filters leave only products with a word elsewhere.
        results = _results(request, choice, strong_only=False)
        few = _few(results, plan)
    found, complete = _from_place(request, few, plan), few is None or few.whole
    if few is None:
        try:
            found = candidates.find_keys(plan, limit=request.limit + 1)
        except mongo.OutOfTime:
            few, complete = _few(results, plan, anyway=True), False
            if few is None:
                raise CatalogUnavailable("The search took too long.") from None
            found = _from_place(request, few, plan)
    shown, has_more = found[: request.limit], len(found) > request.limit
    documents = candidates.find_by_ids([key.id for key in shown])
    total, exact = _total(request, results, few, shown=len(shown), has_more=has_more, complete=complete)
    return Page(
        meaning=choice.meaning if choice else None,
        results=tuple(Result(to_product(documents[key.id])) for key in shown if key.id in documents),
        total=total,
        exact=exact,
        next_page=_end(request, choice, shown, total=total, exact=exact) if has_more else None,
        facets=_facets(request, choice, results) if with_facets and shown else None,
        complete=complete,
        strong_only=results.strong_only,
    )


def _results(
    request: SearchRequest, choice: Choice | None, *, strong_only: bool | None = None, to_count: bool = False
) -> _Results:
    """Return all results of a request.

    Args:
        strong_only: whether all words have to be in name, brand, type or category; ``None`` to find out.
        to_count: whether they are counted, for which they have to be known by number however short a walk is.
    """
    narrowing = narrowing_of(request)
    if choice is None:
        phase = _phase_of(plan_walk(request))
        filters = len(narrowing.terms) + len(narrowing.groups) + len(narrowing.conditions)
        is_long = filters > 1 or bool(request.attributes) or to_count
        narrowing = narrowing if filters else Narrowing((ANY_TERM,))
        return _Results(phase, gather(None, narrowing, phase) if is_long else None, strong_only=False, has_index=True)
    meaning, frequencies = choice.meaning, choice.frequencies
    everything = plan_everything(meaning, narrowing, frequencies)
    is_rare = is_short(plan_everything(meaning, Narrowing(), frequencies), meaning)
    is_numbered = meaning.measured and not is_rare
    numbered = gather(meaning, narrowing, everything, with_strong=True, first=candidates.FEW) if is_numbered else None
    if strong_only is None:
        strong_only = not is_rare and _are_many_strong(request, choice, numbered)
    if not strong_only:
        return _Results(everything, numbered, strong_only=False, has_index=False)
    phase = _phase_of(plan_walk(request, meaning, frequencies))
    return _Results(
        phase, numbered.only_strong(phase) if numbered is not None else None, strong_only=True, has_index=True
    )


def _are_many_strong(request: SearchRequest, choice: Choice, numbered: Numbered | None) -> bool:
    """Tell whether many products have all words in name, brand, type or category.

    Filters do not matter: with one more of them, the results must not be other ones.
    """
    if numbered is not None:
        return numbered.strong_anyway > candidates.FEW
    plan = plan_walk(SearchRequest(query=request.query, sort=request.sort), choice.meaning, choice.frequencies)
    count = candidates.count_matches(_phase_of(plan))
    return count.value > candidates.FEW or not count.exact


def _few(results: _Results, plan: SearchPlan, *, anyway: bool = False) -> Few | None:
    """Return the results in the order of ``plan``, the first of them where they are many and no index has them all.

    ``None`` where the index leads to them.

    Args:
        anyway: the index takes too long.

    Raises:
        CatalogUnavailable: no index has them all, and they are not found in time.
    """
    if results.numbered is not None:
        if results.has_index and not anyway and results.numbered.size > candidates.FEW:
            return None
        few = candidates.find_few(results.numbered.first(candidates.FEW), plan)
    elif not results.has_index or results.strong_only or plan.checks_price_late:
        few = candidates.find_few(results.phase, plan)
    else:
        return None
    if few is None and not results.has_index:
        raise CatalogUnavailable("The search took too long.")
    is_cut = few is not None and not few.whole
    return None if is_cut and results.has_index and not anyway else few


def _facets(request: SearchRequest, choice: Choice | None, shown: _Results) -> Facets:
    def matched(wanted: SearchRequest) -> Source:
        is_known = wanted is request and (choice is not None or shown.numbered is not None)
        results = shown if is_known else _results(wanted, choice, strong_only=shown.strong_only, to_count=True)
        return source_of(results.phase, results.numbered)

    return facets_of(request, matched, shown=matched(request))


def _phase_of(plan: SearchPlan) -> Phase:
    hint = candidates.PRICE_INDEX if plan.checks_price_late else plan.hint
    alone = plan.filter or {"terms": ANY_TERM}
    return Phase(PhaseName.STRONG, alone, hint, None)


def _from_place(request: SearchRequest, few: Few | None, plan: SearchPlan) -> list[Key]:
    """Return the results from this page on."""
    keys, after = few.keys if few is not None else [], request.after
    if after is None:
        return keys
    end = after.key * plan.direction
    return [key for key in keys if key.order * plan.direction >= end and key.id not in after.seen]


def _total(
    request: SearchRequest, results: _Results, few: Few | None, *, shown: int, has_more: bool, complete: bool
) -> tuple[int, bool]:
    if request.after is not None:
        return request.after.total, request.after.total_relation == "eq"
    if complete and (few is not None or not has_more):
        return len(few.keys) if few is not None else shown, True
    least = len(few.keys) if few is not None else shown + 1
    if results.numbered is not None:
        value, is_exact = results.numbered.total()
        return max(value, least), is_exact and complete
    if not complete:
        return least, False
    count = candidates.count_matches(results.phase)
    return max(count.value, least), count.exact


def _end(request: SearchRequest, choice: Choice | None, shown: list[Key], *, total: int, exact: bool) -> Cursor:
    last = shown[-1].order
    seen = tuple(key.id for key in shown if key.order == last)
    before = request.after
    if before is not None and before.key == last:
        seen = (*before.seen, *seen)
    return Cursor(
        sort=request.sort.value,
        key=last,
        seen=seen,
        total=total,
        total_relation="eq" if exact else "gte",
        meaning=choice.number if choice else 0,
        dropped=len(choice.meaning.dropped) if choice else 0,
    )
