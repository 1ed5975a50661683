"""Hot answers that pass the view: they are what the view would have said, and they keep its promises."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from catalog.tests.factories import draft, store


@pytest.fixture
def ids(products_db: Any) -> list[str]:
    return store(*(draft(f"SKU-{number}", name=f"Wireless Mouse {number}") for number in range(3)))


def without_times(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in {"time", "time_ms"}}


@pytest.mark.parametrize("path", ["/api/search?query=mouse", "/api/products/{id}"])
def test_the_short_way_says_what_the_view_says(client: Client, ids: list[str], path: str) -> None:
    path = path.format(id=ids[0])
    client.get(path)
    short = client.get(path)
    by_the_view = client.get(path + ("&" if "?" in path else "?") + "unknown=1")
    assert list(short.json()) == list(by_the_view.json())
    assert without_times(short.json()) == without_times(by_the_view.json())
    untimed = {"Server-Timing", "Content-Length"}
    assert {k: v for k, v in short.items() if k not in untimed} == {
        k: v for k, v in by_the_view.items() if k not in untimed
    }
    assert short["X-Cache"] == "HIT"


def test_the_short_way_runs_no_view(client: Client, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    client.get("/api/search?query=mouse")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the view ran")

    monkeypatch.setattr("catalog.api.views.search_products", fail)
    assert client.get("/api/search?query=mouse").status_code == 200
    with pytest.raises(AssertionError, match="the view ran"):
        client.get("/api/search?query=mouse&sort=rating")


@pytest.mark.usefixtures("one_window")
def test_the_rate_limit_counts_on_the_short_way_too(client: Client, ids: list[str], settings: Settings) -> None:
    settings.RATE_LIMIT_SEARCH = "3/minute"
    answers = [client.get("/api/search?query=mouse") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers.get("RateLimit-Remaining") for answer in answers] == ["2", "1", "0", "0", "0"]
    assert answers[4]["Content-Type"] == "application/problem+json"


def test_trending_counts_on_the_short_way_too(client: Client, ids: list[str], settings: Settings) -> None:
    settings.TRENDING_CLIENTS = 1
    for number in range(3):
        client.get("/api/search?query=mouse", REMOTE_ADDR=f"10.0.0.{number}")
        client.get("/api/search?query=wireless", REMOTE_ADDR="10.0.0.1")
    assert client.get("/api/trending").json()["data"] == ["mouse", "wireless"]


def test_what_is_forgotten_by_l1_goes_the_long_way(client: Client, ids: list[str]) -> None:
    client.get("/api/search?query=mouse")
    engine.clear_local()
    assert client.get("/api/search?query=mouse").json()["source"] == "REDIS_CACHE"


def test_a_browser_and_a_program_do_not_share_an_answer(client: Client, ids: list[str]) -> None:
    client.get("/api/search?query=mouse")
    page = client.get("/api/search?query=mouse", headers={"accept": "text/html"})
    assert page["Content-Type"].startswith("text/html")
    assert client.get("/api/search?query=mouse")["Content-Type"] == "application/json"


def test_a_forged_host_is_refused_though_the_answer_is_hot(client: Client, ids: list[str]) -> None:
    client.get("/api/search?query=mouse")
    assert client.get("/api/search?query=mouse", headers={"host": "evil.example"}).status_code == 400


def test_errors_are_not_replayed(client: Client, products_db: Any) -> None:
    for _ in range(2):
        assert client.get("/api/search?query=").status_code == 400
