"""Compression of rendered pages. They carry no secret of the visitor, so that their length gives nothing away."""

from __future__ import annotations

import gzip
import re

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from cachelayer.trace import span

_ACCEPTS_GZIP = re.compile(r"\bgzip\b")
_LEVEL = 4
"""A sixth larger than at most effort, in a third of the time."""
_WORTH_BYTES = 200


def accepts_gzip(request: HttpRequest) -> bool:
    """Tell whether the client takes a compressed answer."""
    return _ACCEPTS_GZIP.search(request.headers.get("Accept-Encoding", "")) is not None


def compress(text: bytes) -> bytes:
    """Return a page or a part of one as gzip, always the same of the same text."""
    return gzip.compress(text, _LEVEL, mtime=0)


def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return ``response``, a whole page, compressed where the client takes that and it saves anything."""
    patch_vary_headers(response, ("Accept-Encoding",))
    if len(response.content) < _WORTH_BYTES or not accepts_gzip(request):
        return response
    with span("compress"):
        smaller = compress(response.content)
        if len(smaller) < len(response.content):
            response.content = smaller
            response["Content-Encoding"] = "gzip"
            response["Content-Length"] = str(len(smaller))
    return response
