"""Errors become answers here, in one place: a page for people, problem JSON below ``/api/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import server_error

from catalog.api.problems import plain_problem
from catalog.errors import CatalogUnavailable, InvalidParameter, ProductNotFound

_API = "/api/"


class ServiceErrorMiddleware:
    """Turns the catalogue's exceptions, raised by any page, into 400, 404 and 503."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what a view could not."""
        match error:
            case InvalidParameter():
                return _page(request, 400, field=error.field, reason=error.reason)
            case ProductNotFound():
                return not_found(request, error)
            case CatalogUnavailable():
                return unavailable(request, error.retry_after_seconds)
            case DatabaseError():
                # Accounts and sessions live in the same MongoDB; the page must not wait for them a second time.
                request.user = AnonymousUser()
                return unavailable(request, CatalogUnavailable.retry_after_seconds)
        return None


def unavailable(request: HttpRequest, retry_after_seconds: int) -> HttpResponse:
    """Answer 503 and say when to come back."""
    headers = {"Retry-After": str(retry_after_seconds), "Cache-Control": "no-store"}
    if request.path.startswith(_API):
        return plain_problem(503, "The service cannot be reached at present.", headers)
    response = _page(request, 503, retry_after_seconds=retry_after_seconds)
    for name, value in headers.items():
        response[name] = value
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 (``handler400``)."""
    del exception
    if request.path.startswith(_API):
        return plain_problem(400, "The request cannot be understood.")
    return _page(request, 400, field="", reason="The request cannot be understood.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 (``handler403``)."""
    del exception
    return plain_problem(403, "You may not do this.") if request.path.startswith(_API) else _page(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from our own page, or whose cookie has gone (``CSRF_FAILURE_VIEW``)."""
    return permission_denied(request, PermissionDenied(reason))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 (``handler404``)."""
    del exception
    if request.path.startswith(_API):
        return plain_problem(404, "There is nothing at this address.")
    return _page(request, 404)


def internal_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 (``handler500``)."""
    if request.path.startswith(_API):
        return plain_problem(500, "Something went wrong here; it has been logged.")
    return server_error(request, template_name="errors/500.html")


def _page(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    return render(request, f"errors/{status}.html", context, status=status)
