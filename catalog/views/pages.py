"""What all page views share: rendering as a step of the trace, and the choice between page and fragment."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from cachelayer.trace import span
from cachelayer.web.compression import compressed

_VARIES_BY = ("HX-Request", "HX-Target", "HX-History-Restore-Request")


class HtmxHttpRequest(HttpRequest):
    """A request that passed the middleware of django-htmx."""

    htmx: HtmxDetails


def wants_fragment(request: HtmxHttpRequest) -> bool:
    """Tell whether HTMX asked for a part of the page; going back in history asks for the whole."""
    return bool(request.htmx) and not request.htmx.history_restore_request


def page_response(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render a page or a fragment; browsers may keep it but ask again before they show it."""
    with span("render"):
        body = render_to_string(template, context, request)
    response = HttpResponse(body, status=status)
    # Who is signed in sees more, which is nobody else's; for all others the session was not even looked at.
    session = getattr(request, "session", None)
    response["Cache-Control"] = "private, no-cache" if session is not None and session.accessed else "no-cache"
    patch_vary_headers(response, _VARIES_BY)
    return compressed(request, response)
