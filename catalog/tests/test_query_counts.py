"""What is counted of searches and of what was chosen from them, for whom, and who gets to see it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from catalog.services.trending import counted_searches
from catalog.tests.factories import draft, store

LONG = "x" * 1_000_000


@pytest.fixture
def ids(products_db: Any) -> list[str]:
    return store(*(draft(f"SKU-{number:02}", name=f"Wireless Mouse {number}") for number in range(25)))


def counts() -> dict[str, tuple[float, float, float, bool]]:
    """Return times, choices, mean place and whether nothing was found, by query."""
    return {
        each.member: (round(each.times, 2), round(each.chosen, 2), round(each.mean_place, 2), each.is_missed)
        for each in counted_searches() or ()
    }


def links(response: Any) -> list[str]:
    page = response.content.decode().replace("&amp;", "&")
    return re.findall(r'<h3 class="card__name"><a href="([^"]+)"', page)


def trending(client: Client) -> list[str]:
    found: list[str] = client.get("/api/trending").json()["data"]
    return found


@pytest.mark.parametrize("path", ["/search?q=mouse", "/api/search?query=mouse"])
def test_a_query_is_public_only_when_three_clients_have_asked(client: Client, ids: list[str], path: str) -> None:
    for number in (1, 2, 2, 1):
        client.get(path, REMOTE_ADDR=f"10.0.0.{number}")
    assert counts()["mouse"] == (2, 0, 0, False)
    assert trending(client) == []
    assert "Try</h2>" in client.get("/").content.decode(), "ideas stand in for what is trending"
    client.get(path, REMOTE_ADDR="10.0.0.3")
    assert trending(client) == ["mouse"]
    assert "Trending</h2>" in client.get("/").content.decode()


def test_the_number_of_clients_that_make_a_query_public_is_set(
    client: Client, ids: list[str], settings: Settings
) -> None:
    settings.TRENDING_CLIENTS = 2
    for number in range(2):
        client.get("/search?q=mouse", REMOTE_ADDR=f"10.0.0.{number}")
    assert trending(client) == ["mouse"]


def test_short_queries_are_counted_and_not_shown(client: Client, products_db: Any) -> None:
    store(draft("TV", name="TV 55 inches"))
    for number in range(5):
        assert client.get("/search?q=tv", REMOTE_ADDR=f"10.0.0.{number}").status_code == 200
    assert counts()["tv"] == (5, 0, 0, False)
    assert trending(client) == []


def test_searches_without_a_result_are_counted_unless_filters_are_the_reason(client: Client, ids: list[str]) -> None:
    client.get("/search?q=hovercraft")
    client.get("/search?q=mouse&min_price=900000")
    client.get("/search?q=wireles+mouse&as_typed=true&brand=nobody")
    assert counts() == {"hovercraft": (1, 0, 0, True)}


def test_a_choice_counts_with_its_place_once_and_for_who_has_searched(client: Client, ids: list[str]) -> None:
    page = client.get("/search?q=Mouse")
    found = links(page)
    assert re.fullmatch(r"/products/[0-9a-f]{24}/\?q=mouse&pos=3", found[2])
    assert client.get(found[2], REMOTE_ADDR="10.0.0.9").status_code == 200, "somebody whom the link was sent"
    assert counts()["mouse"] == (1, 0, 0, False)
    client.get(found[2])
    client.get(found[6])
    assert counts()["mouse"] == (1, 1, 3, False)


def test_places_go_on_over_pages(client: Client, ids: list[str]) -> None:
    page = client.get("/search?q=mouse").content.decode().replace("&amp;", "&")
    next_page = re.search(r'id="more-results"><a [^>]*href="([^"]+)"', page)
    assert next_page is not None
    assert [int(link.rpartition("=")[2]) for link in links(client.get(next_page[1]))] == [21, 22, 23, 24, 25]
    for nonsense in ("-1", "1e9", "9" * 50, "\u0663"):
        assert client.get(f"{next_page[1]}&shown={nonsense}").status_code == 200


def test_lists_without_words_link_to_plain_addresses(client: Client, ids: list[str]) -> None:
    assert all(link.endswith("/") for link in links(client.get("/search?category=accessories")))
    assert all(link.endswith("/") for link in links(client.get("/")))


def test_the_page_of_a_product_is_the_same_whichever_way_leads_to_it(client: Client, ids: list[str]) -> None:
    address = f"/products/{ids[0]}/"
    for path in (address, f"{address}?q=mouse&pos=1"):
        assert f'<link rel="canonical" href="{address}">' in client.get(path).content.decode()
    engine.clear_local()
    assert client.get(f"{address}?q=another&pos=7")["X-Cache"] == "HIT"


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"user-agent": "Mozilla/5.0 (compatible; bingbot/2.0)"},
        {"user-agent": "Baiduspider"},
        {"sec-purpose": "prefetch;prerender"},
    ],
)
def test_robots_and_pages_fetched_early_are_not_counted(
    client: Client, ids: list[str], headers: dict[str, str]
) -> None:
    for path in ("/search?q=mouse", "/api/search?query=mouse", "/api/search?query=mouse"):
        assert client.get(path, headers=headers).status_code == 200
    assert counts() == {}
    client.get("/search?q=mouse")
    client.get(f"/products/{ids[0]}/?q=mouse&pos=1", headers=headers)
    client.head(f"/products/{ids[0]}/?q=mouse&pos=1")
    assert counts() == {"mouse": (1, 0, 0, False)}


@pytest.mark.django_db
def test_staff_is_not_counted(ids: list[str]) -> None:
    staff = Client()
    staff.force_login(User.objects.create(username="editor", is_staff=True))
    for path in ("/search?q=mouse", "/api/search?query=mouse", "/api/search?query=mouse"):
        assert staff.get(path).status_code == 200
    assert counts() == {}


HOSTILE_WAYS = [
    "q=mouse",
    "q=mouse&pos=",
    "q=mouse&pos=0",
    "q=mouse&pos=-1",
    "q=mouse&pos=1001",
    "q=mouse&pos=99999999999999999999",
    "q=mouse&pos=1.5",
    "q=mouse&pos=%D9%A3",
    "q=mouse%00&pos=1",
    "q=%FF%FE&pos=1",
    f"q={'x' * 101}&pos=1",
    "q=%24where&pos=1",
    "q[$ne]=mouse&pos=1",
    "q=%E2%80%AE&pos=1",
    "pos=1",
]


@pytest.mark.parametrize("way", HOSTILE_WAYS)
def test_nonsense_in_the_way_to_a_product_is_ignored(client: Client, ids: list[str], way: str) -> None:
    client.get("/search?q=mouse")
    response = client.get(f"/products/{ids[0]}/?{way}")
    assert response.status_code == 200
    assert counts() == {"mouse": (1, 0, 0, False)}


def test_a_way_of_a_megabyte_is_ignored(client: Client, ids: list[str]) -> None:
    assert client.get(f"/products/{ids[0]}/", {"q": LONG, "pos": "1"}).status_code == 200
    assert client.get(f"/products/{ids[0]}/", {"q": "mouse", "pos": "1" * 1_000_000}).status_code == 200
    assert counts() == {}


def test_a_hot_answer_of_a_known_client_asks_redis_for_nothing(
    client: Client, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/api/search?query=mouse")
    asked: list[str] = []
    monkeypatch.setattr("cachelayer.demand.door.run", lambda *_, **__: asked.append("asked"))
    assert client.get("/api/search?query=mouse").json()["source"] == "L1_CACHE"
    assert asked == []
