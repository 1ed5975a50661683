"""Opens the trace of a request, lets the response tell it, and hands it to the telemetry."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from time import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path, iri_to_uri

from cachelayer.telemetry import Finished, recorder
from cachelayer.trace import span, tracing
from cachelayer.web.occupancy import occupancy

_UNTRACED_ROUTES = frozenset({"livez", "readyz", "health", "metrics"})
_GROUPS = ("admin", "dashboard", "lab")
"""Namespaces with many addresses; the first counts as one route, the others are not counted at all."""


GENERATED_NAME = "X-Generated-Traffic"
"""A request that says so is shown as made by a program for show; it is answered like any other."""

_GENERATED = "HTTP_X_GENERATED_TRAFFIC"


class TraceMiddleware:
    """Adds ``Server-Timing`` and ``X-Cache`` and records the request; first in the list, so that it sees everything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._static_prefixes = (settings.STATIC_URL,) if settings.STATIC_URL else ()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(self._static_prefixes):
            return self._get_response(request)
        with occupancy.one(), tracing() as trace:
            request.trace = trace  # type: ignore[attr-defined]
            response = self._get_response(request)
            outcome = trace.outcome
            if outcome is not None:
                response["X-Cache"] = outcome.header
            route = _route(request) if trace.recorded else ""
            path = _full_path(request.path, request.META.get("QUERY_STRING", "")) if route else ""
            method, status, generated = request.method or "", response.status_code, _GENERATED in request.META
            # What no step covers is the way through Django: middleware, routing, building the response.
            elapsed_ms = trace.close_rest("framework")
            response["Server-Timing"] = trace.server_timing(elapsed_ms)
            if route:
                recorder.record(Finished(time(), trace, route, method, path, status, elapsed_ms, generated))
        return response


class ViewSpanMiddleware:
    """Times the view apart from the middleware around it; last in the list."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with span("view"):
            return self._get_response(request)


@lru_cache(maxsize=256)
def _full_path(path: str, query: str) -> str:
    """Return what ``request.get_full_path()`` does; what is asked for often is put together once."""
    return f"{escape_uri_path(path)}?{iri_to_uri(query)}" if query else escape_uri_path(path)


def _route(request: HttpRequest) -> str:
    """Return the name under which the request is counted; empty where it is not."""
    match = request.resolver_match
    if match is None:
        return "unmatched"
    route = match.view_name
    if route in _UNTRACED_ROUTES:
        return ""
    namespace = route.partition(":")[0]
    if namespace not in _GROUPS:
        return route
    return "admin" if namespace == "admin" else ""
