"""The pages of the dashboard. Each is whole without JavaScript; HTMX refreshes their live parts."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe

from cachelayer.dashboard import costs, live
from cachelayer.dashboard.charts import SLOTS
from cachelayer.dashboard.history import as_csv, parse_filters, read_history
from cachelayer.dashboard.keys import build_key_list, build_key_page
from cachelayer.dashboard.live import kept_part
from cachelayer.dashboard.overview import DEFAULT_WINDOW, build_overview, window_tabs
from cachelayer.dashboard.pages import is_update, page_response, part_response, staff_only
from cachelayer.dashboard.requests import RequestGone, build_request_page, read_request
from cachelayer.dashboard.topology import Gateway
from cachelayer.describing import describe
from cachelayer.health import check_health, since_any_worker_knows
from cachelayer.invalidation.watch_state import read_watch_state
from cachelayer.policies import policy_table
from cachelayer.server import inspecting
from cachelayer.server.door import RedisUnavailable
from cachelayer.telemetry import WINDOWS, read_window, recent_samples, recorder, store
from cachelayer.telemetry.node import node_state
from cachelayer.trace import span
from cachelayer.web.clients import client_address
from cachelayer.web.presentation import format_bytes
from cachelayer.web.ratelimit import check

_PLANS_A_MINUTE = "30/minute"
_MAX_PREFIX = 200


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show where time goes now: topology, percentiles, heatmap, recent requests."""
    wanted = request.GET.get("window", DEFAULT_WINDOW)
    window = wanted if wanted in WINDOWS else DEFAULT_WINDOW
    part = kept_part(window, lambda: _overview_of(window))
    if is_update(request):
        return part_response(request, part)
    context = {"part": mark_safe(part.text), "tabs": window_tabs(window), "window": window, "tab": "overview"}  # noqa: S308
    return page_response(request, "dashboard/overview.html", context)


def _overview_of(window: str) -> str:
    """Render the part of the first page that is the same for everybody."""
    with span("figures"):
        node = node_state(recorder.totals)
        health = since_any_worker_knows(check_health(), node.facts.get("health", ()))
        samples, _ = recent_samples(SLOTS)
        shown = build_overview(
            samples=samples,
            window=read_window(window),
            health=health,
            gateway=Gateway(
                workers=len(node.gauges.get("alive", ())),
                threads=settings.WEB_THREADS,
                l1_entries=int(sum(node.gauges.get("l1_entries", ()))),
                l1_bytes=format_bytes(sum(node.gauges.get("l1_bytes", ()))),
                pid=os.getpid(),
            ),
            descriptions={server.name: describe(server.name) for server in health.servers if server.up},
            watch=read_watch_state(),
        )
    with span("render"):
        return render_to_string("dashboard/_overview_live.html", {"live": shown})


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Show the access log by filter, a page at a time."""
    page = read_history(parse_filters(request.GET.dict()))
    template = "dashboard/_history_rows.html" if is_update(request) else "dashboard/history.html"
    return page_response(request, template, {"history": page, "tab": "history"})


@require_safe
def history_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Hand out the log's matching requests as CSV."""
    lines = as_csv(parse_filters(request.GET.dict()))
    try:
        first = [next(lines), *([] if (second := next(lines, None)) is None else [second])]
    except RedisUnavailable:
        return page_response(request, "dashboard/away.html", {"tab": "history"}, status=503)
    response = StreamingHttpResponse([*first, *lines], content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="requests.csv"'
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@staff_only
def history_clear(request: HttpRequest) -> HttpResponse:
    """Forget all recorded requests and counts."""
    try:
        store.clear()
    except RedisUnavailable:
        messages.warning(request, "Redis is away: nothing was cleared.")
    else:
        recorder.forget()
        costs.forget()
        live.forget()
        messages.success(request, "All recorded requests and counts were forgotten.")
    return redirect("dashboard:history")


@require_safe
def one_request(request: HttpRequest, identifier: str) -> HttpResponse:
    """Show one request in full; with ``plan`` also how MongoDB executes its commands."""
    try:
        sample = read_request(identifier)
    except RequestGone:
        return page_response(request, "dashboard/request_gone.html", {"tab": "history"}, status=404)
    wants_plan = "plan" in request.GET
    if wants_plan:
        # Each plan costs the database as much as the command did.
        verdict = check(_PLANS_A_MINUTE, scope="plan", client=client_address(request))
        wants_plan = verdict is None or verdict.allowed
    page = build_request_page(sample, explained=wants_plan)
    template = "dashboard/_commands.html" if is_update(request) else "dashboard/request.html"
    return page_response(request, template, {"page": page, "tab": "history", "explained": wants_plan})


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """List keys by prefix."""
    prefix = request.GET.get("prefix", "").strip()[:_MAX_PREFIX]
    cursor = request.GET.get("cursor", "")
    try:
        found = inspecting.list_keys(prefix, cursor=int(cursor) if cursor.isdecimal() and len(cursor) < 20 else 0)
    except RedisUnavailable:
        return page_response(request, "dashboard/away.html", {"tab": "keys"}, status=503)
    context = {"keys": build_key_list(prefix, found), "tab": "keys", "kinds": settings.INSPECTED_KEYS}
    return page_response(request, "dashboard/keys.html", context)


@require_safe
def one_key(request: HttpRequest) -> HttpResponse:
    """Show one key in full."""
    key = request.GET.get("key", "")
    try:
        page = build_key_page(inspecting.read_key(key))
    except inspecting.KeyHidden as error:
        raise Http404 from error
    except inspecting.KeyGone:
        template = "dashboard/_key_gone.html" if is_update(request) else "dashboard/key_gone.html"
        return page_response(request, template, {"key": key, "tab": "keys"}, status=200 if is_update(request) else 404)
    except RedisUnavailable:
        return page_response(request, "dashboard/away.html", {"tab": "keys"}, status=503)
    template = "dashboard/_key_live.html" if is_update(request) else "dashboard/key.html"
    return page_response(request, template, {"page": page, "tab": "keys"})


@require_POST
@staff_only
def change_key(request: HttpRequest) -> HttpResponse:
    """Delete or expire a key."""
    key, action = request.POST.get("key", ""), request.POST.get("action", "")
    try:
        if action == "delete":
            inspecting.delete_key(key)
            messages.success(request, f"{key} was deleted.")
            return redirect("dashboard:keys")
        if action == "expire" and inspecting.expire_key(key):
            messages.success(request, f"{key} is stale from now on.")
        else:
            messages.warning(request, f"{key} was not changed.")
    except inspecting.KeyHidden as error:
        raise Http404 from error
    except inspecting.KeyGone:
        messages.warning(request, f"{key} is gone already.")
        return redirect("dashboard:keys")
    except RedisUnavailable:
        messages.warning(request, "Redis is away: nothing was changed.")
        return redirect("dashboard:keys")
    return redirect(f"{reverse('dashboard:key')}?{urlencode({'key': key})}")


@require_safe
def cost_model(request: HttpRequest) -> HttpResponse:
    """Show what each kind of value saves and takes, and what another time to live would change."""
    wanted = request.GET.get("window", "24h")
    window = read_window(wanted if wanted in WINDOWS else "24h")
    place = request.GET.get("ttl", "")
    samples = costs.read_samples()
    prediction = costs.build_prediction(
        samples or (),
        kind=request.GET.get("kind", ""),
        place=int(place) if place.isdecimal() and len(place) < 4 else None,
    )
    if is_update(request):
        return page_response(request, "dashboard/_prediction.html", {"prediction": prediction, "away": samples is None})
    rows = costs.build_kind_rows(window, costs.memory_by_kind())
    (corner, headings), *policies = policy_table()
    table = {
        "policy_headings": (corner, *headings),
        "policies": [(name, *cells) for name, cells in policies],
    }
    context = {
        **table,
        "rows": rows,
        "window": window.size,
        "prediction": prediction,
        "away": samples is None,
        "tab": "costs",
    }
    return page_response(request, "dashboard/costs.html", context)
