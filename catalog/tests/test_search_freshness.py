"""Searches that a product enters or leaves by an edit turn stale, wherever its category is; others stay warm."""

from __future__ import annotations

import random
from typing import Any

import pytest
from bson import ObjectId

from cachelayer import runtime
from cachelayer.engine import clear_local
from cachelayer.outcomes import Outcome
from catalog import changes, mongo, repository
from catalog.documents import to_document
from catalog.indexes import PRODUCTS
from catalog.search.request import SearchRequest, Sort
from catalog.services import search as searching
from catalog.services.curating import find_curated_page
from catalog.services.editing import change_product, create_product
from catalog.services.search import search_products
from catalog.tests.factories import NOW, draft, store
from catalog.tests.test_watching import Watching, wait_for
from catalog.watching import PLACES

WARM = {Outcome.L1_HIT, Outcome.REDIS_HIT}


@pytest.fixture
def ids(products_db: Any) -> list[str]:
    products_db[PLACES].delete_many({})
    return store(
        draft("MOUSE-1", name="Silent Mouse", price=3000),
        draft("BALL-1", name="Trackball", category_path=("Gaming", "Trackballs"), product_type="Trackball", price=1500),
        draft("PAD-1", name="Gamepad", brand="Trust", category_path=("Gaming", "Pads"), product_type="Pad", price=1000),
    )


def found(request: SearchRequest) -> set[str]:
    """Return the skus of the products that have all words."""
    page = search_products(request=request).value
    return set() if page["dropped_words"] else {product["sku"] for product in page["data"][: page["matching_all"]]}


def edit(product_id: str, **fields: Any) -> None:
    version = repository.get_stored_product(product_id).version
    change_product(product_id=product_id, expected_version=version, changes=fields)


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (SearchRequest(query="trackball"), {"name": "Thumb Trackball"}),
        (SearchRequest(brand="trust"), {"brand": "Trust"}),
        (SearchRequest(query="trackball mouse"), {"name": "Trackball Mouse"}),
        (SearchRequest(max_price=2000), {"price": 1900}),
        (SearchRequest(query="logitech", max_price=2000), {"price": 1900}),
        (SearchRequest(query="logitech", sort=Sort.PRICE_ASC, limit=1), {"price": 100}),
        (SearchRequest(category="gaming"), {"category_path": ("Gaming", "Mice")}),
    ],
)
def test_a_search_that_a_product_enters_by_an_edit_shows_it(
    ids: list[str], request_: SearchRequest, fields: dict[str, Any]
) -> None:
    assert "MOUSE-1" not in found(request_)
    edit(ids[0], **fields)
    wait_for(lambda: "MOUSE-1" in found(request_))


def test_a_search_that_a_product_leaves_by_an_edit_shows_it_no_more(ids: list[str]) -> None:
    assert found(SearchRequest(query="silent mouse")) == {"MOUSE-1"}
    edit(ids[0], name="Quiet Mouse")
    wait_for(lambda: found(SearchRequest(query="silent mouse")) == set())


def test_a_new_product_enters_searches_that_show_others(ids: list[str]) -> None:
    assert found(SearchRequest(query="trackball")) == {"BALL-1"}
    create_product(draft=draft("MOUSE-2", name="Trackball for thumbs"))
    wait_for(lambda: found(SearchRequest(query="trackball")) == {"BALL-1", "MOUSE-2"})


def test_searches_for_other_words_stay_warm(ids: list[str]) -> None:
    others = [
        SearchRequest(query="gamepad"),
        SearchRequest(query="trackball"),
        SearchRequest(query="trust", sort=Sort.NEWEST),
    ]
    for request in others:
        search_products(request=request)
    edit(ids[0], name="Silent Mouse with cable", price=1200)
    clear_local()
    assert {search_products(request=request).outcome for request in others} <= WARM


def test_a_change_by_others_is_told_to_the_searches_that_it_enters(ids: list[str]) -> None:
    watcher = Watching()
    try:
        request, cheap = SearchRequest(query="trackball"), SearchRequest(query="logitech", max_price=2000)
        assert (found(request), found(cheap)) == ({"BALL-1"}, {"BALL-1"})
        document = to_document(draft("MOUSE-1", name="Thumb Trackball", price=3000), now=NOW)
        renamed = {name: value for name, value in document.items() if name not in {"_id", "version"}}
        mongo.command_database()[PRODUCTS].update_one({"_id": ObjectId(ids[0])}, {"$set": renamed})
        wait_for(lambda: found(request) == {"BALL-1", "MOUSE-1"})
        assert found(cheap) == {"BALL-1"}
        order = to_document(draft("MOUSE-1", name="Thumb Trackball", price=900), now=NOW)["order"]
        cheaper = {"price": 900, "order.price": order["price"]}
        mongo.command_database()[PRODUCTS].update_one({"_id": ObjectId(ids[0])}, {"$set": cheaper})
        wait_for(lambda: found(cheap) == {"BALL-1", "MOUSE-1"})
    finally:
        watcher.stop()


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The tags that edits move on."""
    noted: set[str] = set()
    announce = runtime.bus.announce

    def note(*, keys: Any = (), tags: Any = ()) -> bool:
        noted.update(tags)
        return announce(keys=keys, tags=tags)

    monkeypatch.setattr(runtime.bus, "announce", note)
    return noted


def test_whatever_is_edited_a_page_that_changes_carries_a_tag_that_moves(products_db: Any, moved: set[str]) -> None:
    chance = random.Random(7)
    words = ("silent", "mouse", "trackball", "red", "keyboard", "wireless")
    paths = (("Accessories", "Mice"), ("Gaming", "Mice"), ("Gaming", "Keyboards"))

    def some() -> dict[str, Any]:
        return {
            "name": " ".join(chance.sample(words, 3)).title(),
            "brand": chance.choice(("Trust", "Razer")),
            "category_path": chance.choice(paths),
            "price": chance.choice((500, 1500, 2500)),
            "stock": chance.choice((0, 3)),
            "active": chance.random() < 0.9,
        }

    requests = [
        SearchRequest(query=chance.choice(("", *words)), brand=brand, category=category, max_price=limit, sort=order)
        for brand in ("", "trust")
        for category in ("", "gaming")
        for limit in (None, 1000, 2000)
        for order in (Sort.RELEVANCE, Sort.PRICE_ASC)
    ]
    identifiers = store(*(draft(f"SKU-{number}", **some()) for number in range(12)))
    pages = [searching._tagged(request, find_curated_page(request)) for request in requests]
    changed = 0
    for _ in range(20):
        moved.clear()
        edit(chance.choice(identifiers), **{name: value for name, value in some().items() if chance.random() < 0.4})
        for number, request in enumerate(requests):
            page = searching._tagged(request, find_curated_page(request))
            if page.value != pages[number].value:
                changed += 1
                assert moved & set(pages[number].tags), f"{request} changed and would have stayed"
            pages[number] = page
    assert changed > 50


def test_words_share_a_bounded_number_of_tags() -> None:
    tags = changes.search_tags((f"word{number}" for number in range(50_000)), narrowed=False)
    assert len(tags) <= 4096
