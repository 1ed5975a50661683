"""Pages about the servers, beside the dashboard's other pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from cachelayer.dashboard.pages import is_update, page_response
from catalog.errors import CatalogUnavailable
from catalog.mongo import OutOfTime
from speedscale.cluster.pages import build_cluster_page, build_patterns


@require_safe
def cluster(request: HttpRequest) -> HttpResponse:
    """Show every server's role and health, the shards' shares, and one verdict."""
    template = "cluster/_servers.html" if is_update(request) else "cluster/cluster.html"
    return page_response(request, template, {"tab": "cluster", "page": build_cluster_page()})


@require_safe
def routing(request: HttpRequest) -> HttpResponse:
    """Explain which commands ask one shard and which ask all, on the catalogue's own products."""
    try:
        context = {"patterns": build_patterns(), "problem": ""}
    except (CatalogUnavailable, OutOfTime) as error:
        context = {"patterns": (), "problem": str(error)}
    return page_response(request, "cluster/routing.html", {"tab": "cluster", **context})
