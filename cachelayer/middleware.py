"""Opens the trace of a request and lets the response tell it."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from cachelayer.telemetry import recorder, sample_of
from cachelayer.trace import tracing

_UNTRACED_ROUTES = frozenset({"livez", "readyz", "health", "metrics"})


class TraceMiddleware:
    """Adds ``Server-Timing`` and ``X-Cache`` and records a sample; first in the list, so that it sees everything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._static_prefix = settings.STATIC_URL

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(self._static_prefix):
            return self._get_response(request)
        with tracing() as trace:
            response = self._get_response(request)
            outcome = trace.outcome
            if outcome is not None:
                response["X-Cache"] = outcome.header
            response["Server-Timing"] = trace.server_timing()
            match = request.resolver_match
            route = match.view_name if match else "unmatched"
            if trace.recorded and route not in _UNTRACED_ROUTES and not route.startswith("dashboard:"):
                recorder.record(
                    sample_of(
                        trace,
                        route=route,
                        method=request.method or "",
                        path=request.get_full_path(),
                        status=response.status_code,
                    )
                )
        return response
