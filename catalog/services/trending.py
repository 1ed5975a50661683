"""What shoppers search for, lately."""

from __future__ import annotations

from cachelayer.leaderboard import Leaderboard
from catalog.search.request import SearchRequest

MINIMUM_LENGTH = 3
_searches = Leaderboard(key="trending:searches", half_life_seconds=6 * 3600, repeat_seconds=600)


def record_search(*, request: SearchRequest, total: int, client: str) -> bool:
    """Count a search once for a client, if it found something and was typed rather than paged or filtered.

    Args:
        total: number of results.
        client: address of the client; kept only as a digest, for minutes.
    """
    if len(request.query) < MINIMUM_LENGTH or total == 0 or request.after is not None:
        return False
    return _searches.vote(request.query, voter=client)


def trending_searches(*, limit: int = 10) -> list[str] | None:
    """Return the queries that lead at present, best first; ``None`` while Redis is away, which alone knows them."""
    return _searches.top(limit)
