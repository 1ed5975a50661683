"""First visits are light and stand still (P15): at most 100 KiB without pictures, no other host, no layout shift."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Response

from speedscale.tests.browser.relay import trickling
from speedscale.tests.browser.site import Site
from speedscale.tests.browser.visitor import Visitor

LIMIT_BYTES = 100 * 1024


def bytes_transferred(visitor: Visitor, path: str) -> dict[str, int]:
    """Return the bytes that came over the wire on a first visit, headers included, by address."""
    session = visitor.page.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    addresses: dict[str, str] = {}
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def sent(event: dict[str, Any]) -> None:
        identifier = str(event["requestId"])
        addresses[identifier], kinds[identifier] = str(event["request"]["url"]), str(event.get("type"))

    def finished(event: dict[str, Any]) -> None:
        identifier = str(event["requestId"])
        address = addresses[identifier]
        if kinds[identifier] != "Image" and not address.startswith("data:"):
            sizes[address.removeprefix(visitor.origin)] = int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.loadingFinished", finished)
    visitor.open(path)
    return sizes


@pytest.mark.parametrize("path", ["/", "/search?q=wireless+mouse", "product", "/dashboard/"])
def test_a_first_visit_is_light_and_stands_still(arrive: Callable[..., Visitor], site: Site, path: str) -> None:
    if path == "product":
        guide = arrive(site)
        guide.open("/search?q=keyboard")
        path = guide.first_path
    visitor = arrive(site)
    sizes = bytes_transferred(visitor, path)
    assert len(sizes) > 5, sizes
    assert sum(sizes.values()) <= LIMIT_BYTES, sizes
    visitor.page.mouse.wheel(0, 3000)
    visitor.page.wait_for_load_state("networkidle")
    assert visitor.shifts == []


def test_nothing_moves_on_a_slow_line(arrive: Callable[..., Visitor], site: Site) -> None:
    visitor = arrive(site)
    session = visitor.page.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    line = {"latency": 150, "downloadThroughput": 100_000, "uploadThroughput": 50_000}
    session.send("Network.emulateNetworkConditions", {"offline": False, **line})
    for path in ("/", "/search?q=mouse", "/dashboard/"):
        visitor.open(path)
        assert visitor.shifts == [], path


@pytest.mark.parametrize(("path", "width"), [("/", 320), ("/search?q=mouse", 1280), ("/dashboard/", 700)])
def test_nothing_moves_while_a_page_arrives_in_pieces(
    arrive: Callable[..., Visitor], site: Site, path: str, width: int
) -> None:
    with trickling(site, pieces=60, pause_seconds=0.04) as slow:
        visitor = arrive(slow, viewport={"width": width, "height": 800})
        visitor.open(path)
        assert visitor.shifts == []
        visitor.leave()


def test_static_files_are_compressed_and_kept_for_ever(chromium: Browser, site: Site) -> None:
    context = chromium.new_context()
    page = context.new_page()
    responses: list[Response] = []

    def keep(response: Response) -> None:
        responses.append(response)

    page.on("response", keep)
    page.goto(site.url + "/search?q=mouse", wait_until="networkidle")
    files = [response for response in responses if "/static/" in response.url]
    assert len(files) >= 8
    for response in files:
        headers = response.all_headers()
        assert "immutable" in headers["cache-control"], response.url
        if Path(response.url.split("?")[0]).suffix in {".css", ".js"}:
            compressible = len(gzip.compress(response.body())) < 0.9 * len(response.body())
            assert not compressible or headers.get("content-encoding") in {"gzip", "br"}, response.url
    context.close()
