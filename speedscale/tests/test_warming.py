"""Warming the caches: what is wanted most is answered from Redis afterwards, and nobody is disturbed."""

from __future__ import annotations

from io import StringIO
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from catalog import mongo
from catalog.progress import Progress
from catalog.tests.factories import draft, store
from speedscale.running.preparation import warm_up
from speedscale.running.report import Report
from speedscale.warming import warm_cache


class Followed(Progress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.total = 0.0
        self.steps: list[float] = []

    def begin(self, title: str, total: float | None, *, shows_rate: bool) -> None:
        del title, shows_rate
        self.total = total or 0.0

    def update(self, done: float) -> None:
        self.steps.append(done)


@pytest.fixture
def shop(products_db: Any) -> list[str]:
    return store(
        draft("M-1", name="Wireless Mouse", popularity=30),
        draft("M-2", name="Wired Mouse", popularity=20),
        draft("K-1", name="Keyboard", category_path=("Gaming", "Keyboards"), product_type="Keyboard", popularity=10),
    )


def warm(**options: Any) -> str:
    output = StringIO()
    call_command("warm_cache", stdout=output, **options)
    return output.getvalue()


def x_cache(client: Client, path: str) -> str:
    engine.clear_local()
    return str(client.get(path)["X-Cache"])


def test_what_is_asked_for_lately_and_what_is_popular_is_warm_afterwards(client: Client, shop: list[str]) -> None:
    assert client.get("/api/search?query=wired").status_code == 200
    engine.invalidate("search:wired")
    told = warm(top=2, rate=10_000)
    assert "(1 of them asked for lately) and 2 products" in told
    warmed = ["/api/search?query=wired", "/search?q=wired", "/", f"/api/products/{shop[0]}", f"/api/products/{shop[1]}"]
    assert [x_cache(client, path) for path in warmed] == ["HIT"] * len(warmed)
    assert x_cache(client, f"/api/products/{shop[0]}/similar") == "HIT"
    assert x_cache(client, f"/api/products/{shop[2]}") == "MISS", "the third in popularity was not asked for"


def test_where_nobody_has_searched_yet_the_names_of_categories_are_warm(client: Client, shop: list[str]) -> None:
    warm(top=10, rate=10_000)
    assert [x_cache(client, f"/api/search?query={name}") for name in ("mice", "keyboards", "gaming")] == ["HIT"] * 3


def test_a_second_warming_finds_everything_and_loads_nothing(shop: list[str]) -> None:
    first = warm_cache(top=5, rate=10_000, progress=Progress())
    progress = Followed()
    second = warm_cache(top=5, rate=10_000, progress=progress)
    assert first.loaded > 0
    assert (second.loaded, second.present) == (0, first.loaded + first.present)
    assert progress.steps == [float(number + 1) for number in range(int(progress.total))]


def test_the_rate_is_kept(shop: list[str]) -> None:
    started = monotonic()
    progress = Followed()
    warm_cache(top=3, rate=50, progress=progress)
    assert monotonic() - started >= (progress.total - 1) / 50


def test_an_empty_catalogue_is_no_failure(products_db: Any) -> None:
    assert "0 products" in warm(top=3)


def test_without_redis_it_says_so_and_asks_mongodb_for_nothing(shop: list[str], settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    engine.reset()
    with pytest.raises(CommandError, match="Redis does not answer"):
        warm(top=3)


def test_without_mongodb_it_says_so_and_a_start_goes_on(shop: list[str], settings: Settings) -> None:
    mongo.close()
    settings.MONGO_URI = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    try:
        with pytest.raises(CommandError, match="MongoDB does not answer"):
            warm(top=3)
        output = StringIO()
        warm_up(Report(output), top=3)
        assert "the caches stay cold" in output.getvalue()
    finally:
        mongo.close()


@pytest.mark.parametrize("option", [{"top": "0"}, {"top": "many"}, {"rate": "0"}])
def test_numbers_that_make_no_sense_are_refused(option: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="whole number from 1"):
        call_command("warm_cache", *[f"--{name}={value}" for name, value in option.items()])
