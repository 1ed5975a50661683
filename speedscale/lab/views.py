"""The pages of the lab: start a replay, watch it, read its figures, compare it with another."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from cachelayer.dashboard.pages import is_update, page_response, staff_only
from speedscale.lab import runs
from speedscale.lab.contexts import build_run_page, run_row
from speedscale.lab.lessons import LESSONS
from speedscale.lab.limits import PlanError, checked_plan, may_restart_mongodb
from speedscale.lab.runs import Plan
from speedscale.lab.spawning import spawn


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the stored replays, and to staff how to start one."""
    stored = runs.all_runs()
    context: dict[str, Any] = {
        "tab": "lab",
        "runs": [run_row(run) for run in stored],
        "plan": Plan(),
        "running": next((run for run in stored if run.is_running), None),
        "may_restart_mongodb": may_restart_mongodb(),
        "switchboard": settings.SWITCHBOARD,
        "lessons": LESSONS if settings.SWITCHBOARD else (),
    }
    return page_response(request, "lab/home.html", context)


@require_POST
@staff_only
def start(request: HttpRequest) -> HttpResponse:
    """Start a replay in a process of its own; one at a time."""
    current = runs.running()
    if current is not None:
        messages.warning(request, "A replay is running already: stop it, or wait for its end.")
        return redirect("lab:run", current.id)
    try:
        run = runs.new_run(checked_plan(_plan_of(request.POST)))
    except (PlanError, ValueError) as error:
        messages.warning(request, str(error) if isinstance(error, PlanError) else "Give numbers for queries and rate.")
        return redirect("lab:home")
    try:
        runs.save(run)
        spawn("replay", "--run", run.id)
    except OSError as error:
        messages.warning(request, f"Runs cannot be stored in {runs.directory()}: {error.strerror}.")
        return redirect("lab:home")
    return redirect("lab:run", run.id)


@require_POST
@staff_only
def stop(request: HttpRequest, identifier: str) -> HttpResponse:
    """Ask a replay to end with what it has."""
    if runs.load(identifier) is None:
        raise Http404
    runs.ask_to_stop(identifier)
    messages.success(request, "The replay ends with what it has.")
    return redirect("lab:run", identifier)


@require_safe
def run_page(request: HttpRequest, identifier: str) -> HttpResponse:
    """Show one replay, live while it runs, and beside another where one is chosen."""
    run = runs.load(identifier)
    if run is None:
        raise Http404
    # An update shows the figures alone; the choice of others is read for the whole page.
    others = [] if is_update(request) else runs.all_runs()
    page = build_run_page(run, runs.load(request.GET.get("with", "")), others=others)
    template = "lab/_run.html" if is_update(request) else "lab/run.html"
    return page_response(request, template, {"tab": "lab", "page": page})


def _plan_of(given: QueryDict) -> Plan:
    return Plan(
        log="recorded" if given.get("log") == "recorded" else "generated",
        count=int(given.get("count", "")),
        rate=float(given.get("rate", "")),
        cold=given.get("cold", ""),
        hot=given.get("hot", ""),
        seed=int(given.get("seed", "1")),
    )
