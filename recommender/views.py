"""The similar products of a product page: a fragment for it, and a page of their own without JavaScript."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from cachelayer.trace import current_trace
from catalog.services.products import read_product
from catalog.views.pages import HtmxHttpRequest, page_response, wants_fragment
from recommender.contexts import build_similar
from recommender.services import similar_products


@require_safe
def similar_page(request: HtmxHttpRequest, product_id: str) -> HttpResponse:
    """Show products like the given one."""
    product = read_product(product_id=product_id)
    similar = similar_products(product_id=product_id)
    trace = current_trace()
    context = build_similar(product, similar, elapsed_ms=trace.elapsed_ms() if trace else 0.0)
    fragment = wants_fragment(request)
    template = "recommender/_similar.html" if fragment else "recommender/similar.html"
    return page_response(request, template, {"similar": context})
