"""The dashboard in a browser: what happened a moment ago is there, explained, and moves nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.visitor import Visitor
from speedscale.tests.waiting import wait_for

# The dashboard refreshes every 1.5 seconds; on a busy machine a few of them are late.
_BUSY_MS = 30_000


def test_searching_twice_lights_the_way_of_a_miss_and_then_of_a_hit(
    arrive: Callable[..., Visitor], site: Site, visitor: Visitor
) -> None:
    watcher = arrive(site).open("/dashboard/")
    for answered, words in (("MongoDB", "answered"), ("Process memory|Redis", "answered")):
        visitor.page.request.get(f"{site.url}/api/search?query=lit+on+the+topology")
        request = watcher.locator(".way__request")
        expect(request).to_contain_text("lit", timeout=_BUSY_MS)
        lit = watcher.locator(".way__station--answered")
        expect(lit).to_contain_text(re.compile(answered), timeout=_BUSY_MS)
        expect(lit).to_contain_text(words)


def test_a_bar_leads_to_the_waterfall_of_its_request_and_mongodb_explains_its_plan(visitor: Visitor) -> None:
    visitor.open("/search?q=monitor")  # The first search of a process also reads what staff has pinned.
    visitor.open("/search?q=waterfall+keyboard")
    link = visitor.page.locator(".data--requests a", has_text="waterfall").first
    # Requests are written to the log a moment after they were answered.
    wait_for(lambda: visitor.open("/dashboard/history/?outcome=miss") and link.count())
    page = visitor.page
    link.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("waterfall+keyboard")
    expect(page.locator(".data--waterfall")).to_contain_text("MongoDB find products")
    expect(page.locator(".banner--note")).to_contain_text("A hit would have saved about")
    page.get_by_role("link", name="Explain").click()
    facts = page.locator("#request-commands .command__facts").first
    expect(facts).to_contain_text("Documents examined")
    expect(facts).to_contain_text("IXSCAN")


def test_marks_of_the_charts_are_told_by_keyboard(visitor: Visitor) -> None:
    visitor.open("/search?q=keyboard+readout")
    visitor.open("/search?q=keyboard+readout")
    page = visitor.open("/dashboard/")
    page.locator("[data-bars] a").last.focus()
    readout = page.locator("[data-bar-readout]")
    newest = readout.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(readout).not_to_have_text(newest)
    expect(readout).to_contain_text(" ms ")
    page.locator("[data-heatmap]").focus()
    expect(page.locator("[data-heat-readout]")).to_contain_text("UTC")


def test_the_inspector_shows_a_search_and_its_time_running_down(visitor: Visitor) -> None:
    visitor.open("/search?q=gaming")
    page = visitor.open("/dashboard/keys/")
    page.get_by_label("Begins with").fill("search:gaming")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="search:gaming", exact=True).click()
    figure = page.locator(".ring__figure")
    dash = page.locator(".ring__left")
    before = float((dash.get_attribute("stroke-dasharray") or "").split()[0])
    expect(figure).to_be_visible()
    expect(dash).not_to_have_attribute("stroke-dasharray", re.compile(rf"^{before:.1f} "), timeout=_BUSY_MS)
    assert float((dash.get_attribute("stroke-dasharray") or "").split()[0]) < before
    expect(page.locator(".payload")).to_contain_text('"data"')


def test_the_slider_predicts_without_a_reload(visitor: Visitor) -> None:
    visitor.open("/search?q=slider")
    visitor.open("/search?q=slider")
    page = visitor.open("/dashboard/costs/?kind=search")
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    page.evaluate("window.stillTheSamePage = true")
    slider.focus()
    slider.press("Home")
    expect(page.locator(".ttl__table")).to_contain_text("With 1 s")
    assert page.evaluate("window.stillTheSamePage")


def test_nothing_moves_while_the_dashboard_refreshes(arrive: Callable[..., Visitor], site: Site) -> None:
    watchers = [arrive(site, viewport={"width": width, "height": 900}) for width in (390, 820, 1440)]
    pages = [watcher.open("/dashboard/") for watcher in watchers]
    shopper = arrive(site)
    for number in range(2):
        shopper.open(f"/search?q=refresh+{number}")
        for page in pages:
            shown = page.locator(".data--requests", has_text=f"refresh {number}")
            expect(shown).to_be_attached(timeout=_BUSY_MS)
            # What a refresh has moved is known after the next frame.
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert [watcher.shifts for watcher in watchers] == [[], [], []]


def test_everything_is_there_without_javascript(arrive: Callable[..., Visitor], site: Site) -> None:
    plain = arrive(site, java_script_enabled=False)
    plain.open("/search?q=plain+dashboard")
    page = plain.open("/dashboard/")
    page.get_by_role("link", name="1 hour").click()
    expect(page.locator(".heatmap__cells a").first).to_be_attached()
    page.locator(".heatmap__cells a").first.click(force=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("History")
    expect(page.locator(".data--requests tbody a").first).to_be_visible()
    page.locator(".data--requests tbody a").first.click()
    expect(page.get_by_role("heading", name="Waterfall")).to_be_visible()
    plain.open("/dashboard/keys/?prefix=search:plain")
    page.get_by_role("link", name="search:plain dashboard", exact=True).click()
    expect(page.locator(".ring__figure")).to_be_visible()
    plain.open("/dashboard/costs/")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("heading", name="Another time to live")).to_be_visible()
    expect(plain.open("/dashboard/lab/").get_by_role("heading", name="Replays")).to_be_visible()
    expect(plain.open("/dashboard/cluster/").get_by_role("heading", name="Verdict")).to_be_visible()
    page.get_by_role("link", name="Which shard answers what").click()
    expect(page.get_by_text("products.find({_id: ObjectId(")).to_be_visible()
