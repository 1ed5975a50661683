"""A short way for hot answers: a request that was answered before is answered again from L1, past the view.

A view that answers with a cached value alone may attach a :class:`Replay` to its response. The next request that is
the same to the byte, in everything the answer can depend on, is then answered by the replay as long as L1 holds the
value. The first answer has passed every middleware, so its headers are repeated as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from cachelayer.engine import Cached, peek_local
from cachelayer.memory.local import LocalCache

_RECIPES_BYTES = 4 * 1024 * 1024
_RECIPE_SECONDS = 60.0
# These are told anew for each answer, by the replay or by the middleware outside this one.
_NEVER_REPEATED = frozenset(
    {"content-length", "content-type", "date", "retry-after", "server-timing", "set-cookie", "x-cache"}
    | {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
)


@dataclass(frozen=True, slots=True)
class Replay:
    """How to give an answer again.

    Attributes:
        cache_key: the key of the one cached value that the answer is made of.
        answer: builds the response from the value; whatever the view checks or counts, it must check and count too.
    """

    cache_key: str
    answer: Callable[[HttpRequest, Cached], HttpResponse]


@dataclass(frozen=True, slots=True)
class _Recipe:
    replay: Replay
    headers: dict[str, str]
    resolver_match: Any


class HotLaneMiddleware:
    """Answers repeated GET requests from L1; stands right inside the trace middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._recipes: LocalCache[_Recipe] = LocalCache(_RECIPES_BYTES)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "GET":
            return self._get_response(request)
        signature = _signature(request)
        recipe = self._recipes.get(signature)
        if recipe is not None:
            cached = peek_local(recipe.replay.cache_key)
            if cached is not None:
                return _again(recipe, request, cached)
        response = self._get_response(request)
        replay = getattr(response, "replay", None)
        if replay is not None and response.status_code == 200 and "Set-Cookie" not in response:
            self._learn(signature, replay, request, response)
        return response

    def _learn(self, signature: str, replay: Replay, request: HttpRequest, response: HttpResponse) -> None:
        headers = {name: value for name, value in response.items() if name.lower() not in _NEVER_REPEATED}
        size = len(signature) + sum(len(name) + len(value) for name, value in headers.items()) + 500
        recipe = _Recipe(replay, headers, request.resolver_match)
        self._recipes.put(signature, recipe, size=size, ttl_seconds=_RECIPE_SECONDS)


def _again(recipe: _Recipe, request: HttpRequest, cached: Cached) -> HttpResponse:
    request.resolver_match = recipe.resolver_match
    response = recipe.replay.answer(request, cached)
    for name, value in recipe.headers.items():
        response.headers.setdefault(name, value)
    return response


def _signature(request: HttpRequest) -> str:
    # Everything that an answer without a session can depend on. A line feed occurs in none of the parts.
    meta = request.META
    return "\n".join(
        (
            request.scheme or "",
            meta.get("HTTP_HOST", ""),
            request.path_info,
            meta.get("QUERY_STRING", ""),
            meta.get("HTTP_ACCEPT", ""),
            meta.get("HTTP_ORIGIN", ""),
        )
    )
