"""Find a page of results: choose what the query means, gather candidates, rank them, count. Knows no cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bson import ObjectId

from cachelayer.trace import span
from catalog import candidates
from catalog.candidates import Place, Window
from catalog.documents import to_product
from catalog.errors import CatalogUnavailable
from catalog.search.cursor import NUMBERED, Cursor
from catalog.search.facets import FacetRow, Facets
from catalog.search.interpretation import interpret
from catalog.search.meaning import Interpretation, shortened, without_least_telling
from catalog.search.plan import (
    WINDOW,
    Narrowing,
    among,
    is_best_walked,
    is_short,
    narrowing_of,
    plan_everything,
    plan_phases,
)
from catalog.search.ranking import Candidate, Ranking, rank, terms_of
from catalog.search.request import PAGE_SIZE, SearchRequest, Sort
from catalog.services.faceting import Source, facets_of, source_of
from catalog.services.found import NOTHING, Choice, Page, Result
from catalog.services.numbered import Numbered, gather
from catalog.services.walking import walk
from catalog.vocabulary.postings import PostingsGone, remembering_lists
from catalog.vocabulary.store import lexicon

_TRIES = 3
_FEW = 30
"""So many results are read again for their attributes about as quickly as the lists of the values are."""
RELATED = 100
"""So many products with some of the words are ranked, for each word left out, where few have all."""


def find_page(request: SearchRequest, *, with_facets: bool = True) -> Page:
    """Return a page of results.

    Args:
        with_facets: whether the first page counts its facets.

    Raises:
        CatalogUnavailable: MongoDB does not answer.
    """
    for _ in range(_TRIES):
        try:
            with remembering_lists():
                return _find_page(request, with_facets=with_facets)
        except PostingsGone:
            # Products have been numbered anew in the middle of this search.
            lexicon.forget()
    raise CatalogUnavailable("The products are being numbered anew.")


def _find_page(request: SearchRequest, *, with_facets: bool) -> Page:
    if not request.query:
        return walk(request, None, with_facets=with_facets)
    with span("plan"):
        narrowing = narrowing_of(request)
        meanings = interpret(request.query, lexicon, as_typed=request.as_typed, beside=narrowing.terms)
    if not meanings:
        return NOTHING
    if request.after is not None:
        choice = _chosen(meanings, request.after, narrowing)
        return _page(request, choice, with_facets=with_facets)
    for choice in _choices(meanings, narrowing):
        page = _page(request, choice, with_facets=with_facets)
        if page.results or not page.complete:
            return page
    return replace(NOTHING, meaning=meanings[0])


def _page(request: SearchRequest, choice: Choice, *, with_facets: bool) -> Page:
    if request.sort is Sort.RELEVANCE:
        return _ranked(request, choice, with_facets=with_facets)
    return walk(request, choice, with_facets=with_facets)


def _choices(meanings: Sequence[Interpretation], narrowing: Narrowing) -> Iterator[Choice]:
    """Yield what to try, the likeliest first: the meanings, then the first of them with words left out.

    Words are left out only where the catalogue has nothing for all of them: where filters exclude what there is,
    the answer is that these filters match nothing.
    """
    for number, meaning in enumerate(meanings):
        yield _choice(meaning, number, narrowing)
    if narrowing != Narrowing() and _is_any(_choice(meanings[0], 0, Narrowing())):
        return
    for meaning in shortened(meanings[0]):
        yield _choice(meaning, 0, narrowing)


def _is_any(choice: Choice) -> bool:
    results = _numbered(choice)
    if results is not None:
        return any(results.sets) or bool(results.recent.ids)
    return candidates.any_match(choice.everything)


def _chosen(meanings: Sequence[Interpretation], after: Cursor, narrowing: Narrowing) -> Choice:
    number = min(after.meaning, len(meanings) - 1)
    meaning = meanings[number]
    while len(meaning.dropped) < after.dropped and (rest := without_least_telling(meaning)) is not None:
        meaning = rest
    return _choice(meaning, number, narrowing)


def _choice(meaning: Interpretation, number: int, narrowing: Narrowing) -> Choice:
    wanted = {*terms_of(meaning), *narrowing.terms}
    frequencies = dict(lexicon.stats(wanted)) if meaning.measured else {}
    everything = plan_everything(meaning, narrowing, frequencies)
    return Choice(
        meaning=meaning,
        number=number,
        everything=everything,
        frequencies=frequencies,
        narrowing=narrowing,
        is_walked=is_best_walked(everything, meaning, narrowing),
    )


def _numbered(choice: Choice, start: Place | None = None) -> Numbered | None:
    """Return all results of a choice; ``None`` where walking to them is as short or the only way."""
    if choice.is_walked or not choice.meaning.measured:
        return None
    found = gather(choice.meaning, choice.narrowing, choice.everything, start=start)
    if found is not None and not found.recent.complete and is_short(choice.everything, choice.meaning):
        # More products have changed than can join those of the lists, and a walk is bounded and meets them all.
        return None
    return found


def _window(
    choice: Choice, all_results: Numbered | None, start: Place, *, terms: Sequence[str], size: int, labelled: bool
) -> Window:
    if all_results is not None and (start == Place() or start.phase >= NUMBERED):
        return all_results.window(start, terms=terms, size=size, labelled=labelled)
    phases = plan_phases(choice.meaning, choice.narrowing, choice.frequencies)
    if start.phase >= len(phases):
        return Window((), None, complete=True)
    return candidates.find_window(phases, terms=terms, start=start, size=size, labelled=labelled)


def _ranked(request: SearchRequest, choice: Choice, *, with_facets: bool) -> Page:
    """Return a page by relevance: the candidates of one window, ranked, from an offset on."""
    after = request.after
    start = Place(after.phase, after.key, after.seen) if after is not None else Place()
    offset = after.offset if after is not None else 0
    all_results = _numbered(choice, start)
    labelled = with_facets and after is None
    window = _window(choice, all_results, start, terms=terms_of(choice.meaning), size=WINDOW, labelled=labelled)
    with span("rank"):
        ranking, ranked = rank(choice.meaning, window.candidates)
    best = ranked[offset : offset + request.limit]
    if not best and not window.complete:
        # That nothing was found in time does not mean that there is nothing.
        raise CatalogUnavailable("The search took too long.")
    if not best:
        return replace(NOTHING, meaning=choice.meaning)
    total, exact = _total(request, choice, window, all_results)
    related = _related(request, choice, ranking, best) if after is None and window.end is None else []
    page = Page(
        meaning=choice.meaning,
        results=(),
        total=total + len(related),
        exact=exact,
        next_page=_next_place(request, choice, window, start=start, offset=offset, total=total, exact=exact),
        facets=_facets(request, choice, window, all_results) if with_facets else None,
        complete=window.complete,
    )
    return replace(page, results=_results([*best, *related], full=len(best), ranking=ranking, request=request))


def _results(shown: Sequence[Candidate], *, full: int, ranking: Ranking, request: SearchRequest) -> tuple[Result, ...]:
    documents = candidates.find_by_ids([candidate.id for candidate in shown])
    return tuple(
        Result(
            to_product(documents[candidate.id]),
            score=ranking.explained(candidate) if request.explain else None,
            has_all=number < full,
        )
        for number, candidate in enumerate(shown)
        if candidate.id in documents
    )


def _related(request: SearchRequest, choice: Choice, ranking: Ranking, best: Sequence[Candidate]) -> list[Candidate]:
    """Return products that have some of the words, where few have all: as many as are missing on the first page."""
    missing = min(request.limit, PAGE_SIZE) - len(best) if choice.meaning.measured else 0
    terms = terms_of(choice.meaning)
    seen = {candidate.id for candidate in best}
    found: list[Candidate] = []
    for meaning in shortened(choice.meaning):
        if len(found) >= missing:
            break
        fewer = _choice(meaning, choice.number, narrowing_of(request))
        window = _window(fewer, _numbered(fewer), Place(), terms=terms, size=RELATED, labelled=False)
        fresh = [candidate for candidate in window.candidates if candidate.id not in seen]
        seen.update(candidate.id for candidate in fresh)
        found += ranking.ranked(fresh)[: missing - len(found)]
    return found


def _next_place(
    request: SearchRequest, choice: Choice, window: Window, *, start: Place, offset: int, total: int, exact: bool
) -> Cursor | None:
    shown_until = offset + request.limit
    if shown_until < len(window.candidates):
        place, next_offset = start, shown_until
    elif window.end is not None:
        place, next_offset = window.end, 0
    else:
        return None
    return Cursor(
        sort=request.sort.value,
        key=place.key,
        seen=place.seen,
        total=total,
        total_relation="eq" if exact else "gte",
        phase=place.phase,
        offset=next_offset,
        meaning=choice.number,
        dropped=len(choice.meaning.dropped),
    )


def _total(request: SearchRequest, choice: Choice, window: Window, all_results: Numbered | None) -> tuple[int, bool]:
    if request.after is not None:
        return request.after.total, request.after.total_relation == "eq"
    if window.end is None:
        return len(window.candidates), window.complete
    if all_results is not None:
        value, exact = all_results.total()
        return max(value, len(window.candidates) + 1), exact
    count = candidates.count_matches(choice.everything)
    return max(count.value, len(window.candidates) + 1), count.exact


def _facets(request: SearchRequest, choice: Choice, window: Window, all_results: Numbered | None) -> Facets:
    def matched(wanted: SearchRequest) -> Source:
        wider = _choice(choice.meaning, choice.number, narrowing_of(wanted))
        return source_of(wider.everything, _numbered(wider))

    is_all = window.end is None and window.complete and request.after is None
    rows = _rows(window)
    if is_all:
        phase = among(choice.everything, [ObjectId(candidate.id) for candidate in window.candidates])
        # Attributes are not at hand: of more than a few products, the lists tell them sooner.
        by_lists = all_results is not None and all_results.counts_all and len(rows) > _FEW
        shown = Source(phase, all_results if by_lists else None, rows=rows, whole=True)
    elif request.after is None and all_results is not None and all_results.is_countable:
        # The candidates at hand are the first results.
        shown = Source(choice.everything, all_results, rows=rows)
    else:
        shown = source_of(choice.everything, all_results)
    return facets_of(request, matched, shown=shown)


def _rows(window: Window) -> list[FacetRow]:
    return [candidate.labels for candidate in window.candidates if candidate.labels is not None]
