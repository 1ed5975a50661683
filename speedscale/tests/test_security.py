"""What a stranger may try: headers, sign-in, forged requests, oversized requests to the real server."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from catalog.tests.factories import draft, store
from speedscale.embedded.ports import free_port
from speedscale.running.web import WebServer
from speedscale.tests.statics import give_static_files

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def product_id(products_db: Any) -> str:
    return store(draft("MOUSE-1", name="Wireless <script>alert(1)</script> Mouse"))[0]


PATHS = ["/", "/search?q=mouse", "/products/{id}/", "/dashboard/", "/api/search?query=mouse", "/api/docs/", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_security_headers(client: Client, product_id: str, path: str) -> None:
    response = client.get(path.format(id=product_id))
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/search?q=mouse", "/products/{id}/", "/products/{id}/similar", "/"])
def test_markup_in_a_product_stays_text(client: Client, product_id: str, path: str) -> None:
    page = client.get(path.format(id=product_id)).content.decode()
    assert "<script>alert" not in page


def test_shop_pages_set_no_cookie(client: Client, product_id: str) -> None:
    for path in ("/", "/search?q=mouse", f"/products/{product_id}/", "/api/search?query=mouse"):
        assert client.get(path).cookies == {}


@pytest.mark.django_db
def test_signing_in_changes_the_session_and_goes_nowhere_else(client: Client) -> None:
    User.objects.create_superuser("staff", password="correct horse")
    fixed = client.session
    fixed["planted"] = True
    fixed.save()
    planted_key = fixed.session_key
    credentials = {"username": "staff", "password": "correct horse"}
    response = client.post("/admin/login/?next=https://evil.example/", {**credentials, "next": "https://evil.example/"})
    assert response.status_code == 302
    assert not re.match(r"(https?:)?//", response["Location"])
    assert client.session.session_key != planted_key


@pytest.mark.django_db
def test_a_forged_form_is_refused() -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 403


@pytest.mark.django_db
def test_the_admin_is_for_staff(client: Client) -> None:
    assert client.get("/admin/").status_code == 302
    client.force_login(User.objects.create_user("shopper", password="correct horse"))
    assert client.get("/admin/").status_code == 302


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real gunicorn in the project's own configuration."""
    directory = tmp_path_factory.mktemp("web")
    number = free_port()
    environment = {**os.environ, "PORT": str(number), "WEB_CONCURRENCY": "1", "DATA_DIR": str(directory)}
    give_static_files(directory)
    server = WebServer(
        ROOT, host="127.0.0.1", port=number, allowed_hosts=["localhost"], log=directory / "web.log", env=environment
    )
    yield number
    server.stop()


def answer_to(port: int, request: bytes) -> int | None:
    """Send raw bytes and return the status of the answer; ``None`` when the connection was closed without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request)
            match = re.match(rb"HTTP/1\.[01] (\d{3})", connection.recv(4096))
            return int(match[1]) if match else None
    except (ConnectionError, BrokenPipeError):
        return None


HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
REFUSED = {
    "1 MB query": b"GET /api/search?query=" + b"a" * 1_000_000 + HOST + b"\r\n",
    "long header": b"GET /" + HOST + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /" + HOST + b"".join(b"X-%d: a\r\n" % number for number in range(500)) + b"\r\n",
    "bad utf-8": b"GET /%c3%28%a0%a1?query=%c3%28" + HOST + b"\r\n",
    "NUL": b"GET /products/%00/" + HOST + b"\r\n",
    "traversal": b"GET /static/../../etc/passwd" + HOST + b"\r\n",
    "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "two hosts": b"GET /" + HOST + b"Host: evil.example\r\n\r\n",
    "smuggling": b"POST /api/search" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "not HTTP": b"\x16\x03\x01 not http at all\r\n\r\n",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_the_server_refuses_what_is_too_large_or_malformed_and_lives_on(port: int, request_: bytes) -> None:
    status = answer_to(port, request_)
    assert status is None or 400 <= status < 500
    assert answer_to(port, b"GET /livez" + HOST + b"\r\n") == 200


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_methods_that_a_page_does_not_offer_are_refused(client: Client, products_db: Any, method: str) -> None:
    for path in ("/", "/search", "/dashboard/", "/api/docs/", "/api/schema/", "/health", "/livez", "/metrics"):
        assert client.generic(method, path).status_code in {200, 403, 405}, path
