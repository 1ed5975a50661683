"""The products that a visitor looked at: a signed cookie of a few ids that ends with the browser's session.

Nothing about it is stored on the server, it names nobody, and it is written only with the similar products of a
product page, so that product pages themselves stay the same for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId
from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

COOKIE = "looked_at"
REMEMBERED = 8
_SALT = "recommender.looked_at"


def looked_at(request: HttpRequest) -> list[str]:
    """Return the ids of the products looked at, last one first; nothing if the cookie is not ours."""
    try:
        value = request.get_signed_cookie(COOKIE, default="", salt=_SALT)
    except BadSignature:
        return []
    return [part for part in (value or "").split(".") if ObjectId.is_valid(part)][:REMEMBERED]


def remember(request: HttpRequest, response: HttpResponse, product_id: str) -> None:
    """Put a product at the head of those looked at."""
    _write(response, [product_id, *(other for other in looked_at(request) if other != product_id)][:REMEMBERED])


def forget(response: HttpResponse) -> None:
    """Remove the cookie."""
    response.delete_cookie(COOKIE, samesite="Lax")


def _write(response: HttpResponse, product_ids: Sequence[str]) -> None:
    response.set_signed_cookie(
        COOKIE,
        ".".join(product_ids),
        salt=_SALT,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
