"""Suggestions: where they come from, what keeps them fresh, how little they read, and what they make of nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from catalog import beginnings as reads
from catalog.indexes import CATEGORIES, INDEXES, PRODUCTS
from catalog.search.request import SearchRequest
from catalog.search.suggesting import beginnings, suggestion_key, typed
from catalog.services.editing import change_product, create_product
from catalog.services.suggestions import suggest
from catalog.services.trending import record_search
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.test_api import HOSTILE
from catalog.tests.test_search_plans import stages
from catalog.tests.test_watching import wait_for
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.store import TERMS

NONSENSE = [
    *HOSTILE,
    *("a" * 100, "!!!", "  .  ", "\u202eabc", "\\", "^m", "m.*", "brand:", "/", "\ud800"),
]
HTMX = {"HX-Request": "true", "HX-Target": "suggestions"}


def fill(database: Any) -> None:
    store(
        draft("M1", name="Silent Wireless Mouse", popularity=10),
        draft("M2", name="Wireless Gaming Mouse", brand="Razer", popularity=30),
        draft("M3", name="Mousepad XL", brand="Razer", product_type="Mousepad", popularity=20),
        draft(
            "K1",
            name="Wired Keyboard",
            category_path=("Accessories", "Keyboards"),
            product_type="Keyboard",
            popularity=5,
        ),
        draft(
            "D1",
            name="Passport 1 TB",
            brand="Western Digital",
            category_path=("Storage", "Portable Drives"),
            product_type="Drive",
            popularity=7,
        ),
    )
    build_vocabulary(database)


shop = kept_catalogue(fill)


def suggested(beginning: str, kind: str = "") -> list[str]:
    found = suggest(beginning=beginning).value["data"]
    return [each["text"] for each in found if kind in ("", each["kind"])]


def test_a_beginning_gets_words_of_the_catalogue_and_products_that_have_them(shop: Any) -> None:
    assert suggested("mou", "query") == ["mouse", "mousepad"]
    assert suggested("mou", "product") == ["Wireless Gaming Mouse", "Mousepad XL", "Silent Wireless Mouse"]


def test_only_words_that_products_have_together_complete_a_second_word(shop: Any) -> None:
    assert suggested("wireless mou", "query") == ["wireless mouse"]
    assert suggested("wireless mou", "product") == ["Wireless Gaming Mouse", "Silent Wireless Mouse"]
    assert suggested("silent key") == []


def test_brands_and_categories_are_found_by_any_beginning_of_theirs(shop: Any) -> None:
    assert suggested("raz", "brand") == ["Razer"]
    assert suggested("western dig", "brand") == ["Western Digital"]
    assert suggested("l", "brand") == ["Logitech"]
    assert suggested("mic", "category") == ["Mice"]
    assert suggested("driv", "category") == suggested("portable d", "category") == ["Portable Drives"]


def test_case_accents_and_blanks_make_no_difference(client: Client, shop: Any) -> None:
    for text in ("RAZ", "  Räz ", "raz"):
        found = client.get("/api/suggest", {"q": text}).json()["data"]
        assert "Razer" in [each["text"] for each in found], text


def test_what_shoppers_look_for_comes_first(shop: Any) -> None:
    for number in range(3):
        record_search(request=SearchRequest(query="mouse for two hands"), total=3, client=f"10.0.0.{number}")
        record_search(request=SearchRequest(query="quiet mouse"), total=3, client=f"10.0.0.{number}")
    for number in range(2):
        record_search(request=SearchRequest(query="mouse for anna"), total=3, client=f"10.0.0.{number}")
    assert suggested("mou", "query") == ["mouse for two hands", "mouse", "mousepad", "quiet mouse"]


def test_an_edit_is_seen_at_once(shop: Any) -> None:
    assert suggested("trackb") == []
    assert "Silent Wireless Mouse" in suggested("silent")
    created = create_product(draft=draft("T1", name="Trackball Deluxe", product_type="Trackball"))
    wait_for(lambda: suggested("trackb") == ["trackball", "Trackball Deluxe"])
    product = created.product
    change_product(product_id=product.id, expected_version=product.version, changes={"name": "Trackball Grand"})
    wait_for(lambda: suggested("trackb", "product") == ["Trackball Grand"])


def test_a_word_that_others_begin_with_as_well_is_seen_too(shop: Any) -> None:
    assert suggested("mou", "query") == ["mouse", "mousepad"]
    create_product(draft=draft("T1", name="Mountain Bell", category_path=("Sports",), product_type="Bell"))
    wait_for(lambda: "mountain" in suggested("mou", "query"))


def test_suggestions_that_lack_products_for_want_of_time_are_soon_asked_for_anew(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "find_products", lambda *_, **__: None)
    hurried = suggest(beginning="wirel").stored.envelope
    assert hurried.soft_ms - hurried.created_ms <= 5_000
    monkeypatch.undo()
    calm = suggest(beginning="wire").stored.envelope
    assert calm.soft_ms - calm.created_ms > 60_000


@pytest.mark.parametrize("beginning", ["m", "mou", "wireless mou", "mouse wirel"])
def test_every_read_walks_an_index_in_its_order(shop: Any, beginning: str) -> None:
    what = typed(beginning)
    assert what is not None
    for head_leads in (True, False):
        wanted = reads.products_filter(what.head_terms, ["mous", "mousepad"], head_leads=head_leads)
        cursor = shop[PRODUCTS].find(wanted).sort([("order.popularity", -1)]).hint("terms_popularity").limit(24)
        found = stages(cursor.explain()["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in found
        assert not {"SORT", "COLLSCAN"} & set(found), found
    plans = [
        shop[CATEGORIES].find(reads.categories_filter("mic")).sort([("product_count", -1)]).hint("beginnings_count"),
        shop[TERMS].find(reads.brands_filter("l"), {"strong": 1}).limit(reads.MAX_BRANDS),
    ]
    for plan in plans:
        found = stages(plan.explain()["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in found
        assert not {"SORT", "COLLSCAN"} & set(found), found
    assert "beginnings_count" in {index.name for index in INDEXES}


def test_the_api_wraps_them_and_the_second_time_they_are_cached(client: Client, shop: Any) -> None:
    cold, hot = client.get("/api/suggest", {"q": "Raz"}), client.get("/api/suggest", {"q": "raz"})
    assert (cold.json()["source"], cold["X-Cache"]) == ("MONGODB", "MISS")
    assert (hot.json()["source"], hot["X-Cache"]) == ("L1_CACHE", "HIT")
    assert cold.json()["data"] == hot.json()["data"]
    assert cold.json()["count"] == len(cold.json()["data"]) > 0
    assert {"kind": "brand", "text": "Razer", "detail": "", "url": "/search?brand=razer"} in cold.json()["data"]
    for each in cold.json()["data"]:
        assert client.get(each["url"]).status_code == 200, each


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_gets_suggestions_or_none(client: Client, shop: Any, text: str) -> None:
    response = client.get("/api/suggest", {"q": text.encode("utf-8", "surrogatepass")})
    assert response.status_code in (200, 400), response.content
    page = client.get("/suggest", {"q": text.encode("utf-8", "surrogatepass")}, headers=HTMX)
    assert page.status_code in (200, 204, 400)


@pytest.mark.parametrize("text", ["", "   ", "a" * 101, "x" * 1_000_000, "mo\x00use"])
def test_what_cannot_be_completed_is_a_problem_that_names_the_field(client: Client, text: str) -> None:
    response = client.get("/api/suggest", {"q": text})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["field"] == "q"


def test_only_punctuation_gets_an_empty_list(client: Client, shop: Any) -> None:
    body = client.get("/api/suggest", {"q": "?!*"}).json()
    assert (body["count"], body["data"]) == (0, [])


def test_who_asks_too_often_is_told_when_to_come_back(
    client: Client, settings: Settings, shop: Any, one_window: None
) -> None:
    settings.RATE_LIMIT_SUGGEST = "2/minute"
    settings.RATE_LIMIT_SEARCH = "1/minute"
    for _ in range(2):
        assert client.get("/api/suggest", {"q": "mou"}).status_code == 200
    for path, headers in (("/api/suggest", {}), ("/suggest", HTMX)):
        refused = client.get(path, {"q": "mou"}, headers=headers)
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) > 0
    assert client.get("/api/search", {"query": "mouse"}).status_code == 200, "typing uses up no searches"


def test_the_list_is_made_of_options_that_are_links(client: Client, shop: Any) -> None:
    html = client.get("/suggest", {"q": "mou"}, headers=HTMX).content.decode()
    assert html.count('role="option"') == len(suggested("mou"))
    assert 'href="/search?q=mousepad"' in html
    assert '<span class="suggestion__typed">mou</span><strong>se</strong>' in html
    assert "<html" not in html


def test_markup_in_what_is_suggested_stays_text(client: Client, products_db: Any) -> None:
    store(draft("X", name="<img src=x onerror=alert(1)> Gadget", brand="<b>Bold</b>"))
    build_vocabulary(products_db)
    html = client.get("/suggest", {"q": "gadg"}, headers=HTMX).content.decode()
    assert "&lt;img src=x" in html
    assert "<img" not in html
    assert "<b>" not in html


def test_the_address_of_the_list_shows_results_to_whoever_opens_it(client: Client, shop: Any) -> None:
    response = client.get("/suggest", {"q": "Mou"})
    assert (response.status_code, response["Location"]) == (302, "/search?q=mou")
    assert client.get("/suggest", {"q": " "}, headers=HTMX).status_code == 204


def test_without_a_vocabulary_there_are_still_categories(products_db: Any) -> None:
    store(draft())
    assert suggested("mic") == ["Mice"]


def test_keys_are_readable_while_short_and_plain() -> None:
    assert suggestion_key("wireless mou") == "suggest:wireless mou"
    assert suggestion_key("möbel").startswith("suggest:#")
    assert suggestion_key("a" * 41).startswith("suggest:#")


def test_a_name_is_found_from_each_of_its_words_on() -> None:
    found = beginnings("Café & Bar-Stühle")
    assert {"c", "cafe", "cafe bar s", "bar", "bar stuhle", "stuhl"} <= set(found)
    assert "tuhle" not in found
    assert len(beginnings("word " * 1000)) < 40
