"""Servers stop while people look: what they see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pymongo import MongoClient

from catalog.documents import to_document
from catalog.indexes import PRODUCTS, ensure_collections, ensure_indexes
from catalog.tests.factories import draft
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.redis import RedisServer
from speedscale.tests.browser.site import running_site
from speedscale.tests.browser.visitor import Visitor


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    yield server
    server.stop()


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[MongodServer]:
    """A MongoDB with 30 mice that the test may stop."""
    server = MongodServer(tmp_path / "mongodb")
    client: MongoClient[dict[str, object]] = MongoClient(server.uri)
    database = client["faults"]
    ensure_collections(database)
    ensure_indexes(database)
    now = datetime.now(UTC)
    drafts = (draft(f"MOUSE-{number:02}", name=f"Wireless Mouse {number:02}") for number in range(30))
    database[PRODUCTS].insert_many([dict(to_document(item, now=now)) for item in drafts])
    client.close()
    yield server
    server.stop()


def test_redis_stopped_shows_bypass_and_no_error_and_the_limit_still_holds(
    arrive: Callable[..., Visitor], own_redis: RedisServer, data_dir: Path, catalogue_db: str, tmp_path: Path
) -> None:
    with running_site(
        data_dir,
        tmp_path / "gunicorn.log",
        MONGO_DB=catalogue_db,
        REDIS_URL=own_redis.url,
        CACHE_L1_SECONDS="0",
        RATE_LIMIT_SEARCH="3/hour",
    ) as site:
        visitor = arrive(site)
        visitor.open("/search?q=keyboard")
        visitor.open("/search?q=keyboard")
        assert "Redis cache" in visitor.provenance
        own_redis.kill()
        page = visitor.open("/search?q=keyboard")
        assert visitor.cards.count() == 20
        assert "MongoDB" in visitor.provenance
        page.locator(".provenance__summary").first.click()
        expect(page.locator(".provenance__detail").first).to_contain_text("BYPASS")
        visitor.cards.first.get_by_role("link").click()
        expect(page.locator(".product__price")).to_be_visible()
        visitor.open("/")
        expect(page.get_by_role("heading", name="Popular now")).to_be_visible()
        visitor.open("/dashboard/")
        expect(page.locator(".banner")).to_contain_text("Redis is away")
        expect(page.locator(".way__station--down", has_text="Redis")).to_contain_text("down since")
        expect(page.locator(".bar--bypass").first).to_be_attached()
        assert [status for status in visitor.statuses.values() if status >= 400] == []
        # The worker counts for itself now: its first search was the one above.
        visitor.open("/search?q=mouse")
        visitor.open("/search?q=mouse")
        page.get_by_label("Sort by").select_option("price_desc")
        expect(page.get_by_role("alert")).to_contain_text("That was a bit fast.")
        response = page.goto(site.url + "/search?q=mouse")
        assert response is not None
        assert response.status == 429
        expect(page.get_by_role("heading", level=1)).to_have_text("That was a bit fast")
        visitor.leave()


def test_mongodb_stopped_leaves_warm_pages_and_answers_503_to_cold_ones_soon(
    arrive: Callable[..., Visitor], own_mongod: MongodServer, own_redis: RedisServer, data_dir: Path, tmp_path: Path
) -> None:
    with running_site(
        data_dir, tmp_path / "gunicorn.log", MONGO_URI=own_mongod.uri, MONGO_DB="faults", REDIS_URL=own_redis.url
    ) as site:
        visitor = arrive(site)
        page = visitor.open("/search?q=wireless+mouse")
        product = visitor.first_path
        visitor.open(product)
        own_mongod.kill()
        response = page.goto(site.url + "/search?q=never+asked+before")
        assert response is not None
        assert response.status == 503
        assert response.request.timing["responseStart"] < 2000, "in ms"
        assert int(response.headers["retry-after"]) > 0
        expect(page.get_by_role("heading", level=1)).to_have_text("The catalogue is not reachable")
        visitor.open(product)
        expect(page.locator(".product__price")).to_be_visible()
        visitor.open("/search?q=wireless+mouse")
        assert visitor.cards.count() == 20
        assert re.search("Process memory|Redis cache", visitor.provenance)
        # An update that fails leaves the page as it was and says why.
        page.get_by_label("Sort by").select_option("price_desc")
        expect(page.get_by_role("alert")).to_contain_text("The server could not answer. Try again in")
        assert visitor.cards.count() == 20
        page.goto(site.url + "/search?q=never+asked+either")
        page.get_by_role("link", name="What is up and what is down").click()
        expect(page.locator(".way__station--down", has_text="MongoDB")).to_contain_text("down since")
        expect(page.locator(".badge--unhealthy")).to_be_visible()
        visitor.leave()
