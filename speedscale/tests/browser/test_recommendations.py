"""Similar products in a browser: with reasons, never sold out, and blended on the home page."""

from __future__ import annotations

import re

import pytest
from bson import ObjectId
from playwright.sync_api import Page, expect

from catalog import mongo
from speedscale.tests.browser.site import Site
from speedscale.tests.browser.visitor import Visitor
from speedscale.tests.commands import manage


@pytest.fixture(scope="module", autouse=True)
def model(site: Site) -> None:
    done = manage("train_recommender", "--force", **site.environment)
    assert done.returncode == 0, done.stderr


def look_at_similar(visitor: Visitor, path: str) -> Page:
    page = visitor.open(path)
    page.locator("#similar-products, .similar-slot").first.scroll_into_view_if_needed()
    expect(page.locator("#similar-products .card").first).to_be_visible()
    return page


def ids_on(page: Page, section: str) -> list[str]:
    links = page.locator(f"{section} .card__name a").all()
    return [re.sub(r"\D*/products/|/$", "", link.get_attribute("href") or "") for link in links]


def test_similar_products_say_why_and_leave_when_they_sell_out(visitor: Visitor, catalogue_db: str) -> None:
    visitor.open("/search?q=keyboard&in_stock=true")
    path = visitor.cards.first.get_by_role("link").get_attribute("href") or ""
    page = look_at_similar(visitor, path)
    reasons = page.locator("#similar-products .card__reason").all_inner_texts()
    assert len(reasons) == page.locator("#similar-products .card").count() > 5
    assert any("both with" in reason for reason in reasons)
    expect(page.locator("#similar-products .similar__source")).to_contain_text("Found by the model")
    shown = ids_on(page, "#similar-products")
    assert path.strip("/").split("/")[-1] not in shown
    products = mongo.command_database().client[catalogue_db]["products"]
    sold = [ObjectId(identifier) for identifier in shown[:3]]
    before = {document["_id"]: document["stock"] for document in products.find({"_id": {"$in": sold}})}
    products.update_many({"_id": {"$in": sold}}, {"$set": {"stock": 0}})
    try:
        left = ids_on(look_at_similar(visitor, path), "#similar-products")
        assert set(left).isdisjoint(shown[:3])
        assert left[: len(shown) - 3] == shown[3:], "the others keep their order"
    finally:
        for identifier, stock in before.items():
            products.update_one({"_id": identifier}, {"$set": {"stock": stock}})


def test_what_was_looked_at_comes_back_on_the_home_page(visitor: Visitor) -> None:
    page = visitor.open("/")
    expect(page.locator("#for-you")).to_have_count(0)
    visitor.open("/search?q=keyboard")
    path = visitor.cards.first.get_by_role("link").get_attribute("href") or ""
    look_at_similar(visitor, path)
    page = visitor.open("/")
    expect(page.locator("#for-you .card").first).to_be_visible()
    expect(page.locator("#for-you .similar__source")).to_contain_text("Because you looked at")
    assert path.strip("/").split("/")[-1] not in ids_on(page, "#for-you")
