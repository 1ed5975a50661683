"""Pages in a stored order: by price, rating or age, and lists without words. Nothing is ranked."""

from __future__ import annotations

from catalog import candidates
from catalog.candidates import Key
from catalog.documents import to_product
from catalog.search.cursor import Cursor
from catalog.search.facets import Facets
from catalog.search.index_keys import ANY_TERM
from catalog.search.plan import Phase, PhaseName, SearchPlan, is_short, narrowing_of, plan_everything, plan_walk
from catalog.search.request import SearchRequest
from catalog.services.faceting import Source, facets_of, source_of
from catalog.services.found import Choice, Page, Result
from catalog.services.numbered import Numbered, gather


def walk(request: SearchRequest, choice: Choice | None, *, with_facets: bool = True) -> Page:
    """Return a page in the order of ``request``.

    Where all results are few, they are put in order here: those with a word in the description alone are among
    them, which only the index by relevance knows, and a rare price does not make the walk a long one. Where they
    are many, they are those with all words in name, brand, type or category, straight from the index.

    Args:
        choice: what the query means; ``None`` without words.
    """
    words = [term for want in choice.meaning.wants for term in want.terms] if choice else []
    plan = plan_walk(request, words, choice.frequencies if choice else {})
    matched = choice.everything if choice else _phase_of(plan)
    results = _numbered(request, choice, matched)
    few = _few(matched, plan, results) if choice or plan.checks_price_late or results is not None else None
    if few is None:
        matched = _phase_of(plan)
        found = candidates.find_keys(plan, limit=request.limit + 1)
    else:
        found = _from_place(request, few, plan)
    shown, has_more = found[: request.limit], len(found) > request.limit
    documents = candidates.find_by_ids([key.id for key in shown])
    counts = with_facets and bool(shown)
    total, exact = _total(request, matched, few, results, shown=len(shown), has_more=has_more)
    return Page(
        meaning=choice.meaning if choice else None,
        results=tuple(Result(to_product(documents[key.id])) for key in shown if key.id in documents),
        total=total,
        exact=exact,
        next_page=_end(request, choice, shown, total=total, exact=exact) if has_more else None,
        facets=_facets(request, choice, words, is_few=few is not None) if counts else None,
    )


def _numbered(request: SearchRequest, choice: Choice | None, everything: Phase) -> Numbered | None:
    """Return all results where a walk to them may be a long one: with words, or several filters."""
    if choice is not None:
        if choice.is_short or not choice.meaning.measured:
            return None
        return gather(choice.meaning, choice.narrowing, everything)
    narrowing = narrowing_of(request)
    filters = len(narrowing.terms) + len(narrowing.groups) + len(narrowing.conditions)
    return gather(None, narrowing, everything) if filters > 1 or request.attributes else None


def _few(matched: Phase, plan: SearchPlan, results: Numbered | None) -> list[Key] | None:
    """Return all results in the order of ``plan``; ``None`` where they are many."""
    if results is None:
        return candidates.find_few(matched, plan)
    chosen = results.first(candidates.FEW)
    return None if chosen.cut else candidates.find_few(chosen, plan)


def _facets(request: SearchRequest, choice: Choice | None, words: list[str], *, is_few: bool) -> Facets:
    def matched(wanted: SearchRequest) -> Source:
        narrowing = narrowing_of(wanted)
        if choice is None:
            phase = _phase_of(plan_walk(wanted))
            return source_of(phase, _numbered(wanted, None, phase))
        phase = plan_everything(choice.meaning, narrowing, choice.frequencies)
        results = None if is_short(phase, choice.meaning) else gather(choice.meaning, narrowing, phase)
        if results is None and not is_few:
            phase = _phase_of(plan_walk(wanted, words, choice.frequencies))
        return source_of(phase, results, strong_only=not is_few)

    return facets_of(request, matched, shown=matched(request))


def _phase_of(plan: SearchPlan) -> Phase:
    hint = candidates.PRICE_INDEX if plan.checks_price_late else plan.hint
    alone = plan.filter or {"terms": ANY_TERM}
    return Phase(PhaseName.STRONG, alone, hint, None)


def _from_place(request: SearchRequest, few: list[Key], plan: SearchPlan) -> list[Key]:
    """Return the results from this page on."""
    after = request.after
    if after is None:
        return few
    end = after.key * plan.direction
    return [key for key in few if key.order * plan.direction >= end and key.id not in after.seen]


def _total(
    request: SearchRequest,
    matched: Phase,
    few: list[Key] | None,
    results: Numbered | None,
    *,
    shown: int,
    has_more: bool,
) -> tuple[int, bool]:
    if request.after is not None:
        return request.after.total, request.after.total_relation == "eq"
    if few is not None:
        return len(few), True
    if not has_more:
        return shown, True
    if results is not None:
        value, is_exact = results.total(strong_only=True)
        return max(value, shown + 1), is_exact
    count = candidates.count_matches(matched)
    return max(count.value, shown + 1), count.exact


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
