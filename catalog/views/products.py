"""The product page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from catalog.contexts.product import build_product_page
from catalog.services.products import read_product
from catalog.views.pages import page_response


@require_safe
def product(request: HttpRequest, product_id: str) -> HttpResponse:
    """Show one product."""
    page = build_product_page(read_product(product_id=product_id))
    return page_response(request, "catalog/product.html", {"page": page})
