"""Keyboard, screen readers, themes: what axe-core can find, and what only a key press can."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pytest
from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.visitor import Visitor

SHOP = {
    "home": "/",
    "results": "/search?q=mouse",
    "filtered results": "/search?q=mouse&category=accessories&brand=logitech&min_price=5&in_stock=true",
    "second page": "/search?category=computers",
    "nothing found": "/search?q=hovercraft",
    "product": "product",
    "similar": "similar",
    "400": "/search?q=mouse&min_price=cheap",
    "404": "/nowhere",
}
DASHBOARD = {
    "dashboard": "/dashboard/",
    "history": "/dashboard/history/",
    "one request": "request",
    "keys": "/dashboard/keys/?prefix=search:",
    "one key": "key",
    "costs": "/dashboard/costs/",
    "cluster": "/dashboard/cluster/",
    "routing": "/dashboard/cluster/routing/",
}
# Style sheets and media would be read once more, for experimental rules alone, which are not in force.
_OPTIONS = {"resultTypes": ["violations"], "preload": False}
# Themes decide colours and widths decide what is beside what, so each page is looked at once in each of them.
SHOWN: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 360))


def shown(page: Page, theme: Literal["light", "dark"], width: int) -> Page:
    """Return the page as somebody sees it who prefers ``theme`` and whose window is ``width`` pixels wide."""
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    return page


def violations(page: Page) -> list[str]:
    """Return what axe-core objects to, one line for each element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    report: dict[str, Any] = page.evaluate("options => axe.run(options)", _OPTIONS)
    return [
        f"{violation['id']}: {node['html'][:160]} ({node['failureSummary'][:300]})"
        for violation in report["violations"]
        for node in violation["nodes"]
    ]


def measured(visitor: Visitor, what: str) -> str:
    """Return the dashboard's address of a search that has just been answered."""
    visitor.open("/search?q=measured")
    if what == "key":
        return "/dashboard/keys/value?key=search:measured"
    link = visitor.page.locator(".data--requests a").first
    for _ in range(20):  # Requests are written to the log a moment after they were answered.
        visitor.open("/dashboard/history/")
        if link.count():
            break
    return link.get_attribute("href") or ""


@pytest.mark.parametrize("pages", [SHOP, DASHBOARD], ids=["shop", "dashboard"])
def test_axe_finds_nothing(arrive: Callable[..., Visitor], site: Site, pages: dict[str, str]) -> None:
    visitor = arrive(site, reduced_motion="reduce")
    found = {}
    for name, path in pages.items():
        shown(visitor.page, *SHOWN[0])
        page = opened(visitor, name, path)
        for theme, width in SHOWN:
            found[name, theme] = violations(shown(page, theme, width))
    assert {place: complaints for place, complaints in found.items() if complaints} == {}


def opened(visitor: Visitor, name: str, path: str) -> Page:
    """Open one of the pages above, with everything on it that can be opened."""
    if path in {"product", "similar"}:
        visitor.open("/search?q=keyboard")
        path = visitor.first_path
        path += "similar" if name == "similar" else ""
    if path in {"request", "key"}:
        path = measured(visitor, path)
    page = visitor.open(path)
    if name == "second page":
        page.get_by_role("link", name="Show more products").click()
        expect(visitor.cards).to_have_count(40)
    for details in page.locator("details").all():
        details.locator("summary").click()
    return page


def test_axe_finds_nothing_on_a_phone_with_the_filters_open(arrive: Callable[..., Visitor], site: Site) -> None:
    visitor = arrive(site, viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = visitor.open("/search?q=mouse")
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filters")).to_be_visible()
    for theme, _ in SHOWN:
        assert violations(shown(page, theme, 390)) == [], theme


def test_the_whole_journey_can_be_made_with_the_keyboard(visitor: Visitor) -> None:
    page = visitor.open("/search")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search products")).to_be_focused()
    page.keyboard.type("mouse/pad")
    expect(page.get_by_role("combobox", name="Search products")).to_have_value("mouse/pad")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("headset")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?q=headset$"))
    page.locator("#category-all, [id^=category-]").first.focus()
    chosen = page.evaluate("document.activeElement.id")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("category="))
    expect(page.locator(f"#{chosen}")).to_be_focused()
    page.locator(".card__name a").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/products/"))


def test_removing_a_filter_leaves_the_keyboard_at_the_results(visitor: Visitor) -> None:
    page = visitor.open("/search?q=mouse&in_stock=true")
    page.get_by_role("link", name="Remove filter").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=mouse$"))
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_every_focusable_element_shows_that_it_has_the_focus(visitor: Visitor) -> None:
    page = visitor.open("/search?q=mouse")
    unmarked = []
    for _ in range(45):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            """() => {
              const outlined = (element, pseudo) => {
                const style = getComputedStyle(element, pseudo);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              };
              const active = document.activeElement;
              return active === document.body || outlined(active) || outlined(active, "::after")
                ? "" : active.outerHTML.slice(0, 120);
            }"""
        )
        if shown:
            unmarked.append(shown)
    assert unmarked == []


def test_each_page_has_one_first_heading_and_its_landmarks(visitor: Visitor) -> None:
    for path in ("/", "/search?q=mouse", "/dashboard/", "/nowhere"):
        page = visitor.open(path)
        assert page.get_by_role("heading", level=1).count() == 1, path
        for role in ("banner", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1, (path, role)
        assert page.locator("html").get_attribute("lang") == "en"


def test_motion_is_off_for_those_who_asked_for_that(arrive: Callable[..., Visitor], site: Site) -> None:
    page = arrive(site, reduced_motion="reduce").open("/search?q=mouse")
    durations = page.evaluate(
        """() => [...document.querySelectorAll("*")]
          .map(element => parseFloat(getComputedStyle(element).transitionDuration))
          .filter(seconds => seconds > 0)"""
    )
    assert durations == []


def test_on_paper_pages_are_light_and_without_controls(arrive: Callable[..., Visitor], site: Site) -> None:
    page = arrive(site, color_scheme="dark").open("/search?q=mouse")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.price')).color") == "rgb(23, 25, 30)"
    for hidden in (".site-header", ".filters", "#filter-sort", "#more-results", ".site-footer"):
        expect(page.locator(hidden)).to_be_hidden()


@pytest.mark.parametrize("what", ["/dashboard/", "request"])
def test_on_paper_the_dashboard_is_light_and_keeps_its_colours(
    arrive: Callable[..., Visitor], site: Site, what: str
) -> None:
    visitor = arrive(site, color_scheme="dark")
    address = measured(visitor, what)
    page = visitor.open(address if what == "request" else what)
    shown = ".figures" if what == "/dashboard/" else ".data--waterfall"
    expect(page.locator(shown).first).to_be_visible()
    expect(page.locator(".dash__tabs")).to_be_visible()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    panel = page.locator(".panel").first
    assert panel.evaluate("element => getComputedStyle(element).boxShadow") == "none"
    heading = page.get_by_role("heading", level=1)
    assert heading.evaluate("element => getComputedStyle(element).color") == "rgb(23, 25, 30)"
    # What hits and misses are told apart by is printed with its colour, and nothing is cut off at the side.
    assert (
        page.locator(".badge, .key").first.evaluate("element => getComputedStyle(element).printColorAdjust") == "exact"
    )
    expect(page.locator(shown).first).to_be_visible()
    for hidden in (".site-header", ".site-footer", ".dash__tabs", ".dash__controls", ".crumb"):
        for element in page.locator(hidden).all():
            expect(element).to_be_hidden()
