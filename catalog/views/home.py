"""The home page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from catalog.contexts.home import build_home_page
from catalog.services.products import newest_products, popular_products, top_categories
from catalog.services.trending import trending_searches
from catalog.views.pages import page_response

TRENDING, POPULAR, NEWEST, ALL_CATEGORIES = 8, 10, 5, 500


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show search, trending searches, categories, popular and new products."""
    page = build_home_page(
        trending=trending_searches(limit=TRENDING) or [],
        categories=top_categories(limit=ALL_CATEGORIES),
        popular=popular_products(limit=POPULAR),
        newest=newest_products(limit=NEWEST),
    )
    return page_response(request, "catalog/home.html", {"page": page})
