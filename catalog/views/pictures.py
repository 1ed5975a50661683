"""Pictures drawn on demand; they depend on nothing but their address."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from cachelayer.trace import current_trace
from catalog import pictures


@require_safe
def picture(request: HttpRequest, kind: str, brand: str) -> HttpResponse:
    """Answer with the picture for a product type and a brand."""
    del request
    trace = current_trace()
    if trace is not None:
        trace.recorded = False
    return HttpResponse(
        pictures.draw(kind, brand),
        content_type="image/svg+xml; charset=utf-8",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
