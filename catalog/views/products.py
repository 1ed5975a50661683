"""The product page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from cachelayer.web.clients import counted_client
from catalog.contexts.product import build_product_page
from catalog.services.products import read_product
from catalog.services.trending import record_choice
from catalog.views.pages import page_response


@require_safe
def product(request: HttpRequest, product_id: str) -> HttpResponse:
    """Show one product."""
    page = build_product_page(read_product(product_id=product_id))
    if request.method == "GET" and (query := request.GET.get("q")):
        # The way from a result page, told by its links alone, so that it is counted without scripts or cookies.
        record_choice(query=query, place=request.GET.get("pos", ""), client=counted_client(request))
    return page_response(request, "catalog/product.html", {"page": page})
