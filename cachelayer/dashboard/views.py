"""The dashboard: the whole page, or for HTMX its live part alone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from cachelayer.compression import compressed
from cachelayer.dashboard.charts import SLOTS
from cachelayer.dashboard.contexts import build_dashboard
from cachelayer.health import check_health
from cachelayer.telemetry import read_window, recent_samples
from cachelayer.trace import span


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show recent requests, hit ratios and health."""
    health = check_health()
    samples, covers_all = recent_samples(SLOTS)
    live = build_dashboard(
        samples=samples,
        covers_all=covers_all,
        five_minutes=read_window("1m").outcomes(),
        one_hour=read_window("1h").outcomes(),
        health=health,
    )
    is_update = "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers
    template = "dashboard/_dashboard_live.html" if is_update else "dashboard/dashboard.html"
    with span("render"):
        body = render_to_string(template, {"live": live}, request)
    response = HttpResponse(body)
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ("HX-Request", "HX-History-Restore-Request"))
    return compressed(request, response)
