"""What all pages of the dashboard share: who may change something, how a page is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from cachelayer.dashboard.live import Part
from cachelayer.trace import span
from cachelayer.web.compression import accepts_gzip, compressed

View = Callable[..., HttpResponse]
_IS_STAFF = "_is_staff"


def is_update(request: HttpRequest) -> bool:
    """Tell whether HTMX asks for a part of the page; going back in history asks for the whole."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def is_staff(request: HttpRequest) -> bool:
    """Tell whether staff is asking, without looking at the session of somebody who has none.

    It is found out once a request: while accounts cannot be read, each attempt waits for them.
    """
    known: bool | None = getattr(request, _IS_STAFF, None)
    if known is None:
        known = _reads_as_staff(request)
        setattr(request, _IS_STAFF, known)
    return known


def believe_staff(request: HttpRequest) -> None:
    """Take a request for one of staff without asking, because something else has proved it."""
    setattr(request, _IS_STAFF, True)


def _reads_as_staff(request: HttpRequest) -> bool:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    try:
        return bool(getattr(request.user, "is_staff", False))
    except DatabaseError:
        return False  # Accounts cannot be read at present, and this page is for everybody.


def staff_only(view: View) -> View:
    """Let staff in, send strangers to sign in, refuse everybody else."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            if is_update(request):
                raise PermissionDenied
            response: HttpResponse = redirect_to_login(request.get_full_path())
            return response
        if not getattr(request.user, "is_staff", False):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def page_response(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render a page or a part of one; nobody keeps it."""
    with span("render"):
        body = render_to_string(template, {"may_change": is_staff(request), **context}, request)
    return compressed(request, _kept_by_nobody(HttpResponse(body, status=status)))


def part_response(request: HttpRequest, part: Part) -> HttpResponse:
    """Answer with a part of a page that is rendered and compressed already."""
    if not accepts_gzip(request):
        return _kept_by_nobody(HttpResponse(part.text))
    response = _kept_by_nobody(HttpResponse(part.compressed))
    response["Content-Encoding"] = "gzip"
    return response


def _kept_by_nobody(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    patch_vary_headers(response, ("HX-Request", "HX-History-Restore-Request", "Accept-Encoding"))
    return response
