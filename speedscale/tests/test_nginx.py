"""deploy/nginx in front of the real application, run by Debian's nginx."""

from __future__ import annotations

import http.client
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from catalog.tests.factories import draft, store
from speedscale.embedded.ports import free_port
from speedscale.running.web import WebServer
from speedscale.tests.commands import environment
from speedscale.tests.edge import NGINX, WHY_NOT, Edge, get
from speedscale.tests.statics import give_static_files
from speedscale.tests.waiting import wait_for

pytestmark = [pytest.mark.skipif(not NGINX, reason=WHY_NOT), pytest.mark.timeout(120)]


@dataclass
class Site:
    """Web nodes behind an edge."""

    directory: Path
    webs: list[WebServer]
    ports: list[int]
    edge: Edge

    def stop_webs(self) -> None:
        for web in self.webs:
            web.stop()

    def start_web(self, number: int) -> None:
        self.webs[number] = _web(self.directory, self.ports[number])


def _variables(directory: Path, port: int) -> dict[str, str]:
    return {
        "MONGO_URI": settings.MONGO_URI,
        "MONGO_DB": settings.MONGO_DB,
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": "x" * 60,
        "ALLOWED_HOSTS": "shop.example",
        "TRUSTED_PROXIES": "127.0.0.1",
        "METRICS_TOKEN": "secret",
        "RATE_LIMIT_SEARCH": "",
        "HTTPS": "false",
        "DATA_DIR": str(directory),
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
    }


def _web(directory: Path, port: int, **more: str) -> WebServer:
    return WebServer(
        Path(settings.BASE_DIR),
        host="127.0.0.1",
        port=port,
        allowed_hosts=["shop.example"],
        log=directory / f"web-{port}.log",
        env=environment(**_variables(directory, port) | more),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("edge")
    give_static_files(directory)
    ports = [free_port(), free_port()]
    with ExitStack() as cleanup:
        webs = [_web(directory, port) for port in ports]
        made = Site(directory, webs, ports, Edge(directory / "nginx", ports))
        cleanup.callback(made.stop_webs)
        cleanup.callback(made.edge.stop)
        yield made


@pytest.fixture
def product(products_db: Any) -> str:
    names = ("Wireless Mouse", "Mechanical Keyboard", "Running Shoes")
    return store(*(draft(f"SKU-{number}", name=f"{names[number % 3]} {number}") for number in range(30)))[0]


def statuses_of_the_edge(site: Site, path: str, count: int, **headers: str) -> list[str]:
    return [get(site.edge.port, path, **headers).headers["X-Edge-Cache"] or "" for _ in range(count)]


@pytest.mark.parametrize(
    "path", ["/", "/search?q=mouse&test=cached", "/api/search?query=mouse&test=cached", "/api/trending?test=cached"]
)
def test_pages_and_api_are_cached_for_a_moment_for_people_without_a_session(
    site: Site, product: str, path: str
) -> None:
    wait_for(lambda: get(site.edge.port, path).status == 200)
    assert "HIT" in statuses_of_the_edge(site, path, 3)
    # Old answers are given while a new one is fetched; after it, the answer is another one.
    first = get(site.edge.port, path).headers["Server-Timing"]
    wait_for(lambda: get(site.edge.port, path).headers["Server-Timing"] != first, timeout_seconds=10)


@pytest.mark.parametrize(
    "headers",
    [{"Cookie": "sessionid=abc"}, {"Cookie": "a=1; messages=x"}, {"Authorization": "Token abc"}],
    ids=["session", "messages", "token"],
)
def test_whoever_brings_a_session_or_a_token_is_neither_given_nor_gives_a_cached_answer(
    site: Site, product: str, headers: dict[str, str]
) -> None:
    path = f"/products/{product}/?for={next(iter(headers))}{len(headers)}{abs(hash(str(headers)))}"
    assert set(statuses_of_the_edge(site, path, 2, **headers)) == {"BYPASS"}
    assert get(site.edge.port, path).headers["X-Edge-Cache"] == "MISS", "what they were given was not kept"


def test_a_page_a_fragment_and_a_compressed_page_of_one_address_stay_apart(site: Site, product: str) -> None:
    path = "/search?q=keyboard&test=apart"
    page = get(site.edge.port, path)
    fragment = get(site.edge.port, path, HX_Request="true")
    packed = get(site.edge.port, path, Accept_Encoding="gzip")
    assert b"<html" in page.body  # type: ignore[attr-defined]
    assert b"<html" not in fragment.body  # type: ignore[attr-defined]
    assert packed.headers["Content-Encoding"] == "gzip"
    again = get(site.edge.port, path)
    assert again.headers["X-Edge-Cache"] in {"HIT", "STALE", "UPDATING"}
    assert b"<html" in again.body  # type: ignore[attr-defined]


def test_static_files_are_compressed_and_immutable_and_kept(site: Site, product: str) -> None:
    page = get(site.edge.port, "/")
    path = re.search(rb'href="(/static/[^"]+\.css)"', page.body)  # type: ignore[attr-defined]
    assert path is not None
    name = path[1].decode()
    answers = [get(site.edge.port, name, Accept_Encoding="gzip") for _ in range(2)]
    assert [answer.headers["X-Edge-Cache"] for answer in answers][-1] == "HIT"
    assert "immutable" in answers[1].headers["Cache-Control"]
    assert answers[1].headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/dashboard/", "/metrics", "/health", "/readyz", "/livez"])
def test_what_tells_about_the_servers_is_for_the_inside_alone(site: Site, path: str) -> None:
    assert get(site.edge.port, path).status == 404
    assert get(site.edge.internal_port, path, Authorization="Bearer secret").status == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/no-such-page", "/admin/login/"])
def test_every_answer_has_each_security_header_once(site: Site, product: str, path: str) -> None:
    answer = get(site.edge.port, path)
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy"):
        assert len(answer.headers.get_all(name, [])) == 1, name
    assert "nginx/" not in (answer.headers["Server"] or "")


def test_a_client_cannot_claim_another_address_or_https(site: Site) -> None:
    answer = get(site.edge.port, "/admin/login/", X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.9")
    assert answer.status == 200
    # A cookie for HTTPS alone would show that the claim was believed.
    assert "csrftoken" in (answer.headers["Set-Cookie"] or "")


def test_a_flood_from_one_address_is_limited(site: Site) -> None:
    counted: Counter[int] = Counter()

    def flood() -> None:
        for _ in range(60):
            counted[get(site.edge.port, "/no-such-page").status] += 1

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted[429] > 0
    assert set(counted) == {404, 429}
    wait_for(lambda: get(site.edge.port, "/no-such-page").status == 404)


def test_a_body_that_is_too_large_is_refused_at_the_edge(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.edge.port, timeout=10)
    connection.request("POST", "/accounts/login/", headers={"Host": "shop.example", "Content-Length": "2000000"})
    assert connection.getresponse().status == 413


def test_a_web_node_that_dies_and_comes_back_costs_no_visitor_an_answer(site: Site, product: str) -> None:
    wait_for(lambda: get(site.edge.port, "/no-such-page").status == 404)
    paths = ["/", f"/products/{product}/", "/search?q=mouse&test=killed"]
    for path in paths:
        wait_for(lambda path=path: get(site.edge.port, path).status == 200)  # type: ignore[misc]
    counted: Counter[int] = Counter()
    stopping = threading.Event()

    def visit() -> None:
        # Slower than the limit of the edge.
        while not stopping.wait(0.15):
            for path in paths:
                counted[get(site.edge.port, path).status] += 1

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        site.webs[0].kill()
        time.sleep(1)
        # With no node at all, what is cached is served on.
        site.webs[1].kill()
        time.sleep(2)
        site.start_web(0)
        site.start_web(1)
    finally:
        stopping.set()
        visitor.join()
    assert counted[200] > 20
    assert set(counted) == {200}
    # A node that failed is left out for two seconds; then what was never kept is answered again, too.
    wait_for(lambda: get(site.edge.port, "/api/products/" + product).status == 200)


def test_it_speaks_tls_and_tells_the_application_so(site: Site, tmp_path: Path) -> None:
    directory = site.directory / "tls-edge"
    edge = Edge(directory, site.ports, tls=True)
    try:
        context = ssl.create_default_context(cafile=str(directory / "tls" / "tls.crt"))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", edge.port, timeout=10, context=context)
        connection.request("GET", "/no-such-page", headers={"Host": "shop.example"})
        assert connection.getresponse().status == 404
    finally:
        edge.stop()
