"""How hot answers of the API are given again by the cache layer's short way."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from cachelayer.engine import Cached
from cachelayer.web.clients import client_address, counted_client
from cachelayer.web.lane import Replay
from cachelayer.web.ratelimit import check
from catalog.api.envelope import spliced
from catalog.api.problems import rate_limited
from catalog.changes import product_cache_key
from catalog.search.request import SearchRequest
from catalog.services.trending import record_search


def replay_of_search(search: SearchRequest, *, total: int) -> Replay:
    """Return the replay of a search that found ``total`` products."""

    def answer(request: HttpRequest, cached: Cached) -> HttpResponse:
        client = client_address(request)
        verdict = check(settings.RATE_LIMIT_SEARCH, scope="search", client=client)
        if verdict is not None and not verdict.allowed:
            return rate_limited(verdict.headers())
        record_search(request=search, total=total, client=counted_client(request, client=client))
        return _json(spliced(cached, is_object=False), verdict.headers() if verdict else None)

    return Replay(search.cache_key(), answer)


def replay_of_product(product_id: str) -> Replay:
    """Return the replay of a product."""

    def answer(_request: HttpRequest, cached: Cached) -> HttpResponse:
        return _json(spliced(cached, is_object=True))

    return Replay(product_cache_key(product_id), answer)


def _json(body: bytes, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", headers=headers)
