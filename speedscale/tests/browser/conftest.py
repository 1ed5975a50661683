"""Chromium, a site with 2,000 seeded products, and visitors who complain.

Playwright's loop occupies the thread while it runs, and Django refuses its own database calls meanwhile. So the
browser lives as long as this package's tests do, not longer, and the tests here leave Django's models alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser

from speedscale.browser import BrowserMissing, headless_chromium
from speedscale.embedded.redis import RedisServer
from speedscale.tests.browser.site import Site, hire, running_site, seed
from speedscale.tests.browser.visitor import Visitor, cookies_of
from speedscale.tests.statics import give_static_files

SEEDED = 2000
_TIMEOUT_MS = 10_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    try:
        with headless_chromium() as browser:
            yield browser
    except BrowserMissing as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the static files of production in it."""
    directory = tmp_path_factory.mktemp("browser-data")
    give_static_files(directory)
    return directory


@pytest.fixture(scope="package")
def catalogue_db() -> str:
    """The name of a database with seeded products, apart from the one that other tests empty."""
    name = f"{settings.MONGO_DB}_browser"
    seed(count=SEEDED, mongo_uri=settings.MONGO_URI, mongo_db=name)
    return name


@pytest.fixture(scope="package")
def site(data_dir: Path, catalogue_db: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The seeded site with a Redis of its own, whose keys no other test deletes."""
    directory = tmp_path_factory.mktemp("browser-site")
    redis_server = RedisServer(directory / "redis")
    try:
        with running_site(
            data_dir, directory / "gunicorn.log", MONGO_DB=catalogue_db, REDIS_URL=redis_server.url
        ) as running:
            yield running
    finally:
        redis_server.stop()


@pytest.fixture(scope="package")
def staffed_site(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose products may be changed, with an account named editor and a model of similar products."""
    directory = tmp_path_factory.mktemp("staffed-site")
    database = f"{settings.MONGO_DB}_staffed"
    seed(count=400, mongo_uri=settings.MONGO_URI, mongo_db=database)
    redis_server = RedisServer(directory / "redis")
    try:
        with running_site(
            data_dir, directory / "gunicorn.log", MONGO_DB=database, REDIS_URL=redis_server.url
        ) as running:
            hire(running, "editor", migrate=True, train=True)
            yield running
    finally:
        redis_server.stop()


@pytest.fixture(scope="package")
def editor_state(chromium: Browser, staffed_site: Site) -> Any:
    """The cookies of the editor, who signs in once."""
    return cookies_of(chromium, staffed_site, "editor", "/staff/products/")


@pytest.fixture
def editor(arrive: Callable[..., Visitor], staffed_site: Site, editor_state: Any) -> Visitor:
    return arrive(staffed_site, storage_state=editor_state)


@pytest.fixture
def arrive(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Let visitors with empty caches come to a site; in the end nothing must have gone wrong in their browsers."""
    arrived: list[Visitor] = []

    def visitor(to: Site, **options: Any) -> Visitor:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(_TIMEOUT_MS)
        arrived.append(Visitor.arrive(context, to.url))
        return arrived[-1]

    yield visitor
    for guest in arrived:
        guest.leave()
    assert [complaint for guest in arrived for complaint in guest.complaints] == []
    assert [url for guest in arrived for url in guest.foreign_requests] == [], "no request may leave for another host"


@pytest.fixture
def visitor(arrive: Callable[..., Visitor], site: Site) -> Visitor:
    return arrive(site)
