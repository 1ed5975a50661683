"""Find a page of results: choose what the query means, gather candidates, rank them, count. Knows no cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from time import perf_counter

from bson import ObjectId

from cachelayer.trace import span
from catalog import candidates, mongo
from catalog.candidates import Place, Window
from catalog.documents import to_product
from catalog.errors import CatalogUnavailable, InvalidParameter
from catalog.search.cursor import NUMBERED, PRICED, Cursor
from catalog.search.facets import FacetRow, Facets
from catalog.search.interpretation import interpret
from catalog.search.meaning import Interpretation, shortened, without_least_telling
from catalog.search.plan import (
    WINDOW,
    Narrowing,
    is_best_walked,
    is_short,
    narrowing_of,
    plan_everything,
    plan_phases,
)
from catalog.search.ranking import Candidate, Ranking, rank, terms_of
from catalog.search.request import PAGE_SIZE, SearchRequest, Sort
from catalog.services.faceting import Source, facets_of, source_of, tells_counts
from catalog.services.found import NOTHING, Choice, Page, Result
from catalog.services.numbered import Numbered, gather
from catalog.services.walking import walk
from catalog.vocabulary.postings import PostingsGone, read_ids, remembering_lists
from catalog.vocabulary.store import lexicon

_CHANGED = "What is sold here has changed meanwhile; start again without it."
_TRIES = 3
_SPARE = 10
"""So many products more than are wanted are read where some of them may not match."""
_WINDOWS = 4
"""So many windows are looked at for a page, where much of what the lists tell of no longer matches; more only until
something does."""


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
        is_walked=is_best_walked(everything, meaning),
    )


def _numbered(choice: Choice, start: Place | None = None, *, enough: int | None = None) -> Numbered | None:
    """Return all results of a choice; ``None`` where walking to them is as short or the only way.

    Args:
        enough: so many will do, the most popular ones.
    """
    if choice.is_walked or not choice.meaning.measured:
        return None
    found = gather(choice.meaning, choice.narrowing, choice.everything, start=start, enough=enough)
    if found is not None and not found.recent.complete and is_short(choice.everything, choice.meaning):
        # More products have changed than can join those of the lists, and a walk is bounded and meets them all.
        return None
    return found


def _window(
    choice: Choice,
    all_results: Numbered | None,
    start: Place,
    *,
    meaning: Interpretation,
    deadline: float,
    labelled: bool = False,
) -> Window:
    """Return the candidates of a place, to be ranked for ``meaning``."""
    is_numbered = start.group > 0 or start.phase >= NUMBERED
    if all_results is not None and (is_numbered or start == Place()):
        return all_results.window(start, meaning, deadline=deadline, labelled=labelled)
    if is_numbered:
        raise InvalidParameter("after", _CHANGED)
    is_priced = start.phase == PRICED
    phases = (
        plan_phases(choice.meaning, choice.narrowing, choice.frequencies) if not is_priced else (choice.everything,)
    )
    start = start if not is_priced else Place()
    if start.phase >= len(phases):
        return Window((), None, complete=True)
    return candidates.find_window(
        phases, terms=terms_of(meaning), start=start, size=WINDOW, deadline=deadline, labelled=labelled
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a page shows of the candidates, and where the next one begins.

    Attributes:
        first: the window that the page begins in.
        ranking: of that window.
        ranked: each candidate with the ranking of its own window.
        complete: whether all windows were, and none was left to the next page because time ran out.
    """

    first: Window
    ranking: Ranking
    ranked: list[tuple[Candidate, Ranking]]
    end: tuple[Place, int] | None
    complete: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """What a page shows, and what it shows after that, which has some of the words only."""

    shown: _Shown
    related: list[tuple[Candidate, Ranking]]


def _shown(
    request: SearchRequest, choice: Choice, all_results: Numbered | None, place: Place, *, labelled: bool
) -> _Shown:
    """Rank one window after the other until the page is full: some of what the lists tell of may no longer match.

    Args:
        place: where the first window begins.
    """
    after = request.after
    offset = after.offset if after is not None else 0
    windows: list[tuple[Window, Ranking]] = []
    shown: list[tuple[Candidate, Ranking]] = []
    end: tuple[Place, int] | None = place, offset
    deadline = candidates.deadline()
    is_late = False
    while end is not None and len(shown) < request.limit:
        is_late = bool(windows) and perf_counter() > deadline
        if is_late or (shown and len(windows) >= _WINDOWS):
            break
        if (end[0].phase, end[0].key) != (place.phase, place.key):
            # What has to be known of results, to tell which come first, differs from block to block.
            all_results = _numbered(choice, end[0])
        place, offset = end
        window = _window(
            choice,
            all_results,
            place,
            meaning=choice.meaning,
            deadline=deadline,
            labelled=labelled and not windows,
        )
        is_late = bool(windows) and not window.complete and not window.candidates
        if is_late:
            break  # The next page begins with it.
        with span("rank"):
            ranking, ranked = rank(choice.meaning, window.candidates)
        windows.append((window, ranking))
        wanted = offset + request.limit - len(shown)
        shown += [(candidate, ranking) for candidate in ranked[offset:wanted]]
        following = (window.end, 0) if window.end is not None else None
        end = (place, wanted) if wanted < len(ranked) else following
    complete = not is_late and all(window.complete for window, _ in windows)
    return _Shown(*windows[0], shown, end, complete)


def _ranked(request: SearchRequest, choice: Choice, *, with_facets: bool) -> Page:
    """Return a page by relevance: the candidates of one window, ranked, from an offset on."""
    after = request.after
    start = Place(after.phase, after.key, after.seen, after.group) if after is not None else Place()
    all_results = _numbered(choice, start)
    if start.phase == PRICED or (after is None and all_results is not None and all_results.is_vague):
        within = _within_prices(choice, is_needed=start.phase == PRICED)
        if within is not None:
            choice, all_results, start = within, None, Place(PRICED)
    labelled = with_facets and after is None
    found = _few(request, choice, all_results, labelled=labelled) if after is None and all_results is not None else None
    shown = _shown(request, choice, all_results, start, labelled=labelled) if found is None else found.shown
    window, best = shown.first, shown.ranked
    if not best and (shown.end is not None or not shown.complete):
        # That nothing was found in time does not mean that there is nothing.
        raise CatalogUnavailable("The search took too long.")
    if not best:
        return replace(NOTHING, meaning=choice.meaning)
    total, exact = _total(request, choice, window, all_results)
    related = found.related if found is not None else []
    if found is None and after is None and window.end is None:
        related = _related(request, choice, shown)
    page = Page(
        meaning=choice.meaning,
        results=(),
        total=total + len(related),
        exact=exact,
        next_page=_next_place(request, choice, shown.end, total=total, exact=exact),
        facets=_facets(request, choice, window, all_results) if with_facets else None,
        complete=shown.complete,
    )
    return replace(page, results=_results([*best, *related], full=len(best), request=request))


def _within_prices(choice: Choice, *, is_needed: bool) -> Choice | None:
    """Return the choice of few products that a narrow range of prices leaves; ``None`` where that is not to be had.

    Args:
        is_needed: whether the pages before were of these products, and cannot be gone on with otherwise.
    """
    try:
        within = candidates.find_within_prices(choice.everything, most=WINDOW)
    except mongo.OutOfTime:
        if is_needed:
            raise CatalogUnavailable("The search took too long.") from None
        return None
    if within is None and is_needed:
        raise InvalidParameter("after", _CHANGED)
    return replace(choice, everything=within, is_walked=True) if within is not None else None


def _results(shown: Sequence[tuple[Candidate, Ranking]], *, full: int, request: SearchRequest) -> tuple[Result, ...]:
    documents = {each.id: each.document for each, _ in shown if each.document is not None}
    documents |= candidates.find_by_ids([each.id for each, _ in shown if each.document is None])
    return tuple(
        Result(
            to_product(documents[candidate.id]),
            score=ranking.explained(candidate) if request.explain else None,
            has_all=number < full,
        )
        for number, (candidate, ranking) in enumerate(shown)
        if candidate.id in documents
    )


@dataclass(frozen=True, slots=True)
class _Fewer:
    """Products that have some of the words, the likeliest with most of them.

    Attributes:
        candidates: those that were walked to.
        by_id, numbers: how many of the meanings with fewer and fewer words come before the one that each is a result
            of, those that were walked to and that have changed, and others by number.
        results: of the fewest words, with a query that matches all of those and what has all words; ``None`` where all
            were walked to.
    """

    candidates: list[Candidate]
    by_id: dict[str, int]
    numbers: dict[int, int]
    results: Numbered | None


def _with_fewer_words(choice: Choice, *, most: int, deadline: float) -> _Fewer:
    """Find about ``most`` products that have all words but the least telling, and then ever fewer."""
    found: list[Candidate] = []
    by_id: dict[str, int] = {}
    numbers: dict[int, int] = {}
    last: Numbered | None = None
    phases = [choice.everything]
    for place, meaning in enumerate(shortened(choice.meaning)):
        if len(by_id) + len(numbers) >= most:
            break
        fewer = _choice(meaning, choice.number, choice.narrowing)
        phases.append(fewer.everything)
        results = _numbered(fewer, enough=most)
        if results is None:
            window = _window(fewer, None, Place(), meaning=choice.meaning, deadline=deadline)
            fresh = [candidate for candidate in window.candidates if candidate.id not in by_id]
            found += fresh
            by_id |= {candidate.id: place for candidate in fresh}
        else:
            last = results
            by_id = {str(each): place for each in results.recent.ids} | by_id
            numbers = dict.fromkeys(results.best(choice.meaning, most), place) | numbers
    if last is not None and any(want.parts for want in choice.meaning.wants):
        # What has a synonym of several words together need not have those of them that are left.
        last = replace(last, everything=replace(last.everything, filter={"$or": [phase.filter for phase in phases]}))
    return _Fewer(found, by_id, numbers, last)


def _few(request: SearchRequest, choice: Choice, results: Numbered, *, labelled: bool) -> _Found | None:
    """Return few results together with products that have some of the words, all read at once.

    ``None`` where there are none, or may be enough for a page, or some of the others have to be walked to.
    """
    wanted = _wanted_at_least(request)
    if not 0 < results.size + len(results.recent.ids) < wanted:
        return None
    fewer = _with_fewer_words(choice, most=wanted + _SPARE, deadline=candidates.deadline())
    if fewer.candidates or fewer.results is None or fewer.results.state != results.state:
        return None
    numbers = dict.fromkeys((*chain.from_iterable(results.sets), *fewer.numbers))
    ids = dict(zip(numbers, read_ids(results.state, numbers), strict=True))
    known = {*ids.values(), *results.recent.ids, *fewer.results.recent.ids}
    try:
        read = fewer.results.find(known, choice.meaning, deadline=candidates.deadline(), labelled=labelled)
    except mongo.OutOfTime:
        return _Found(_Shown(Window((), None, complete=False), Ranking(choice.meaning), [], None, complete=False), [])
    has_all = Ranking(choice.meaning).has_all
    window = Window(tuple(filter(has_all, read)), None, complete=results.recent.complete)
    with span("rank"):
        ranking, ranked = rank(choice.meaning, window.candidates)
        shown = _Shown(window, ranking, [(each, ranking) for each in ranked], None, complete=window.complete)
        places = {str(ids[number]): place for number, place in fewer.numbers.items()} | fewer.by_id
        others = [candidate for candidate in read if not has_all(candidate) and candidate.id in places]
        return _Found(shown, _first_of(others, places, ranking, most=wanted - len(ranked)))


def _related(request: SearchRequest, choice: Choice, shown: _Shown) -> list[tuple[Candidate, Ranking]]:
    """Return products that have some of the words, where few have all: as many as are missing on the first page."""
    missing = _wanted_at_least(request) - len(shown.ranked) if choice.meaning.measured else 0
    if missing <= 0:
        return []
    seen = {candidate.id for candidate, _ in shown.ranked}
    deadline = candidates.deadline()
    fewer = _with_fewer_words(choice, most=missing + len(seen) + _SPARE, deadline=deadline)
    found, places = fewer.candidates, fewer.by_id
    if fewer.results is not None:
        # All of them at once: what was found with fewer words left out, that query matches as well.
        ids = read_ids(fewer.results.state, fewer.numbers)
        places = {str(each): place for each, place in zip(ids, fewer.numbers.values(), strict=True)} | places
        known = {*seen, *(candidate.id for candidate in found)}
        with suppress(mongo.OutOfTime):
            wanted = [ObjectId(each) for each in places if each not in known]
            found = [*found, *fewer.results.find(wanted, choice.meaning, deadline=deadline)]
    fresh = [candidate for candidate in found if candidate.id not in seen]
    return _first_of(fresh, places, shown.ranking, most=missing)


def _wanted_at_least(request: SearchRequest) -> int:
    """Return how many products the first page shows, if need be with some of the words only."""
    return min(request.limit, PAGE_SIZE)


def _first_of(
    found: Sequence[Candidate], places: Mapping[str, int], ranking: Ranking, *, most: int
) -> list[tuple[Candidate, Ranking]]:
    """Return the best of what has some of the words: those of which fewer words were left out first."""
    ranked = sorted(ranking.ranked(found), key=lambda candidate: places[candidate.id])
    return [(candidate, ranking) for candidate in ranked[:most]]


def _next_place(
    request: SearchRequest, choice: Choice, end: tuple[Place, int] | None, *, total: int, exact: bool
) -> Cursor | None:
    if end is None:
        return None
    place, offset = end
    return Cursor(
        sort=request.sort.value,
        key=place.key,
        seen=place.seen,
        total=total,
        total_relation="eq" if exact else "gte",
        phase=place.phase,
        group=place.group,
        offset=offset,
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

    def first() -> Sequence[FacetRow]:
        """Return the rows of the first candidates, whatever the page, so that all pages offer the same values."""
        if request.after is None:
            return _rows(window)
        whole, deadline = _numbered(choice), candidates.deadline()
        return _rows(_window(choice, whole, Place(), meaning=choice.meaning, deadline=deadline, labelled=True))

    if window.end is None and window.complete and request.after is None:
        shown = Source(choice.everything, rows=_rows(window))
    elif all_results is not None and tells_counts(all_results):
        shown = Source(choice.everything, all_results, first=first)
    else:
        # The same products are counted whatever the page.
        shown = source_of(choice.everything, all_results if request.after is None else _numbered(choice))
    return facets_of(request, matched, shown=shown)


def _rows(window: Window) -> list[FacetRow]:
    return [candidate.labels for candidate in window.candidates if candidate.labels is not None]
