"""What the serving benchmark compares with: one Django view without middleware that returns fixed bytes."""

from __future__ import annotations

import os
from pathlib import Path

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[],
    INSTALLED_APPS=[],
    SECRET_KEY="b" * 50,
    USE_TZ=True,
)
django.setup()

_SEARCH = Path(os.environ["BENCH_SEARCH_BODY"]).read_bytes()
_PRODUCT = Path(os.environ["BENCH_PRODUCT_BODY"]).read_bytes()


def livez(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse(b"alive")


def search(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse(_SEARCH, content_type="application/json")


def product(request: HttpRequest, product_id: str) -> HttpResponse:
    del request, product_id
    return HttpResponse(_PRODUCT, content_type="application/json")


urlpatterns = [path("livez", livez), path("api/search", search), path("api/products/<str:product_id>", product)]
application = get_wsgi_application()
