"""What shoppers search for, lately, and what they choose of it."""

from __future__ import annotations

from django.conf import settings

from cachelayer.demand import Asked, Demand
from cachelayer.engine import invalidate
from catalog.changes import tags_of_beginnings
from catalog.errors import InvalidParameter
from catalog.search.request import SearchRequest, normalise_query
from catalog.search.suggesting import folded_words

MINIMUM_LENGTH = 3
"""Shorter queries are counted for staff and shown to nobody else."""
MAX_PLACE = 1000
_searches = Demand(key="trending:searches", half_life_seconds=6 * 3600)


def record_search(*, request: SearchRequest, total: int, client: str) -> bool:
    """Count a search once for a client, if it was typed rather than paged.

    A search without a result counts only where the words alone have led to none.

    Args:
        total: number of results.
        client: address of the client; kept only as a digest, for half an hour. Nothing is counted where it is empty.
    """
    if not client or not request.query or request.after is not None:
        return False
    if total == 0 and (request.has_filters or request.as_typed):
        return False
    needed = settings.TRENDING_CLIENTS if len(request.query) >= MINIMUM_LENGTH else 0
    return _searches.ask(request.query, voter=client, found=total > 0, voters_needed=needed)


def record_choice(*, query: str, place: str, client: str) -> bool:
    """Count that a product was chosen from the results of a search, where this client has searched for that lately.

    Args:
        query: as the address of the product tells it.
        place: the product's place among the results, from 1, as the address tells it.
        client: as for :func:`record_search`.
    """
    if not client or not place.isascii() or not place.isdigit() or len(place) > len(str(MAX_PLACE)):
        return False
    try:
        typed = normalise_query(query)
    except InvalidParameter:
        return False
    if not typed or not 1 <= int(place) <= MAX_PLACE:
        return False
    return _searches.choose(typed, voter=client, place=int(place))


def trending_searches(*, limit: int = 10) -> list[str] | None:
    """Return the queries that lead at present, best first; ``None`` while Redis is away, which alone knows them.

    Only what ``TRENDING_CLIENTS`` different clients have searched for is among them.
    """
    return _searches.top(limit)


def wanted_searches(*, limit: int) -> list[str] | None:
    """Return the queries to keep warm, those of single clients included: not to be shown to shoppers."""
    return _searches.top_of_all(limit)


def counted_searches() -> tuple[Asked, ...] | None:
    """Return all queries that are counted, the most frequent first, for staff; ``None`` while Redis is away."""
    return _searches.asked()


def forget_search(*, query: str) -> bool:
    """Remove a query from all counts, rankings and suggestions; false while Redis is away."""
    is_gone = _searches.forget(query)
    return invalidate(tags=sorted(tags_of_beginnings(folded_words(query).split()))) and is_gone
