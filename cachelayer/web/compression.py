"""Compression of rendered pages. They carry no secret of the visitor, so that their length gives nothing away."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware

from cachelayer.trace import span

_gzip = GZipMiddleware(lambda _request: HttpResponse())
_ACCEPTS_GZIP = re.compile(r"\bgzip\b")


def accepts_gzip(request: HttpRequest) -> bool:
    """Tell whether the client takes a compressed answer."""
    return _ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", "")) is not None


def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return ``response`` compressed where the client takes that and it saves anything."""
    with span("compress"):
        _gzip.process_response(request, response)
    return response
