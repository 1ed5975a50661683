"""P15: what a first visit transfers and whether anything moves, in a real browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from bench.result import Result
from bench.stack import running_stack
from speedscale.browser import headless_chromium

_LIMIT_BYTES = 100 * 1024
# The browser reports layout shifts to observers only; buffered entries cover the time before the page is read.
_SHIFT = """() => new Promise(resolve => {
  let total = 0;
  new PerformanceObserver(list => { for (const entry of list.getEntries()) total += entry.value; })
    .observe({type: 'layout-shift', buffered: true});
  setTimeout(() => resolve(total), 500);
})"""


def run(*, full: bool = False) -> list[Result]:
    """Measure the first visit of a result page and of a product page, each with an empty browser cache."""
    del full
    with running_stack(products=2000) as stack, headless_chromium() as browser:
        search = _visit(browser, f"{stack.url}/search?q=wireless+mouse")
        product = _visit(browser, stack.url + search.pop("first_product"))
        product.pop("first_product")
    visits = {"search": search, "product": product}
    met = all(
        visit["bytes"] <= _LIMIT_BYTES and not visit["other_hosts"] and visit["layout_shift"] == 0
        for visit in visits.values()
    )
    figure = "; ".join(
        f"{name}: {visit['bytes'] / 1024:.1f} KiB, shift {visit['layout_shift']:.3f}, "
        f"other hosts {len(visit['other_hosts'])}"
        for name, visit in visits.items()
    )
    return [
        Result(
            id="P15",
            work="first visit of result and product page in Chromium, without pictures",
            against="-",
            figure=figure,
            bar="<= 100 KiB, no other host, no layout shift",
            met=met,
            details=visits,
        )
    ]


def _visit(browser: Browser, url: str) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    kinds: dict[str, str] = {}
    hosts: set[str] = set()
    transferred = {"bytes": 0, "pictures": 0, "requests": 0}

    def note(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]
        hosts.add(urlsplit(event["request"]["url"]).netloc)

    def add(event: dict[str, Any]) -> None:
        kind = "pictures" if kinds.get(event["requestId"]) == "Image" else "bytes"
        transferred[kind] += int(event["encodedDataLength"])
        transferred["requests"] += 1

    session.on("Network.requestWillBeSent", note)
    session.on("Network.loadingFinished", add)
    page.goto(url, wait_until="networkidle")
    shift = float(page.evaluate(_SHIFT))
    first = page.locator("a[href^='/products/']").first.get_attribute("href") if "/search" in url else ""
    context.close()
    own = {urlsplit(url).netloc, ""}
    return {
        **transferred,
        "layout_shift": shift,
        "other_hosts": sorted(hosts - own),
        "first_product": (first or "").partition("?")[0],
    }
