"""Pages and fragments of recommendations; each fragment is also a page of its own, for those without JavaScript."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from cachelayer.trace import current_trace
from catalog.services.products import read_product
from catalog.views.pages import HtmxHttpRequest, page_response, wants_fragment
from recommender.contexts import build_for_you, build_similar
from recommender.dashboard import build_model_panel
from recommender.for_you import blend_for_visitor
from recommender.looked_at import looked_at, remember
from recommender.services import similar_products


@require_safe
def similar_page(request: HtmxHttpRequest, product_id: str) -> HttpResponse:
    """Show products like the given one, and remember that it was looked at."""
    # Asked for first, because the first cached read is what telemetry takes for the request's answer.
    similar = similar_products(product_id=product_id)
    product = read_product(product_id=product_id)
    trace = current_trace()
    context = build_similar(product, similar, elapsed_ms=trace.elapsed_ms() if trace else 0.0)
    response = _shown(request, "similar", {"similar": context})
    remember(request, response, context.product_id)
    return response


@require_safe
def for_you(request: HtmxHttpRequest) -> HttpResponse:
    """Show what goes with the products that the visitor looked at."""
    context = build_for_you(blend_for_visitor(product_ids=looked_at(request)))
    response = _shown(request, "for_you", {"for_you": context})
    patch_cache_control(response, private=True, no_store=True)
    return response


@require_safe
def model_panel(request: HtmxHttpRequest) -> HttpResponse:
    """Show which model is live."""
    trace = current_trace()
    if trace is not None:
        trace.recorded = False  # The dashboard does not show itself.
    return _shown(request, "model", {"model": build_model_panel()})


def _shown(request: HtmxHttpRequest, name: str, context: dict[str, object]) -> HttpResponse:
    fragment = wants_fragment(request)
    return page_response(request, f"recommender/{'_' if fragment else ''}{name}.html", context)
