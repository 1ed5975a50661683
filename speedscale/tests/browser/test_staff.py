"""Staff at a browser: signing in, editing with and without JavaScript, and what shoppers see at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.test_access import SHOWN, shown, violations
from speedscale.tests.browser.visitor import Visitor, sign_in


def signed_in(visitor: Visitor) -> Visitor:
    page = visitor.open("/staff/products/")
    sign_in(page, "editor")
    expect(page.get_by_role("heading", name="Products", level=1)).to_be_visible()
    return visitor


def similar_pair(visitor: Visitor, words: str) -> tuple[str, str]:
    """Return the addresses of a product and of one that is shown as similar to it."""
    visitor.open(f"/search?q={words}&in_stock=true")
    first = visitor.first_path
    visitor.open(first + "similar")
    second = visitor.page.locator("#similar-products .card a").first.get_attribute("href") or ""
    return first, second


def similar_to(visitor: Visitor, path: str) -> list[str]:
    links = visitor.open(path + "similar").locator("#similar-products .card a").all()
    return [link.get_attribute("href") or "" for link in links]


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()


def test_a_product_that_is_sold_out_says_so_at_once_and_is_recommended_no_more(
    editor: Visitor, arrive: Callable[..., Visitor], staffed_site: Site
) -> None:
    shopper = arrive(staffed_site)
    first, second = similar_pair(shopper, "cable")
    assert second in similar_to(shopper, first)
    shopper.open(second)
    page = editor.open(second)
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Stock").fill("0")
    save(page)
    page.get_by_role("link", name="See it in the shop").click()
    expect(page.locator(".product__stock")).to_contain_text("Out of stock")
    expect(shopper.open(second).locator(".product__stock")).to_contain_text("Out of stock")
    assert second not in similar_to(shopper, first)


def test_a_product_out_of_the_shop_is_gone_and_comes_back(
    editor: Visitor, arrive: Callable[..., Visitor], staffed_site: Site
) -> None:
    shopper = arrive(staffed_site)
    first, second = similar_pair(shopper, "keyboard")
    name = shopper.open(second).locator("h1").inner_text()
    shopper.search(name)
    assert name in shopper.names
    page = editor.open(f"/staff{second}")
    page.get_by_role("link", name="Take it out of the shop").click()
    page.get_by_role("button", name="Take it out").click()
    expect(page.get_by_role("status").filter(has_text="is out of the shop")).to_be_visible()
    shopper.open(second)
    assert shopper.statuses[second] == 404
    assert second not in similar_to(shopper, first)

    def is_found() -> bool:
        shopper.open("/search").locator("input[type=search]").first.fill(name)
        shopper.page.locator("input[type=search]").first.press("Enter")
        shopper.page.wait_for_url(re.compile("q="))
        return name in shopper.names

    # A search that was read just before may be shown once more while it is refreshed.
    assert not (is_found() and is_found())
    page.get_by_role("link", name="Bring it back").click()
    page.get_by_role("button", name="Bring it back").click()
    shopper.open(second)
    assert shopper.statuses[second] == 200


@pytest.mark.parametrize("javascript", [True, False])
def test_details_are_added_and_removed(
    arrive: Callable[..., Visitor], staffed_site: Site, editor_state: Any, javascript: bool
) -> None:
    visitor = arrive(staffed_site, storage_state=editor_state, java_script_enabled=javascript)
    page = visitor.open("/staff/products/?q=mouse")
    page.locator(".staff-table a").first.click()
    rows = page.get_by_label(re.compile("^Name of detail"))
    before = rows.count()
    page.get_by_label("Brand").fill("Acme")
    page.get_by_role("button", name="Add rows").click()
    expect(rows).to_have_count(before + 2)
    expect(page.get_by_label("Brand")).to_have_value("Acme")
    if javascript:
        expect(rows.nth(before - 3)).to_be_focused()
    name = "Made in" if javascript else "Made by"
    rows.nth(before - 3).fill(name)
    page.get_by_label(re.compile("^Value of detail")).nth(before - 3).fill("Norway")
    save(page)
    page.get_by_role("link", name="See it in the shop").click()
    expect(page.locator(".attributes")).to_contain_text(f"{name}Norway")
    expect(page.locator(".product__brand")).to_have_text("Acme")


def test_the_picture_follows_the_type(editor: Visitor) -> None:
    page = editor.open("/staff/products/new/")
    page.get_by_label("Type").fill("Keyboard")
    page.get_by_label("Type").press("Tab")
    expect(page.locator("#picture-preview img")).to_have_attribute("src", re.compile("/pictures/keyboard/"))
    expect(page.get_by_label("Price")).to_be_focused()


def test_of_two_editors_the_slower_one_chooses(
    editor: Visitor, arrive: Callable[..., Visitor], staffed_site: Site, editor_state: Any
) -> None:
    other = arrive(staffed_site, storage_state=editor_state)
    editor.open("/staff/products/?q=monitor").locator(".staff-table a").first.click()
    other.open(editor.page.url.removeprefix(other.origin))
    editor.page.get_by_label("Price").fill("111.11")
    save(editor.page)
    other.page.get_by_label("Price").fill("222.22")
    other.page.get_by_role("button", name="Save").first.click()
    conflict = other.page.locator(".is-different")
    expect(conflict).to_have_count(1)
    expect(conflict).to_contain_text("111.11")
    expect(conflict).to_contain_text("222.22")
    assert violations(other.page) == []
    other.page.get_by_role("button", name="Save mine over it").click()
    expect(other.page.get_by_role("status").filter(has_text="Saved: price")).to_be_visible()
    expect(other.page.get_by_label("Price")).to_have_value("222.22")


def test_mistakes_are_told_where_they_are_and_the_keyboard_gets_there(editor: Visitor) -> None:
    page = editor.open("/staff/products/new/")
    page.get_by_label("Name", exact=False).first.fill("Lamp")
    page.keyboard.press("Enter")
    expect(page.locator("#form-problems")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    assert violations(page) == []


def test_axe_finds_nothing_and_nothing_overflows(arrive: Callable[..., Visitor], staffed_site: Site) -> None:
    visitor = arrive(staffed_site, reduced_motion="reduce")
    found = {}

    def look_at(path: str) -> None:
        visitor.open(path)
        for theme, width in SHOWN:
            found[path, theme] = violations(shown(visitor.page, theme, width))
            wider = visitor.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, (path, width)

    look_at("/accounts/login/")
    page = signed_in(visitor).page
    product = page.locator(".staff-table a").first.get_attribute("href") or ""
    for path in ("/staff/products/?q=mouse", "/staff/products/new/", product, f"{product}status/"):
        look_at(path)
    assert {place: complaints for place, complaints in found.items() if complaints} == {}
