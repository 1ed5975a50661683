"""Staff at a browser: what shoppers search for, synonyms, pins and hides, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.test_access import SHOWN, shown, violations
from speedscale.tests.browser.test_staff import signed_in
from speedscale.tests.browser.visitor import Visitor
from speedscale.tests.waiting import wait_for

PATHS = (
    "/staff/searches/",
    "/staff/searches/nothing/",
    "/staff/synonyms/",
    "/staff/synonyms/new/?phrase=hovercraft",
    "/staff/pins/",
)


def test_a_search_in_vain_becomes_a_synonym_and_a_product_is_pinned_without_javascript(
    arrive: Callable[..., Visitor], staffed_site: Site
) -> None:
    shopper = arrive(staffed_site, java_script_enabled=False)
    shopper.open("/search?q=hovercraft")
    shopper.open("/search?q=laptop")
    shopper.cards.nth(2).get_by_role("link").click()
    expect(shopper.page.locator(".product__price")).to_be_visible()
    page = signed_in(arrive(staffed_site, java_script_enabled=False)).page
    page.get_by_role("link", name="Searches", exact=True).click()
    row = page.get_by_role("row").filter(has_text="laptop")

    def clicked_and_place() -> list[str]:
        page.reload()
        return row.get_by_role("cell").all_inner_texts()[1:3]

    # Clicks are counted a moment after they were answered.
    wait_for(lambda: clicked_and_place() == ["100%", "3.0"])
    page.get_by_role("link", name="Without a result").click()
    page.get_by_role("link", name="New synonym for “hovercraft”").click()
    page.get_by_label("Phrases").fill("hovercraft\nkeyboard")
    page.get_by_label("One way").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    # An answer from before may be shown while it is refreshed.
    wait_for(lambda: not shopper.open("/search?q=hovercraft").get_by_text("Nothing found").count())
    page.get_by_role("link", name="Pins and hides").click()
    page.get_by_label("Query").fill("monitor")
    page.get_by_role("button", name="Decide").click()
    results = page.locator(".pin-preview__list").last.get_by_role("listitem")
    names = page.locator(".pin-preview__list").last.locator(".pin-row__name")
    expect(names).to_have_count(10)
    first, second = names.all_inner_texts()[:2]
    for number in (1, 2):
        results.filter(has=page.get_by_role("button", name=re.compile("^Pin "))).first.get_by_role(
            "button", name=re.compile("^Pin ")
        ).click()
        expect(page.locator(".pin-list ol > li")).to_have_count(number)
    page.get_by_role("button", name=f"Down {first}").click()
    expect(names.nth(0)).to_have_text(second)
    expect(names.nth(1)).to_have_text(first)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()


def test_products_are_pinned_moved_and_hidden_by_keyboard(
    editor: Visitor, arrive: Callable[..., Visitor], staffed_site: Site
) -> None:
    shopper = arrive(staffed_site)
    shopper.open("/search?q=mouse")
    before = shopper.names
    page = editor.open("/staff/pins/edit/?q=mouse")
    after = page.locator("#pin-form section").filter(has_text="After saving").locator(".pin-row__name")
    expect(after.first).to_have_text(before[0])
    page.locator("#pin-words").fill("headset")
    page.get_by_role("button", name="Find").press("Enter")
    found = page.locator(".pin-list__offered li").first
    name = found.locator(".pin-row__name").inner_text()
    found.get_by_role("button", name="Pin").press("Enter")
    expect(after.first).to_have_text(name)
    expect(page.locator("button:focus")).to_have_text(re.compile("^Unpin"))
    page.locator(".pin-preview__list li").filter(has_text=before[3]).get_by_role("button", name="Pin").press("Enter")
    expect(after.nth(1)).to_have_text(before[3])
    page.get_by_role("button", name=f"Up {before[3]}").press("Enter")
    expect(after.first).to_have_text(before[3])
    expect(page.locator("button:focus")).to_have_text(re.compile("^Unpin"))
    page.get_by_role("button", name=f"Hide {before[0]}", exact=True).press("Enter")
    expect(page.get_by_role("status").filter(has_text="Hidden. Not saved yet.")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
    shopper.open("/search?q=mouse")
    shopper.open("/search?q=mouse&explain=true")
    assert shopper.names[:2] == [before[3], name]
    assert before[0] not in shopper.names
    assert shopper.page.get_by_text("pinned by the shop").count() == 2


def test_axe_finds_nothing_and_nothing_overflows(
    arrive: Callable[..., Visitor], staffed_site: Site, editor_state: Any
) -> None:
    arrive(staffed_site).open("/search?q=hovercrafts+zyxwvut")
    visitor = arrive(staffed_site, storage_state=editor_state, reduced_motion="reduce")
    found = {}
    for path in (*PATHS, "/staff/pins/edit/?q=cable"):
        page = visitor.open(path)
        if "edit" in path:
            page.get_by_role("button", name=re.compile("^Pin ")).nth(4).click()
            page.get_by_role("button", name=re.compile("^Hide ")).first.click()
            expect(page.get_by_role("button", name=re.compile("^Show again"))).to_be_visible()
        for theme, width in SHOWN:
            found[path, theme] = violations(shown(page, theme, width))
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, (path, width)
    assert {place: complaints for place, complaints in found.items() if complaints} == {}
