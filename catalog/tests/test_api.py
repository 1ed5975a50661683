"""The API as clients see it: envelope, sources, headers, errors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from catalog.changes import announce_changes
from catalog.documents import object_id_of
from catalog.tests.factories import draft, store

HOSTILE = [
    "$where",
    '{"$gt": ""}',
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%00",
    "\u202egnp.exe",
    "😀" * 50,
    "(((((((((((a+)+)+)+",
    "a" * 100,
    "שלום עולם",
    "\ufeff",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "-1",
    "1e309",
    "[]",
    "true",
]


@pytest.fixture
def ids(products_db: Any) -> list[str]:
    return store(
        draft("MOUSE-1", name="Silent Wireless Mouse", popularity=10),
        draft("MOUSE-2", name="Wireless Gaming Mouse", brand="Razer", popularity=30, price=7999),
        draft("MOUSE-3", name="Sold Out Mouse", popularity=50, stock=0),
    )


def test_a_search_is_cold_then_hot_and_says_so(client: Client, ids: list[str]) -> None:
    cold = client.get("/api/search", {"query": "Wireless  Mouse"})
    hot = client.get("/api/search", {"query": "wireless mouse"})
    assert cold.status_code == hot.status_code == 200
    first, second = cold.json(), hot.json()
    assert (first["source"], first["cached"], cold["X-Cache"]) == ("MONGODB", False, "MISS")
    assert (second["source"], second["cached"], hot["X-Cache"]) == ("L1_CACHE", True, "HIT")
    assert first["data"] == second["data"]
    assert [product["sku"] for product in first["data"]] == ["MOUSE-1", "MOUSE-2"], "the words stand side by side"
    assert first["count"] == first["total"] == 2
    assert first["total_relation"] == "eq"
    assert first["next"] is None


def test_the_envelope_tells_the_time_twice_and_the_header_where_it_went(client: Client, ids: list[str]) -> None:
    response = client.get("/api/search", {"query": "mouse"})
    body = response.json()
    assert re.fullmatch(r"\d+\.\dms", body["time"])
    assert body["time_ms"] > 0
    spans = dict(re.findall(r"(\w+);dur=([\d.]+)", response["Server-Timing"]))
    assert {"redis", "mongodb", "load", "total"} <= set(spans)
    parts = sum(float(duration) for name, duration in spans.items() if name != "total")
    assert parts <= float(spans["total"]) + 0.1


def test_a_product_has_every_field_of_the_contract(client: Client, ids: list[str]) -> None:
    body = client.get(f"/api/products/{ids[0]}").json()
    assert body["count"] == 1
    product = body["data"]
    assert product["_id"] == ids[0]
    expected = {
        "sku": "MOUSE-1",
        "name": "Silent Wireless Mouse",
        "brand": "Logitech",
        "category": "Mice",
        "price": 29.99,
        "currency": "EUR",
        "inStock": True,
        "stock": 10,
        "rating": 4.5,
        "createdAt": "2026-01-15T12:00:00+00:00",
    }
    assert {name: product[name] for name in expected} == expected
    assert product["imageUrl"].startswith("/pictures/")
    assert client.get(f"/api/products/{ids[0]}").json()["source"] == "L1_CACHE"


def test_a_product_has_one_address_and_so_one_key(client: Client, ids: list[str]) -> None:
    assert client.get(f"/api/products/{ids[0].upper()}").status_code == 404
    assert client.get(f"/products/{ids[0].upper()}/").status_code == 404
    assert client.get(f"/api/products/{ids[0].upper()}/similar").status_code == 404


@pytest.mark.parametrize("identifier", ["0" * 24, "not-an-id", "%00", "0" * 500, "$ne", "😀"])
def test_an_unknown_product_is_a_404_problem(client: Client, products_db: Any, identifier: str) -> None:
    response = client.get(f"/api/products/{identifier}")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 404


def test_a_product_that_was_unknown_is_found_once_its_creation_was_announced(client: Client, products_db: Any) -> None:
    missing = draft("LATE-1")
    for _ in range(2):
        assert client.get(f"/api/products/{object_id_of('LATE-1')}").status_code == 404
    [identifier] = store(missing)
    announce_changes([identifier], [missing.category_path], unplaced=False)
    assert client.get(f"/api/products/{identifier}").status_code == 200


def test_similar_products_leave_out_the_product_and_what_is_sold_out(client: Client, ids: list[str]) -> None:
    body = client.get(f"/api/products/{ids[0]}/similar").json()
    assert body["source"] == "CATEGORY_FALLBACK"
    assert [product["sku"] for product in body["data"]] == ["MOUSE-2"]
    assert body["data"][0]["reason"] == "Popular in Mice"
    assert body["data"][0]["score"] is None
    assert client.get(f"/api/products/{ids[0]}/similar").json()["source"] == "L1_CACHE"


@pytest.mark.parametrize("limit", ["0", "-1", "21", "many", "1e3", "٣", ""])
def test_a_wrong_limit_names_the_field(client: Client, ids: list[str], limit: str) -> None:
    response = client.get(f"/api/products/{ids[0]}/similar", {"limit": limit})
    assert response.status_code == 400
    assert response.json()["field"] == "limit"


def test_a_wrong_parameter_is_a_problem_that_names_the_field(client: Client, products_db: Any) -> None:
    response = client.get("/api/search", {"query": "mouse", "min_price": "cheap"})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Give a price as a number, such as 49.90.",
        "field": "min_price",
    }


@pytest.mark.parametrize("field", ["query", "category", "brand", "min_price", "sort", "after", "in_stock", "format"])
def test_hostile_text_in_any_parameter_is_answered_or_refused(client: Client, ids: list[str], field: str) -> None:
    for text in HOSTILE:
        response = client.get("/api/search", {"query": "mouse", field: text})
        assert response.status_code in {200, 400, 404}, text
        assert response.json(), text


@pytest.mark.parametrize("raw", ["query=%ff%fe", "query=a&query=b", "query[$ne]=1", "query=%u0041", "&&&=", "query"])
def test_malformed_query_strings_are_answered_or_refused(client: Client, ids: list[str], raw: str) -> None:
    assert client.get(f"/api/search?{raw}").status_code in {200, 400}


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/products/", "/api/search/x"])
def test_an_unknown_api_path_is_a_problem_too(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_a_method_that_is_not_offered_is_a_405_problem(client: Client) -> None:
    response = client.delete("/api/search?query=mouse")
    assert response.status_code == 405
    assert response["Content-Type"] == "application/problem+json"
    assert "GET" in response["Allow"]


def test_a_browser_gets_the_browsable_api(client: Client, ids: list[str]) -> None:
    response = client.get("/api/search", {"query": "mouse"}, headers={"accept": "text/html"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert "Silent Wireless Mouse" in response.content.decode()


def test_trending_counts_each_client_once(client: Client, ids: list[str], settings: Settings) -> None:
    settings.TRENDING_CLIENTS = 1
    for _ in range(3):
        client.get("/api/search", {"query": "wireless"}, REMOTE_ADDR="10.0.0.1")
    client.get("/api/search", {"query": "gaming mouse"}, REMOTE_ADDR="10.0.0.2")
    client.get("/api/search", {"query": "gaming mouse"}, REMOTE_ADDR="10.0.0.3")
    client.get("/api/search", {"query": "mo"}, REMOTE_ADDR="10.0.0.4")
    client.get("/api/search", {"query": "nothing of the kind"}, REMOTE_ADDR="10.0.0.5")
    assert client.get("/api/trending").json()["data"] == ["gaming mouse", "wireless"]


@pytest.mark.usefixtures("one_window")
def test_the_rate_limit_is_per_client_and_says_when_to_come_back(
    client: Client, ids: list[str], settings: Settings
) -> None:
    settings.RATE_LIMIT_SEARCH = "3/minute"
    answers = [client.get("/api/search", {"query": "mouse"}, REMOTE_ADDR="10.1.0.1") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers[:3]] == ["2", "1", "0"]
    assert 1 <= int(answers[3]["Retry-After"]) <= 60
    assert answers[3]["Content-Type"] == "application/problem+json"
    assert client.get("/api/search", {"query": "mouse"}, REMOTE_ADDR="10.1.0.2").status_code == 200


def test_the_schema_is_openapi_and_the_docs_need_no_other_host(client: Client) -> None:
    schema = client.get("/api/schema/", headers={"accept": "application/json"}).json()
    assert schema["openapi"].startswith("3.")
    assert set(schema["paths"]) >= {
        "/api/search",
        "/api/products/{product_id}",
        "/api/products/{product_id}/similar",
        "/api/trending",
    }
    page = client.get("/api/docs/").content.decode()
    assert not re.search(r'(src|href)="https?://', page)
