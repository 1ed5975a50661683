"""The result page: whole, its results alone, or only the next products to append."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from cachelayer.web import ratelimit
from cachelayer.web.clients import client_address, counted_client
from catalog.contexts.cards import product_card
from catalog.contexts.facets import build_filters
from catalog.contexts.home import category_tiles
from catalog.contexts.invalid import build_invalid_search
from catalog.contexts.search import NothingFound, ResultPage, build_nothing_found, build_result_page
from catalog.errors import CatalogUnavailable, InvalidParameter
from catalog.search.request import SearchRequest, parse_search_request
from catalog.services.products import popular_products, top_categories
from catalog.services.search import search_products
from catalog.services.trending import record_search
from catalog.views.pages import HtmxHttpRequest, page_response, wants_fragment

APPEND_TARGET = "more-results"
"""Id of the element that HTMX replaces by the next products."""
_SHOWN_DIGITS = 6


@require_safe
def search(request: HtmxHttpRequest) -> HttpResponse:
    """Search and show a page of results."""
    client = client_address(request)
    verdict = ratelimit.check(settings.RATE_LIMIT_SEARCH, scope="search", client=client)
    if verdict is not None and not verdict.allowed:
        response = page_response(request, "errors/429.html", {"retry_after_seconds": verdict.reset_seconds}, status=429)
    else:
        response = _search(request, client)
    if verdict is not None:
        for name, value in verdict.headers().items():
            response[name] = value
    return response


def _search(request: HtmxHttpRequest, client: str) -> HttpResponse:
    try:
        wanted = parse_search_request(request.GET, query_field="q", query_required=False)
    except InvalidParameter as error:
        template = "catalog/_invalid_search.html" if wants_fragment(request) else "errors/400.html"
        context = {"field": error.field, "reason": error.reason, "search": build_invalid_search(request.GET, error)}
        return page_response(request, template, context, status=400)
    page = _result_page(wanted, client=counted_client(request, client=client), shown_before=_shown_before(request))
    if not wants_fragment(request):
        return page_response(request, "catalog/search.html", {"page": page})
    if request.htmx.target == APPEND_TARGET:
        return page_response(request, "catalog/_product_items.html", {"page": page, "appended": True})
    return page_response(request, "catalog/_search_update.html", {"page": page})


def _shown_before(request: HtmxHttpRequest) -> int:
    """Return how many products the pages before this one had, as its address tells; 0 where that makes no sense."""
    told = request.GET.get("shown", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= _SHOWN_DIGITS else 0


def _result_page(wanted: SearchRequest, *, client: str, shown_before: int) -> ResultPage:
    answer = search_products(request=wanted)
    found = answer.value
    record_search(request=wanted, total=found["total"], client=client)
    # Later pages carry no facets: the first page, nearly always cached, has them.
    facets = found["facets"]
    if facets is None and wanted.after is not None:
        facets = search_products(request=wanted.first_page()).value["facets"]
    browsing = not (wanted.query or wanted.has_filters)
    filters = build_filters(
        wanted,
        facets=facets,
        products=found["data"],
        top_categories=top_categories().value if browsing else [],
    )
    nothing = None if found["data"] else _nothing_found(wanted)
    return build_result_page(wanted, answer, filters=filters, nothing=nothing, shown_before=shown_before)


def _nothing_found(wanted: SearchRequest) -> NothingFound:
    try:
        categories, popular = top_categories().value, popular_products(limit=5).value
    except CatalogUnavailable:
        # The answer itself came from a cache; that nothing can be offered beside it does not make it wrong.
        categories, popular = [], []
    return build_nothing_found(
        wanted,
        categories=category_tiles(categories),
        popular=[product_card(product) for product in popular],
    )
