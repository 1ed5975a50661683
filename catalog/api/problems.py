"""Errors of the API as RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from catalog.api.bodies import PreconditionRequired, api_names, sent_json
from catalog.errors import (
    CatalogUnavailable,
    EditConflict,
    InvalidFields,
    InvalidParameter,
    NotAcknowledged,
    ProductNotFound,
)
from catalog.representation import staff_product_json

PROBLEM_JSON = "application/problem+json"


class RateLimited(exceptions.APIException):
    """The client has used up its allowance.

    Args:
        headers: what tells the client when to come back.
    """

    status_code = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(f"Too many searches. Try again in {headers['Retry-After']} s.")
        self.headers = headers


def problem(status: int, detail: str, **members: Any) -> dict[str, Any]:
    """Build a problem object; ``members`` extend it, such as ``field``."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of an API view (Django REST framework's ``EXCEPTION_HANDLER``); ``None`` for bugs."""
    described = _describe_edit(error) or _describe(error)
    if described is None:
        return None
    status, members, headers = described
    set_rollback()
    response = Response(problem(status, members.pop("detail"), **members), status=status, headers=headers)
    renderer = getattr(context.get("request"), "accepted_renderer", None)
    if renderer is None or renderer.format == "json":
        response.content_type = PROBLEM_JSON
    return response


def plain_problem(status: int, detail: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """Answer a request to the API that no API view has seen, such as one to an unknown path."""
    body = orjson.dumps(problem(status, detail))
    return HttpResponse(body, status=status, content_type=PROBLEM_JSON, headers=headers)


def rate_limited(headers: dict[str, str]) -> HttpResponse:
    """Answer 429 outside of an API view."""
    return plain_problem(RateLimited.status_code, str(RateLimited(headers).detail), headers)


def _describe(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]] | None:
    match error:
        case InvalidParameter():
            return 400, {"detail": error.reason, "field": error.field}, {}
        case ProductNotFound():
            return 404, {"detail": str(error)}, {}
        case Http404():
            return 404, {"detail": "There is nothing at this address."}, {}
        case PermissionDenied():
            return 403, {"detail": "You may not do this."}, {}
        case CatalogUnavailable():
            detail = "The catalogue cannot be read at present, and this answer is not cached."
            return 503, {"detail": detail}, {"Retry-After": str(error.retry_after_seconds)}
        case RateLimited():
            return error.status_code, {"detail": str(error.detail)}, error.headers
        case exceptions.ValidationError():
            return 400, {"detail": "The request is not valid.", "errors": error.detail}, {}
        case exceptions.APIException():
            headers = {"WWW-Authenticate": error.auth_header} if hasattr(error, "auth_header") else {}
            return error.status_code, {"detail": str(error.detail)}, headers
        case _:
            return None


def _describe_edit(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]] | None:
    match error:
        case InvalidFields():
            return 400, {"detail": "Some fields cannot be used.", "errors": api_names(error.reasons)}, {}
        case EditConflict():
            return 409, _both_versions(error), {"ETag": f'"{error.stored.version}"'}
        case PreconditionRequired():
            return 428, {"detail": "Say which version you have read: as version in the body, or as If-Match."}, {}
        case NotAcknowledged():
            detail = "MongoDB did not acknowledge the change in time: read the product to see whether it was made."
            return 503, {"detail": detail}, {"Retry-After": str(error.retry_after_seconds)}
        case _:
            return None


def _both_versions(conflict: EditConflict) -> dict[str, Any]:
    return {
        "detail": f"{conflict} Nothing was written.",
        "stored": staff_product_json(conflict.stored),
        "sent": sent_json(conflict),
    }
