"""The whole journey with JavaScript switched off."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from speedscale.tests.browser.site import Site
from speedscale.tests.browser.visitor import Visitor


@pytest.fixture
def plain(arrive: Callable[..., Visitor], site: Site) -> Visitor:
    return arrive(site, java_script_enabled=False)


def test_search_filter_sort_page_on_and_open_a_product(plain: Visitor) -> None:
    page = plain.open("/")
    plain.search("cable")
    expect(page).to_have_url(re.compile(r"/search\?q=cable$"))
    assert plain.cards.count() == 20
    page.get_by_label("In stock only").check()
    page.get_by_label("Highest price").fill("500")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("max_price=500"))
    expect(page.get_by_role("list", name="Active filters")).to_contain_text("In stock")
    page.get_by_label("Sort by").select_option("price_asc")
    page.get_by_role("button", name="Sort").click()
    expect(page).to_have_url(re.compile("sort=price_asc"))
    first_page = plain.names
    page.get_by_role("link", name="Show more products").click()
    expect(page.get_by_role("link", name="Back to the first products")).to_be_visible()
    assert plain.names
    assert plain.names != first_page
    plain.cards.first.get_by_role("link").click()
    expect(page.locator(".product__price")).to_be_visible()
    page.get_by_role("link", name="Show similar products").click()
    expect(page.locator("#similar-products .card").first).to_be_visible()
    page.get_by_role("link", name=re.compile("^Back to")).click()
    expect(page.locator(".product__price")).to_be_visible()


def test_facets_and_chips_are_links(plain: Visitor) -> None:
    page = plain.open("/search?category=audio")
    page.locator("section[aria-labelledby=facet-brand] a").first.click()
    expect(page).to_have_url(re.compile("category=audio&brand="))
    page.get_by_role("link", name="Remove filter").first.click()
    expect(page).to_have_url(re.compile(r"/search\?brand="))


def test_the_dashboard_shows_everything_and_offers_to_reload(plain: Visitor) -> None:
    page = plain.open("/dashboard/")
    expect(page.locator(".chart__plot")).to_be_visible()
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.get_by_role("button", name="theme")).to_be_hidden()


def test_provenance_opens_without_a_script(plain: Visitor) -> None:
    page = plain.open("/search?q=mouse")
    page.locator(".provenance__summary").first.click()
    expect(page.locator(".provenance__detail").first).to_be_visible()


def test_dark_follows_the_system(arrive: Callable[..., Visitor], site: Site) -> None:
    backgrounds = set()
    for scheme in ("light", "dark"):
        page = arrive(site, java_script_enabled=False, color_scheme=scheme).open("/")
        page.locator("body").wait_for()
        backgrounds.add(page.screenshot(clip={"x": 2, "y": 700, "width": 4, "height": 4}))
    assert len(backgrounds) == 2
