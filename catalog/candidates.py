"""Reads of search on ``products``: candidates to be ranked, the products of a page, counts. Each has a bounded time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from bson import ObjectId
from django.conf import settings

from catalog import mongo
from catalog.indexes import PRODUCTS
from catalog.search.facets import FacetRow
from catalog.search.index_keys import ANY_TERM
from catalog.search.plan import BY_ID, LAST_KEY, TOTAL_CAP, Phase, SearchPlan, after_place, among
from catalog.search.ranking import Candidate

_COUNT_SHARE = 0.2
_FACET_SHARE = 0.4
"""Shares of the budget of a search, on top of it: its total and its facets are worth less than its products."""
_PRICE_SHARE = 0.4
"""So much of the budget a look along the index of prices may take."""
FACET_SAMPLE = 500
"""Facet values are counted over at most this many results, the first in order of popularity."""
FEW = 1_000
"""Up to this many results are put in order here rather than found in order."""
PRICE_INDEX = "terms_price"
_RANKED = ("words", "spans", "impacts", "brand", "product_type", "category", "stock", "order.popularity")
"""What ranking needs of a product."""
_LABELS = ("brand", "category_path", "price", "rating", "attributes")
"""What facets count of a product, besides its stock."""
_WHOLE = {"terms": 0, "analyzer": 0}
_NOT_SHOWN = dict.fromkeys(("terms", "words", "spans", "impacts", "order", "analyzer"), 0)
"""What search alone needs of a product."""


@dataclass(frozen=True, slots=True)
class Key:
    """A result by its id, with its key in the order asked for."""

    id: str
    order: int


@dataclass(frozen=True, slots=True)
class Few:
    """Results in the order asked for.

    Attributes:
        whole: whether these are all.
    """

    keys: list[Key]
    whole: bool


@dataclass(frozen=True, slots=True)
class Count:
    """A number of results: exact, or at least that many."""

    value: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the candidates: a phase, the key of the last one before it, and those with this very key.

    Attributes:
        group: which group of the candidates that follow, where these are put in groups before they are read.
    """

    phase: int = 0
    key: int = LAST_KEY
    seen: tuple[str, ...] = ()
    group: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Candidates that are ranked together.

    Attributes:
        end: where the next window begins; ``None`` where nothing follows.
        complete: whether all phases answered in time.
    """

    candidates: tuple[Candidate, ...]
    end: Place | None
    complete: bool


def find_window(
    phases: Sequence[Phase],
    *,
    terms: Sequence[str],
    start: Place,
    size: int,
    deadline: float,
    labelled: bool = True,
) -> Window:
    """Return the next ``size`` candidates from ``start`` on.

    Args:
        terms: whose places in each product ranking wants to know.
        deadline: the moment until which it may take.
        labelled: whether facets are wanted, and so the labels of each candidate.
    """
    found: list[Candidate] = []
    try:
        for number in range(start.phase, len(phases)):
            place = start if number == start.phase else Place(phase=number)
            limit = size + 1 - len(found)
            rows = _find(phases[number], terms=terms, place=place, limit=limit, deadline=deadline, labelled=labelled)
            found += rows
            if len(found) > size:
                return Window(tuple(found[:size]), _end_of(rows[:-1], begin=place), complete=True)
    except mongo.OutOfTime:
        return Window(tuple(found), None, complete=False)
    return Window(tuple(found), None, complete=True)


def deadline() -> float:
    """Return the moment until which a search that begins now may take."""
    return perf_counter() + settings.SEARCH_BUDGET_MS / 1000


def find_among(phase: Phase, *, terms: Sequence[str], deadline: float, labelled: bool = True) -> list[Candidate]:
    """Return all candidates of a phase whose products are known by their ids, whole, in the static order.

    Raises:
        mongo.OutOfTime: it takes until after ``deadline``.
    """
    return _find(phase, terms=terms, place=Place(), limit=phase.most or 0, deadline=deadline, labelled=labelled)


def _end_of(rows: list[Candidate], *, begin: Place) -> Place:
    """Return the place behind ``rows`` of a phase; where they are none, the window was full when it began."""
    if not rows:
        return begin
    key = rows[-1].key
    seen = tuple(row.id for row in rows if row.key == key)
    return Place(begin.phase, key, (*begin.seen, *seen) if key == begin.key else seen)


def _find(
    phase: Phase, *, terms: Sequence[str], place: Place, limit: int, deadline: float, labelled: bool
) -> list[Candidate]:
    # The words come whole and are looked through here: an $indexOfArray for each term takes MongoDB about as long as
    # the rest of the query.
    with mongo.searching() as database:
        wanted = after_place(phase, key=place.key, seen=place.seen)
        if phase.hint == BY_ID:
            # They are few, no index has them in order, and some of them will be shown.
            cursor = database[PRODUCTS].find(wanted, _WHOLE).hint(phase.hint).max_time_ms(_left_ms(deadline))
            documents = sorted(
                cursor.batch_size(limit + 1), key=lambda document: -int(document["order"]["popularity"])
            )[:limit]
            return [_candidate(document, terms, labelled=labelled, whole=document) for document in documents]
        cursor = database[PRODUCTS].find(wanted, dict.fromkeys((*_RANKED, *_LABELS) if labelled else _RANKED, 1))
        cursor = cursor.hint(phase.hint).max_time_ms(_left_ms(deadline))
        ordered = cursor.sort([("order.popularity", -1)]).limit(limit).batch_size(limit)
        return [_candidate(document, terms, labelled=labelled) for document in ordered]


def _candidate(
    document: Mapping[str, Any], terms: Sequence[str], *, labelled: bool, whole: Mapping[str, Any] | None = None
) -> Candidate:
    words = document.get("words", ())
    places = dict(zip(words, range(len(words)), strict=True))
    # By place, and in one go: dozens of them are made for a search.
    return Candidate(
        str(document["_id"]),
        document["order"]["popularity"],
        words,
        [places.get(term, -1) for term in terms],
        document.get("spans", 0),
        document.get("impacts", ""),
        document["brand"],
        document["product_type"],
        document["category"],
        document["stock"],
        _row(document) if labelled else None,
        whole,
    )


def _row(document: Mapping[str, Any]) -> FacetRow:
    return FacetRow(
        document["brand"],
        tuple(document["category_path"]),
        document["price"],
        document["rating"],
        document["stock"],
        document.get("attributes", {}),
    )


def _share(share: float) -> int:
    return max(int(settings.SEARCH_BUDGET_MS * share), 1)


def _left_ms(deadline: float) -> int:
    left = int((deadline - perf_counter()) * 1000)
    if left < 1:
        raise mongo.OutOfTime("no time is left")
    return left


def any_match(phase: Phase) -> bool:
    """Tell whether any product matches; where that cannot be told in time, it counts as none."""
    try:
        with mongo.searching() as database:
            found = database[PRODUCTS].find_one(
                phase.filter, {"_id": 1}, hint=phase.hint, max_time_ms=settings.SEARCH_BUDGET_MS
            )
    except mongo.OutOfTime:
        return False
    return found is not None


def find_by_ids(identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the stored products of a page by id, without what search alone needs."""
    wanted = [ObjectId(identifier) for identifier in identifiers]
    if not wanted:
        return {}
    with mongo.reading() as database:
        cursor = database[PRODUCTS].find({"_id": {"$in": wanted}}, _NOT_SHOWN)
        return {str(document["_id"]): document for document in cursor}


def find_keys(plan: SearchPlan, *, limit: int) -> list[Key]:
    """Return the next ``limit`` results of a walk, in its order.

    Raises:
        mongo.OutOfTime: the walk to them takes longer than a search may.
    """
    with mongo.searching() as database:
        cursor = (
            database[PRODUCTS]
            .find(plan.page_filter, {plan.order_field: 1})
            .sort([(plan.order_field, plan.direction)])
            .hint(plan.hint)
            .limit(limit)
            .batch_size(limit)
            .max_time_ms(settings.SEARCH_BUDGET_MS)
        )
        return _keys(list(cursor), plan)


def within_prices(matched: Phase) -> dict[str, Any]:
    """Return the filter of a phase with a term, by which the index of prices can be walked along."""
    return {"terms": ANY_TERM, **matched.filter}


def find_within_prices(matched: Phase, *, most: int) -> Phase | None:
    """Return the query that looks up the results whose price lies in a narrow range, found along the index of prices.

    ``None`` where they are more than ``most``.

    Raises:
        mongo.OutOfTime: they cannot be found in time.
    """
    with mongo.searching() as database:
        rows = (
            database[PRODUCTS]
            .find(within_prices(matched), {"_id": 1})
            .hint(PRICE_INDEX)
            .limit(most + 1)
            .batch_size(most + 2)
        )
        found = [row["_id"] for row in rows.max_time_ms(_share(_PRICE_SHARE))]
    return among(matched, found) if len(found) <= most else None


def find_few(matched: Phase, plan: SearchPlan) -> Few | None:
    """Return up to :data:`FEW` results in the order of ``plan``; ``None`` where they cannot be found in time."""
    try:
        with mongo.searching() as database:
            cursor = (
                database[PRODUCTS]
                .find(matched.filter, {plan.order_field: 1})
                .hint(matched.hint)
                .limit(FEW + 1)
                .batch_size(FEW + 1)
                .max_time_ms(settings.SEARCH_BUDGET_MS)
            )
            documents = list(cursor)
    except mongo.OutOfTime:
        return None
    keys = sorted(_keys(documents[:FEW], plan), key=lambda key: (key.order * plan.direction, key.id))
    return Few(keys, whole=len(documents) <= FEW and not matched.cut)


def _keys(documents: Sequence[dict[str, Any]], plan: SearchPlan) -> list[Key]:
    name = plan.order_field.removeprefix("order.")
    return [Key(str(document["_id"]), int(document["order"][name])) for document in documents]


def count_matches(matched: Phase) -> Count:
    """Count all results, up to :data:`~catalog.search.plan.TOTAL_CAP` and within a bounded time."""
    try:
        with mongo.searching() as database:
            value = database[PRODUCTS].count_documents(
                matched.filter, hint=matched.hint, limit=TOTAL_CAP + 1, maxTimeMS=_share(_COUNT_SHARE)
            )
    except mongo.OutOfTime:
        return Count(0, exact=False)
    return Count(min(value, TOTAL_CAP), exact=value <= TOTAL_CAP)


def sample_for_facets(matched: Phase) -> tuple[list[FacetRow], bool]:
    """Return what the first :data:`FACET_SAMPLE` results add to the facets, and whether these are all results."""
    wanted = dict.fromkeys((*_LABELS, "stock"), 1)
    try:
        with mongo.searching() as database:
            cursor = (
                database[PRODUCTS]
                .find(matched.filter, {"_id": 0, **wanted})
                .hint(matched.hint)
                .limit(FACET_SAMPLE + 1)
                .batch_size(FACET_SAMPLE + 2)
                .max_time_ms(_share(_FACET_SHARE))
            )
            documents = list(cursor)
    except mongo.OutOfTime:
        return [], False
    rows = list(map(_row, documents[:FACET_SAMPLE]))
    return rows, len(documents) <= FACET_SAMPLE and not matched.cut
