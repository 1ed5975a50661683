"""Suggestions below the search field: by keyboard and mouse, in both themes, on the narrowest phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.test_access import SHOWN, shown, violations
from speedscale.tests.browser.visitor import Visitor


def typing(page: Page, text: str) -> Locator:
    """Type into the search field and return its list once it is there."""
    field = page.get_by_role("combobox").first
    field.click()
    field.press_sequentially(text)
    found = page.get_by_role("listbox", name="Suggestions")
    expect(found).to_be_visible()
    return found


def test_arrows_choose_enter_goes_there_and_escape_closes(visitor: Visitor) -> None:
    page = visitor.open("/search")
    options = typing(page, "keyb").get_by_role("option")
    field = page.get_by_role("combobox").first
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#suggestions-status")).to_have_text(re.compile(r"^\d+ suggestions?$"))
    count = options.count()
    field.press("ArrowDown")
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", options.nth(0).get_attribute("id") or "none")
    field.press("ArrowUp")
    assert field.get_attribute("aria-activedescendant") is None
    field.press("ArrowUp")
    expect(options.nth(count - 1)).to_have_attribute("aria-selected", "true")
    field.press("Escape")
    expect(page.locator("#suggestions")).to_be_hidden()
    expect(field).to_have_value("keyb")
    expect(field).to_have_attribute("aria-expanded", "false")
    field.press("ArrowDown")
    expect(page.locator("#suggestions")).to_be_visible()
    field.press("ArrowDown")
    wanted = page.locator("#suggestions [aria-selected=true]").get_attribute("href") or ""
    field.press("Enter")
    expect(page).to_have_url(visitor.origin + wanted)


def test_enter_without_a_choice_searches_for_what_was_typed(visitor: Visitor) -> None:
    page = visitor.open("/")
    typing(page, "keyb")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?q=keyb$"))


def test_a_click_goes_to_the_suggestion_and_leaving_the_field_closes_the_list(visitor: Visitor) -> None:
    page = visitor.open("/")
    options = typing(page, "logi").get_by_role("option")
    page.keyboard.press("Tab")
    expect(page.locator("#suggestions")).to_be_hidden()
    page.get_by_role("combobox").fill("")
    options = typing(page, "logit").get_by_role("option")
    options.filter(has_text="Brand").first.click()
    expect(page).to_have_url(re.compile(r"/search\?brand="))


def test_fast_typing_asks_few_times(visitor: Visitor) -> None:
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/suggest?" in request.url else None)
    # The page's own clock stands still but for what is said here, however long the machine takes for a letter.
    page.clock.install(time=0)
    visitor.open("/")
    page.clock.pause_at(60_000)
    field = page.get_by_role("combobox").first
    field.click()
    for letter in "wireless mouse":
        field.press_sequentially(letter)
        page.clock.run_for(100)  # in ms, as somebody types who is fast
    page.clock.resume()
    expect(page.get_by_role("listbox", name="Suggestions")).to_be_visible()
    assert asked
    assert parse_qs(urlsplit(asked[-1]).query) == {"q": ["wireless mouse"]}
    assert len(asked) < len("wireless mouse") / 2, asked
    page.get_by_role("combobox").fill("")
    expect(page.locator("#suggestions")).to_be_hidden()


@pytest.mark.parametrize("path", ["/", "/search"])
def test_axe_finds_nothing_in_an_open_list(arrive: Callable[..., Visitor], site: Site, path: str) -> None:
    page = arrive(site, reduced_motion="reduce").open(path)
    typing(page, "mou")
    page.keyboard.press("ArrowDown")
    for theme, width in SHOWN:
        assert violations(shown(page, theme, width)) == [], theme
        expect(page.get_by_role("listbox", name="Suggestions")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/search"])
def test_nothing_is_cut_off_on_a_narrow_phone(arrive: Callable[..., Visitor], site: Site, path: str) -> None:
    visitor = arrive(site, viewport={"width": 320, "height": 568})
    page = visitor.open(path)
    found = typing(page, "mou")
    box = found.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert visitor.shifts == []
    # Measured at once: the list may be replaced by that of a later letter.
    heights = found.evaluate("list => Array.from(list.querySelectorAll('[role=option]'), o => o.offsetHeight)")
    assert heights
    assert min(heights) >= 44


def test_without_javascript_the_field_is_a_plain_one(arrive: Callable[..., Visitor], site: Site) -> None:
    visitor = arrive(site, java_script_enabled=False)
    page = visitor.open("/")
    expect(page.get_by_role("searchbox")).to_be_visible()
    expect(page.locator("#suggestions")).to_be_hidden()
    visitor.search("keyboard")
    expect(page).to_have_url(re.compile(r"/search\?q=keyboard$"))
