"""Pins and hides: where they apply, that numbers and pages stay exact, and that nothing is shown that may not be."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.memory.local import LocalCache
from catalog.changes import CURATIONS_TAG, curation_tag
from catalog.curations import MAX_HIDES, MAX_PINS, CurationConflict, curation_key, find_curation, list_curations
from catalog.documents import object_id_of
from catalog.errors import InvalidFields, InvalidParameter
from catalog.search.request import SearchRequest, parse_search_request
from catalog.services.curation_editing import decide_curation, open_curation
from catalog.services.editing import change_product
from catalog.services.finding import find_page
from catalog.services.search import search_products
from catalog.staff_log import list_changes
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.test_watching import wait_for
from catalog.vocabulary.building import build_vocabulary

MISSING = "f" * 24


def fill(database: Any) -> None:
    store(
        *(
            draft(
                f"M{number:02}",
                name=f"Wireless Mouse {number}",
                brand=("Logitech", "Razer")[number % 2],
                price=1000 + 100 * number,
                popularity=100 - number,
                stock=number % 4,
                attributes={"Colour": ("Black", "White", "Red")[number % 3]},
            )
            for number in range(45)
        ),
        draft("PAD", name="Desk Pad", product_type="Pad", category_path=("Office", "Pads"), brand="Razer", price=700),
        draft("BARE", name="Hamster Cage", product_type="Cage", category_path=("Pets",), attributes={}, price=500),
        draft("GONE", name="Old Mouse", active=False),
    )
    build_vocabulary(database)


shop = kept_catalogue(fill)


def id_of(sku: str) -> str:
    return str(object_id_of(sku))


def decide(query: str, pins: tuple[str, ...] = (), hides: tuple[str, ...] = ()) -> None:
    """Pin and hide products by their skus, whatever was decided before."""
    decide_curation(
        query=query,
        pins=[id_of(sku) for sku in pins],
        hides=[id_of(sku) for sku in hides],
        expected_version=open_curation(query=query).version,
        by="editor",
    )


def searched(query: str, **filters: str) -> dict[str, Any]:
    request = parse_search_request({"q": query, **filters}, query_field="q", query_required=True)
    found: dict[str, Any] = search_products(request=request).value
    return found


def skus(query: str, **filters: str) -> list[str]:
    return [product["sku"] for product in searched(query, **filters)["data"]]


def all_pages(query: str, **filters: str) -> list[dict[str, Any]]:
    pages = [searched(query, **filters)]
    while pages[-1]["next"]:
        pages.append(searched(query, **filters, after=pages[-1]["next"]))
    return pages


def unchanged(**filters: Any) -> list[str]:
    return [result.product.sku for result in find_page(SearchRequest(limit=100, **filters)).results]


def test_pins_come_first_in_their_order_and_hides_nowhere(shop: Any) -> None:
    before = unchanged(query="wireless mouse")
    decide("Wireless  MOUSE", pins=("M44", "PAD", before[3]), hides=(before[0], before[30]))
    pages = all_pages("wireless mouse")
    shown = [product["sku"] for page in pages for product in page["data"]]
    rest = [sku for sku in before if sku not in {"M44", before[3], before[0], before[30]}]
    assert shown == ["M44", "PAD", before[3], *rest]
    assert {page["total"] for page in pages} == {len(shown)} == {44}
    assert len(pages[0]["data"]) <= 20


def test_plural_and_case_are_the_same_query_and_other_words_are_not(shop: Any) -> None:
    decide("mouse", pins=("PAD",))
    assert skus("MOUSE")[0] == skus("mouses")[0] == "PAD"
    assert "PAD" not in skus("wireless mouse")


def test_a_misspelt_query_has_the_pins_of_what_it_is_corrected_to(shop: Any) -> None:
    decide("wireless", pins=("PAD",))
    found = searched("wireles")
    assert found["corrected_query"] == "wireless"
    assert found["data"][0]["sku"] == "PAD"
    assert "PAD" not in skus("wireles", as_typed="true")


def test_a_pin_answers_a_query_that_finds_nothing(shop: Any, client: Client) -> None:
    assert searched("hovercraft")["total"] == 0
    decide("hovercraft", pins=("PAD",))
    wait_for(lambda: skus("hovercraft") == ["PAD"])
    found = searched("hovercraft")
    assert (found["total"], found["next"], found["matching_all"]) == (1, None, 1)
    assert found["facets"]["brand"] == [{"key": "razer", "label": "Razer", "count": 1}]
    assert "Desk Pad" in client.get("/search?q=hovercraft").content.decode()


def test_a_pin_is_shown_only_where_the_filters_let_it_through(shop: Any) -> None:
    decide("mouse", pins=("PAD", "M00", "M01"))
    assert skus("mouse")[:3] == ["PAD", "M00", "M01"]
    assert skus("mouse", in_stock="true")[:2] == ["PAD", "M01"], "M00 is sold out"
    assert "M00" not in skus("mouse", in_stock="true")
    assert skus("mouse", brand="razer")[:2] == ["PAD", "M01"]
    assert "PAD" not in skus("mouse", category="accessories")
    assert "PAD" not in skus("mouse", min_price="8")
    assert skus("mouse", sort="price_asc")[0] == "M00", "the cheapest first is the cheapest first"
    assert "PAD" not in skus("mouse", sort="price_asc")


def test_products_that_are_gone_or_taken_down_are_not_shown_and_break_nothing(shop: Any, client: Client) -> None:
    decide_curation(
        query="mouse", pins=[MISSING, id_of("GONE"), id_of("M05")], hides=["e" * 24], expected_version=0, by="editor"
    )
    assert skus("mouse")[0] == "M05"
    assert "GONE" not in skus("mouse")
    assert searched("mouse")["total"] == 45
    assert client.get("/search?q=mouse").status_code == 200
    change_product(product_id=id_of("GONE"), expected_version=1, changes={"active": True})
    wait_for(lambda: skus("mouse")[:2] == ["GONE", "M05"])


def test_everything_may_be_hidden(shop: Any, client: Client) -> None:
    decide("desk pad", hides=("PAD",))
    found = searched("desk pad")
    assert (found["count"], found["total"], found["next"], found["facets"]) == (0, 0, None, None)
    assert "Nothing found" in client.get("/search?q=desk+pad").content.decode()


def test_a_page_whose_products_are_all_hidden_gives_way_to_the_next(shop: Any) -> None:
    before = unchanged(query="mouse")
    decide("mouse", hides=tuple(before[:40]))
    pages = all_pages("mouse")
    assert [[product["sku"] for product in page["data"]] for page in pages] == [before[40:]]
    assert pages[0]["total"] == 5
    decide("mouse", hides=tuple(before[20:40]))
    wait_for(lambda: [len(page["data"]) for page in all_pages("mouse")] == [20, 5])


@pytest.mark.parametrize("seed", range(6))
def test_pages_hold_each_product_once_and_totals_and_facets_are_exact(shop: Any, seed: int) -> None:
    chance = random.Random(seed)
    everything = [f"M{number:02}" for number in range(45)]
    filters = chance.choice([{}, {"in_stock": "true"}, {"brand": "razer", "max_price": "40"}, {"min_price": "12"}])
    sort = chance.choice(["relevance", "relevance", "price_desc", "rating"])
    picked = chance.sample([*everything, "PAD", "GONE"], 14)
    pins, hides = tuple(picked[:5]), tuple(picked[5:])
    found = [product["sku"] for page in all_pages("mouse", sort=sort, **filters) for product in page["data"]]
    listed = {sku for sku in [*everything, "PAD"] if fits(sku, filters)}
    decide("mouse", pins=pins, hides=hides)
    engine.invalidate_everything()
    pages = all_pages("mouse", sort=sort, **filters)
    shown = [product["sku"] for page in pages for product in page["data"]]
    top = [sku for sku in pins if sku in listed] if sort == "relevance" else []
    assert shown == [*top, *(sku for sku in found if sku not in {*top, *hides})]
    assert {(page["total"], page["total_relation"]) for page in pages} == {(len(shown), "eq")}
    brands = {value["key"]: value["count"] for value in pages[0]["facets"]["brand"]}
    if "brand" not in filters:
        assert sum(brands.values()) == len(shown)
    counted = sum(1 for page in pages for product in page["data"] if product["brand"] == "Razer")
    assert brands.get("razer", 0) == counted
    if "min_price" not in filters and "max_price" not in filters:
        assert sum(value["count"] for value in pages[0]["facets"]["price"]) == len(shown)


def test_of_many_results_in_another_order_only_those_that_are_counted_are_taken_off(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(draft("TOLD", name="Wrist Rest", product_type="Rest", description="Goes with a mouse.", price=100))
    monkeypatch.setattr("catalog.candidates.FEW", 10)
    monkeypatch.setattr("catalog.search.plan.WINDOW", 10)
    before = searched("mouse", sort="price_asc")
    assert (before["total"], before["data"][0]["sku"]) == (45, "M00"), "a word in the description alone does not count"
    decide("mouse", pins=("PAD",), hides=("TOLD", "M00", "M44"))
    engine.invalidate_everything()
    pages = all_pages("mouse", sort="price_asc")
    assert [page["total"] for page in pages] == [43, 43, 43]
    shown = [product["sku"] for page in pages for product in page["data"]]
    assert shown == [f"M{number:02}" for number in range(1, 44)]


@pytest.mark.parametrize("chosen", [{}, {"attr.Colour": "Red"}])
def test_counts_of_attributes_follow_pins_and_hides(shop: Any, chosen: dict[str, str]) -> None:
    before = colours("mouse", **chosen)
    assert before == {"Black": 15, "White": 15, "Red": 15}
    decide("mouse", pins=("M00", "PAD", "BARE"), hides=("M02", "M03", "M06", "GONE"))
    engine.invalidate_everything()
    assert colours("mouse", **chosen) == {"Black": 14, "White": 15, "Red": 14}


def colours(query: str, **filters: str) -> dict[str, int]:
    facets = searched(query, **filters)["facets"]["attributes"]
    return {value["key"]: value["count"] for facet in facets if facet["name"] == "Colour" for value in facet["values"]}


def fits(sku: str, filters: dict[str, str]) -> bool:
    number = int(sku[1:]) if sku != "PAD" else -3
    price, stock, brand = 1000 + 100 * number, number % 4 if number >= 0 else 10, ("logitech", "razer")[number % 2]
    return (
        (not filters.get("in_stock") or stock > 0)
        and filters.get("brand", brand) == brand
        and float(filters.get("min_price", 0)) * 100 <= price <= float(filters.get("max_price", 1000)) * 100
    )


def test_the_reasons_say_that_the_shop_has_pinned_a_product(shop: Any, client: Client) -> None:
    decide("mouse", pins=("M03", "PAD"))
    data = client.get("/api/search?query=mouse&explain=true").json()["data"]
    assert [product["why"]["pinned"] for product in data[:3]] == [True, True, False]
    assert data[0]["why"]["score"] > 0
    assert data[1]["why"] == {"score": 0.0, "words": [], "parts": {}, "pinned": True}
    page = client.get("/search?q=mouse&explain=true").content.decode()
    assert page.count("pinned by the shop") == 2
    assert "why" not in client.get("/api/search?query=mouse").json()["data"][0]


def test_a_search_without_decisions_asks_mongodb_nothing_for_them(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    searched("mouse")

    monkeypatch.setattr("catalog.curations.read_curation", None)
    monkeypatch.setattr("catalog.curations.mongo", None)
    assert searched("wireless")["total"] == 45


def test_of_two_editors_the_slower_one_is_told(shop: Any) -> None:
    decide("mouse", pins=("PAD",))
    with pytest.raises(CurationConflict) as told:
        decide_curation(query="mouse", pins=[id_of("M01")], hides=[], expected_version=0, by="other")
    assert told.value.stored.pins == (id_of("PAD"),)
    decide("mouse")
    assert list_curations() == []
    with pytest.raises(CurationConflict):
        decide_curation(query="mouse", pins=[id_of("M01")], hides=[], expected_version=1, by="other")


def test_of_many_editors_at_once_one_wins(shop: Any) -> None:
    def save(number: int) -> bool:
        try:
            decide_curation(query="mouse", pins=[id_of(f"M{number:02}")], hides=[], expected_version=0, by=str(number))
        except CurationConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as editors:
        won = list(editors.map(save, range(8)))
    assert won.count(True) == 1
    assert list_curations()[0].updated_by == str(won.index(True))


def test_a_process_that_hears_of_a_decision_follows_it(shop: Any) -> None:
    assert skus("wireless")[0] == "M01"
    key = curation_key("wireless")
    decided = {"query": "wireless", "pins": [object_id_of("PAD")], "hides": [], "version": 1}
    shop["curations"].insert_one({"_id": key, **decided, "updated_at": datetime.now(UTC), "updated_by": "elsewhere"})
    assert find_curation(key) is None, "nothing was told"
    InvalidationBus(LocalCache(max_bytes=1_000)).announce(tags=[CURATIONS_TAG, curation_tag(key)])
    wait_for(lambda: skus("wireless")[0] == "PAD")


def test_without_redis_decisions_are_stored_and_hold(shop: Any, settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    engine.reset()
    decided = decide_curation(query="mouse", pins=[id_of("PAD")], hides=[], expected_version=0, by="editor")
    assert decided.caches_told is False
    assert skus("mouse")[0] == "PAD"
    engine.reset()  # What could not be told is not to be told to the tests that follow.


def test_who_has_decided_what_is_kept(shop: Any) -> None:
    decide("mouse", pins=("PAD",))
    decide("Mouses", hides=("M01",))
    decide("mouse")
    log = list_changes(subject="curations", key=open_curation(query="mouse").key)
    assert [(entry.action, entry.by) for entry in log] == [
        ("deleted", "editor"),
        ("changed", "editor"),
        ("created", "editor"),
    ]
    assert log[1].before["pins"] == [id_of("PAD")]
    assert log[1].after["hides"] == [id_of("M01")]


@pytest.mark.parametrize(
    ("pins", "hides"),
    [
        ([f"{number:024x}" for number in range(MAX_PINS + 1)], []),
        ([], [f"{number:024x}" for number in range(MAX_HIDES + 1)]),
        ([MISSING], [MISSING]),
        (["$where"], []),
        (["\x00" * 24], []),
    ],
)
def test_what_makes_no_sense_is_refused(products_db: Any, pins: list[str], hides: list[str]) -> None:
    with pytest.raises(InvalidFields):
        decide_curation(query="mouse", pins=pins, hides=hides, expected_version=0, by="editor")
    assert list_curations() == []


@pytest.mark.parametrize("query", ["$where", "{'$ne': 1}", "\u202eabc mouse", "<script>alert(1)</script>", "???", "😀"])
def test_any_query_may_have_pins(shop: Any, query: str) -> None:
    decide(query, pins=("PAD",))
    assert skus(query)[0] == "PAD"
    assert open_curation(query=query).version == 1


@pytest.mark.parametrize("query", ["mouse\x00", "x" * 101])
def test_a_query_that_cannot_be_searched_for_has_no_pins(products_db: Any, query: str) -> None:
    with pytest.raises(InvalidParameter):
        open_curation(query=query)
