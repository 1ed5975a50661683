"""What staff does to products: checked, guarded against lost updates, and followed by categories and caches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import pytest
from bson import ObjectId

from cachelayer.outcomes import Outcome
from catalog import writes
from catalog.categories import refresh_categories
from catalog.documents import object_id_of
from catalog.errors import EditConflict, InvalidFields, NotAcknowledged, ProductNotFound
from catalog.indexes import CATEGORIES, INACTIVE_INDEX, PRODUCTS
from catalog.repository import get_stored_product, list_inactive_products
from catalog.search.request import SearchRequest
from catalog.services.editing import Edited, change_product, create_product, deactivate_product, reactivate_product
from catalog.services.products import read_product, top_categories
from catalog.services.search import search_products
from catalog.tests.factories import draft, store


@pytest.fixture
def mouse(products_db: Any) -> str:
    return store(draft("MOUSE-1", name="Silent Wireless Mouse"))[0]


def change(product_id: str, version: int = 1, **changes: Any) -> Edited:
    return change_product(product_id=product_id, expected_version=version, changes=changes)


def found(query: str) -> list[str]:
    """Return the skus of a search, once the refresh that a write may have caused is done."""
    deadline = monotonic() + 5
    while (answer := search_products(request=SearchRequest(query=query))).outcome is Outcome.STALE:
        assert monotonic() < deadline
        sleep(0.002)
    return [product["sku"] for product in answer.value["data"]]


def counts(database: Any) -> dict[str, int]:
    return {row["_id"]: row["product_count"] for row in database[CATEGORIES].find({"product_count": {"$gt": 0}})}


def test_a_created_product_is_stored_with_what_the_indexes_need(products_db: Any) -> None:
    edited = create_product(draft=draft("NEW-1", name="Unicorn Lamp", created_at=None))
    stored = products_db[PRODUCTS].find_one({"_id": object_id_of("NEW-1")})
    assert (stored["version"], stored["active"]) == (1, True)
    assert "unicorn" in stored["terms"]
    assert stored["created_at"] == stored["updated_at"]
    assert edited.product == get_stored_product(edited.product.id)
    assert found("unicorn") == ["NEW-1"]


def test_a_change_keeps_sku_and_age_and_counts_up_the_version(mouse: str, products_db: Any) -> None:
    before = get_stored_product(mouse)
    edited = change(mouse, name="Loud Trackball", price=1234, attributes={"Colour": "Red"})
    after = get_stored_product(mouse)
    assert edited.product == after
    assert set(edited.changed) == {"name", "price", "attributes"}
    assert (after.sku, after.created_at, after.version) == (before.sku, before.created_at, 2)
    assert before.updated_at < after.updated_at <= datetime.now(UTC)
    document = products_db[PRODUCTS].find_one({"_id": ObjectId(mouse)})
    assert {"loud", "trackbal"} <= set(document["terms"])
    assert "silent" not in document["terms"]
    assert document["order"]["price"] >> 20 == 1234
    assert found("silent") == []
    assert found("loud trackball") == ["MOUSE-1"]


def test_a_change_that_changes_nothing_writes_nothing(mouse: str) -> None:
    edited = change(mouse, name="Silent Wireless Mouse", stock=10)
    assert edited.changed == ()
    assert get_stored_product(mouse).version == 1


def test_a_number_that_becomes_a_truth_is_a_change(mouse: str) -> None:
    change(mouse, attributes={"Buttons": 1})
    assert change(mouse, 2, attributes={"Buttons": True}).changed == ("attributes",)
    assert get_stored_product(mouse).attributes["Buttons"] is True


def test_a_lost_update_is_refused_with_both_versions(mouse: str) -> None:
    change(mouse, price=100)
    with pytest.raises(EditConflict) as refused:
        change(mouse, price=200, stock=3)
    assert refused.value.stored.price == 100
    assert (refused.value.stored.version, refused.value.sent_version) == (2, 1)
    assert refused.value.sent == {"price": 200, "stock": 3}
    assert get_stored_product(mouse).price == 100


def test_of_twenty_concurrent_edits_of_one_version_exactly_one_wins(mouse: str) -> None:
    for version in range(1, 6):
        together = threading.Barrier(20)

        def edit(price: int, version: int = version, together: threading.Barrier = together) -> int | None:
            together.wait()
            try:
                return change(mouse, version, price=price).product.price
            except EditConflict as conflict:
                assert conflict.stored.version == version + 1
                return None

        with ThreadPoolExecutor(20) as pool:
            acknowledged = [price for price in pool.map(edit, range(1000 * version, 1000 * version + 20)) if price]
        assert len(acknowledged) == 1
        assert get_stored_product(mouse).price == acknowledged[0]
        assert get_stored_product(mouse).version == version + 1


def test_no_acknowledged_write_is_lost_when_everybody_tries_again(mouse: str) -> None:
    def sell(_: int) -> None:
        while True:
            stored = get_stored_product(mouse)
            try:
                change(mouse, stored.version, rating_count=stored.rating_count + 1)
            except EditConflict:
                continue
            return

    before = get_stored_product(mouse)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sell, range(60)))
    after = get_stored_product(mouse)
    assert after.rating_count == before.rating_count + 60
    assert after.version == before.version + 60


def test_the_change_that_is_overtaken_between_reading_and_writing_loses(
    mouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = writes.update_product

    def overtaken(product_id: str, **arguments: Any) -> bool:
        monkeypatch.setattr(writes, "update_product", update)
        change(mouse, price=777)
        return update(product_id, **arguments)

    monkeypatch.setattr(writes, "update_product", overtaken)
    with pytest.raises(EditConflict) as refused:
        change(mouse, price=888)
    assert refused.value.stored.price == 777
    assert get_stored_product(mouse).price == 777


def test_the_sku_never_changes(mouse: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        change(mouse, sku="MOUSE-2")
    assert set(refused.value.reasons) == {"sku"}
    assert change(mouse, sku="MOUSE-1", stock=1).changed == ("stock",)


def test_a_second_product_of_the_same_sku_is_refused_at_the_sku(mouse: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        create_product(draft=draft("MOUSE-1", name="Another"))
    assert set(refused.value.reasons) == {"sku"}
    assert get_stored_product(mouse).name == "Silent Wireless Mouse"


def test_all_fields_that_are_wrong_are_named_at_once(mouse: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        change(mouse, name=" ", price=-1, stock=2**40, currency="euro", category_path=(), image_url="ftp://x")
    assert set(refused.value.reasons) == {"name", "price", "stock", "currency", "category", "image_url"}
    assert get_stored_product(mouse).version == 1


@pytest.mark.parametrize("identifier", ["0" * 24, "no-id", "", "\x00", "é" * 12])
def test_a_product_that_does_not_exist_cannot_be_changed(products_db: Any, identifier: str) -> None:
    with pytest.raises(ProductNotFound):
        change(identifier, stock=1)


def test_an_inactive_product_keeps_its_data_and_shoppers_find_it_nowhere(mouse: str) -> None:
    read_product(product_id=mouse)
    edited = deactivate_product(product_id=mouse, expected_version=1)
    assert not edited.product.active
    with pytest.raises(ProductNotFound):
        read_product(product_id=mouse)
    for query in ("silent", "", "logitech"):
        assert found(query) == []
    assert list_inactive_products(limit=5) == [edited.product]
    with pytest.raises(EditConflict):
        reactivate_product(product_id=mouse, expected_version=1)
    back = reactivate_product(product_id=mouse, expected_version=2)
    assert (back.product.version, back.product.active) == (3, True)
    assert read_product(product_id=mouse).value["version"] == 3
    assert found("silent") == ["MOUSE-1"]


def test_inactive_products_are_paged_by_an_index_of_their_own(products_db: Any) -> None:
    identifiers = store(*(draft(f"SKU-{number}", active=False) for number in range(25)), draft("ACTIVE"))[:25]
    seen: list[str] = []
    after = None
    while page := list_inactive_products(limit=10, after=after):
        seen += [product.id for product in page]
        after = (page[-1].updated_at, page[-1].id)
    assert sorted(seen) == sorted(identifiers)
    assert len(seen) == 25
    explained = (
        products_db[PRODUCTS].find({"active": False}).sort([("updated_at", -1), ("_id", -1)]).hint(INACTIVE_INDEX)
    ).explain()
    assert explained["executionStats"]["totalDocsExamined"] == 25
    assert '"SORT"' not in str(explained["queryPlanner"]["winningPlan"]).replace("'", '"')


def test_categories_are_counted_as_a_full_count_would(products_db: Any) -> None:
    ids = store(
        draft("A", category_path=("Accessories", "Mice")),
        draft("B", category_path=("Accessories", "Mice")),
        draft("C", category_path=("Audio",)),
    )
    create_product(draft=draft("D", category_path=("Garden", "Lamps", "Solar")))
    change(ids[0], category_path=("Accessories", "Keyboards"))
    change(ids[1], category_path=("Audio", "Headsets"))
    deactivate_product(product_id=ids[2], expected_version=1)
    change(ids[2], 2, category_path=("Nowhere",))
    create_product(draft=draft("E", category_path=("Hidden",), active=False))
    kept = counts(products_db)
    assert kept["accessories"] == 1
    assert "hidden" not in kept
    refresh_categories(products_db)
    assert counts(products_db) == kept
    assert {row["key"] for row in top_categories().value} == {"accessories", "audio", "garden"}


def test_a_category_is_spelt_as_its_only_product_spells_it(products_db: Any) -> None:
    [identifier] = store(draft("A", category_path=("Tvs",)))
    change(identifier, category_path=("TVs",))
    assert products_db[CATEGORIES].find_one({"_id": "tvs"})["name"] == "TVs"
    assert counts(products_db) == {"tvs": 1}


def test_a_write_that_mongodb_does_not_acknowledge_is_said_to_be_unknown(
    mouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("catalog.services.editing.announce_changes", lambda ids, *_, **__: told.append(ids))

    def silent(*_: Any, **__: Any) -> bool:
        raise NotAcknowledged("timed out")

    monkeypatch.setattr(writes, "update_product", silent)
    with pytest.raises(NotAcknowledged):
        change(mouse, price=1)
    assert told == [[mouse]], "the caches forget it: the write may have been done"
