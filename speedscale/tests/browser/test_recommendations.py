"""Similar products in a browser: with reasons, never sold out, and blended on the home page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.test_staff import save
from speedscale.tests.browser.visitor import Visitor


@pytest.fixture
def shopper(arrive: Callable[..., Visitor], staffed_site: Site) -> Visitor:
    return arrive(staffed_site)


def look_at_similar(visitor: Visitor, path: str) -> Page:
    page = visitor.open(path)
    page.locator("#similar-products, .similar-slot").first.scroll_into_view_if_needed()
    expect(page.locator("#similar-products .card").first).to_be_visible()
    return page


def ids_on(page: Page, section: str) -> list[str]:
    links = page.locator(f"{section} .card__name a").all()
    return [re.sub(r"\D*/products/|/$", "", link.get_attribute("href") or "") for link in links]


def test_similar_products_say_why_and_leave_when_staff_sets_their_stock_to_nothing(
    shopper: Visitor, editor: Visitor
) -> None:
    shopper.open("/search?q=keyboard&in_stock=true")
    path = shopper.first_path
    page = look_at_similar(shopper, path)
    reasons = page.locator("#similar-products .card__reason").all_inner_texts()
    assert len(reasons) == page.locator("#similar-products .card").count() > 5
    assert any("both with" in reason for reason in reasons)
    expect(page.locator("#similar-products .similar__source")).to_contain_text("Found by the model")
    shown = ids_on(page, "#similar-products")
    assert path.strip("/").split("/")[-1] not in shown
    for identifier in shown[:2]:
        form = editor.open(f"/staff/products/{identifier}/")
        form.get_by_label("Stock").fill("0")
        save(form)
    left = ids_on(look_at_similar(shopper, path), "#similar-products")
    assert set(left).isdisjoint(shown[:2])
    assert left[: len(shown) - 2] == shown[2:], "the others keep their order"


def test_what_was_looked_at_comes_back_on_the_home_page(shopper: Visitor) -> None:
    page = shopper.open("/")
    expect(page.locator("#for-you")).to_have_count(0)
    shopper.open("/search?q=keyboard")
    path = shopper.first_path
    look_at_similar(shopper, path)
    page = shopper.open("/")
    expect(page.locator("#for-you .card").first).to_be_visible()
    expect(page.locator("#for-you .similar__source")).to_contain_text("Because you looked at")
    assert path.strip("/").split("/")[-1] not in ids_on(page, "#for-you")
