"""The switchboard: failures on purpose, what to watch, and what happened. Staff alone, and only in development."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from cachelayer.dashboard.pages import View, believe_staff, is_update, page_response, staff_only
from cachelayer.server import inspecting
from cachelayer.server.door import RedisUnavailable
from speedscale.lab.effects import build_effects
from speedscale.lab.lessons import LESSONS, PATH
from speedscale.lab.spawning import own_url, spawn, start_traffic, stop_traffic, traffic_is_on
from speedscale.lab.traffic import flood
from speedscale.running.control import ControlError, ask_supervisor

TRAFFIC_RATE = 10.0
FLOOD_SECONDS = 4
_COOKIE = "speedscale_switchboard"
_COOKIE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Switch:
    """A button: what it does, what to watch, and which field goes with it, in which unit."""

    action: str
    label: str
    watch: str
    value: str = ""
    field: str = ""
    unit: str = ""


SWITCHES: tuple[tuple[str, tuple[Switch, ...]], ...] = (
    (
        "Redis",
        (
            Switch("redis-stop", "Stop", "Answers become bypasses: slower, no errors. The breaker opens."),
            Switch("redis-pause", "Pause", "It hangs: one wait of 50 ms for a request at most, then it is skipped."),
            Switch("redis-resume", "Resume", "The breaker closes within five seconds."),
            Switch("redis-start", "Start", "It comes back empty: misses first, then hits."),
        ),
    ),
    (
        "MongoDB",
        (
            Switch("mongodb-stop", "Stop", "Warm answers go on and turn stale; cold ones are 503."),
            Switch("mongodb-kill", "Kill", "The same, without a goodbye."),
            Switch("mongodb-pause", "Pause", "It hangs: cold requests end after a second, then at once."),
            Switch("mongodb-resume", "Resume", "The errors end."),
            Switch("mongodb-start", "Start", "It replays its journal and is elected."),
            Switch("stepdown", "Step down", "No primary for five seconds, as at a failover."),
            Switch(
                "slow", "Add latency", "Misses take longer; hits do not.", value="200", field="milliseconds", unit="ms"
            ),
        ),
    ),
    (
        "Keys and traffic",
        (
            Switch("invalidate", "Invalidate", "The next to ask waits for a load.", value="search:mouse", field="key"),
            Switch("expire", "Expire", "One stale answer, refreshed behind it.", value="search:mouse", field="key"),
            Switch("flood", "Flood", "One load, whatever the number of visitors.", value=PATH, field="path"),
        ),
    ),
)


def operator_only(view: View) -> View:
    """Let staff in, and remember for an hour, in a signed cookie, that they are.

    Who somebody is, is kept in MongoDB; the one who has stopped it must be able to start it again.
    """
    ask_for_staff = staff_only(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.get_signed_cookie(_COOKIE, default=None, salt=_COOKIE, max_age=_COOKIE_SECONDS) == "staff":
            believe_staff(request)
            return view(request, *args, **kwargs)
        response = ask_for_staff(request, *args, **kwargs)
        if response.status_code == 200:
            response.set_signed_cookie(
                *(_COOKIE, "staff"),
                salt=_COOKIE,
                max_age=_COOKIE_SECONDS,
                path="/dashboard/lab/",
                httponly=True,
                samesite="Strict",
            )
        return response

    return guarded


@require_safe
@operator_only
def page(request: HttpRequest) -> HttpResponse:
    """Show the switches and what happens."""
    context = {"tab": "lab", "groups": SWITCHES, "lessons": LESSONS, **_live()}
    return page_response(request, "lab/_effects.html" if is_update(request) else "lab/switchboard.html", context)


@require_safe
@operator_only
def lesson(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show a step of a lesson."""
    found = next((each for each in LESSONS if each.name == name), None)
    if found is None or not 1 <= number <= len(found.steps):
        raise Http404
    context = {
        "tab": "lab",
        "lesson": found,
        "number": number,
        "step": found.steps[number - 1],
        "previous": number - 1,
        "next": number + 1 if number < len(found.steps) else 0,
        **_live(),
    }
    return page_response(request, "lab/_effects.html" if is_update(request) else "lab/lesson.html", context)


@require_POST
@operator_only
def act(request: HttpRequest) -> HttpResponse:
    """Do what a switch says, and go back to where it was thrown."""
    action, value = request.POST.get("action", ""), request.POST.get("value", "")
    work = _ACTIONS.get(action)
    if work is None:
        raise Http404
    try:
        messages.success(request, work(value))
    except (ControlError, RedisUnavailable, inspecting.KeyHidden, inspecting.KeyGone, ValueError) as error:
        messages.warning(request, _problem(error, value))
    back = request.POST.get("back", "")
    if not back.startswith("/dashboard/lab/") or not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = reverse("lab:switchboard")
    return redirect(back)


def _problem(error: Exception, value: str) -> str:
    match error:
        case inspecting.KeyHidden():
            return f"{value} is none of the keys that may be changed here."
        case inspecting.KeyGone():
            return f"There is no key {value} at present: ask for it first."
        case RedisUnavailable():
            return "Redis is away."
    return str(error)


def _live() -> dict[str, Any]:
    try:
        state = ask_supervisor(settings.CONTROL_SOCKET)
    except ControlError as error:
        state = {"problem": str(error)}
    return {"state": state, "traffic": traffic_is_on(), "effects": build_effects()}


def _server(name: str, action: str, told: str) -> Callable[[str], str]:
    def work(_value: str) -> str:
        ask_supervisor(settings.CONTROL_SOCKET, server=name, action=action)
        return told

    return work


def _slow(value: str) -> str:
    milliseconds = int(value)
    ask_supervisor(settings.CONTROL_SOCKET, server="mongodb", action="slow", milliseconds=milliseconds)
    return f"MongoDB's answers take {milliseconds} ms longer." if milliseconds else "MongoDB is as quick as it can."


def _invalidate(value: str) -> str:
    inspecting.delete_key(value)
    return f"{value} was forgotten everywhere."


def _expire(value: str) -> str:
    return f"{value} is stale now." if inspecting.expire_key(value) else f"{value} was not changed."


def _ask(value: str) -> str:
    counts = flood(own_url(), _own_path(value), seconds=0.0, threads=1)
    return f"Asked once: {', '.join(counts)}." if counts else "Asked once."


def _flood(value: str) -> str:
    spawn("generate_traffic", "--flood", _own_path(value), "--seconds", str(FLOOD_SECONDS))
    return f"32 visitors ask for {value} for {FLOOD_SECONDS} s."


def _traffic(value: str) -> str:
    if value == "on":
        start_traffic(TRAFFIC_RATE)
        return f"Visitors ask {TRAFFIC_RATE:g} times a second, for ten minutes at most."
    stop_traffic()
    return "The visitors have gone."


def _own_path(value: str) -> str:
    if not value.startswith("/api/"):
        raise ValueError("Give a path below /api/, such as /api/search?query=mouse.")
    return quote(value, safe="/?=&%+:,-._~")


_ACTIONS: dict[str, Callable[[str], str]] = {
    **{
        f"{server}-{action}": _server(server, action, f"{label} was {done}.")
        for server, label in (("redis", "Redis"), ("mongodb", "MongoDB"))
        for action, done in (
            ("stop", "stopped"),
            ("kill", "killed"),
            ("start", "started"),
            ("pause", "paused"),
            ("resume", "resumed"),
        )
    },
    "stepdown": _server("mongodb", "stepdown", "MongoDB stepped down: there is no primary for some seconds."),
    "slow": _slow,
    "invalidate": _invalidate,
    "expire": _expire,
    "ask": _ask,
    "flood": _flood,
    "traffic": _traffic,
}
