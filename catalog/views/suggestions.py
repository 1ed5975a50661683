"""The list below a search field, for HTMX."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from cachelayer.web import ratelimit
from cachelayer.web.clients import client_address
from catalog.contexts.links import query_url
from catalog.contexts.suggestions import build_suggestions
from catalog.errors import CatalogUnavailable, InvalidParameter
from catalog.services.suggestions import parse_beginning, suggest
from catalog.views.pages import HtmxHttpRequest, page_response, wants_fragment


@require_safe
def suggestions(request: HtmxHttpRequest) -> HttpResponse:
    """Suggest what to look for; whoever comes here without HTMX gets the results.

    What goes wrong has no body: the field works without suggestions.
    """
    try:
        beginning = parse_beginning(request.GET.get("q", ""))
    except InvalidParameter:
        return HttpResponse(status=204 if not request.GET.get("q", "").strip() else 400)
    if not wants_fragment(request):
        return redirect(query_url(beginning))
    verdict = ratelimit.check(settings.RATE_LIMIT_SUGGEST, scope="suggest", client=client_address(request))
    headers = verdict.headers() if verdict is not None else {}
    if verdict is not None and not verdict.allowed:
        return HttpResponse(status=429, headers=headers)
    try:
        found = suggest(beginning=beginning).value["data"]
    except CatalogUnavailable as error:
        return HttpResponse(status=503, headers={"Retry-After": str(error.retry_after_seconds)})
    rows = build_suggestions(found, beginning=beginning)
    response = page_response(request, "catalog/_suggestions.html", {"rows": rows})
    for name, value in headers.items():
        response[name] = value
    return response
