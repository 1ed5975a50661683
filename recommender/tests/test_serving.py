"""What the API answers: from the model, from caches, for new products, and never what cannot be bought."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from catalog import mongo
from catalog.documents import object_id_of, to_document, validated
from catalog.services.editing import change_product
from catalog.tests.factories import NOW, store
from catalog.tests.test_watching import wait_for
from recommender.caching import forget_lists
from recommender.repository import SIMILAR
from recommender.tests.conftest import forget, keyboard, mouse
from recommender.training import Trained


def similar(client: Client, product_id: str, **query: Any) -> Any:
    response = client.get(f"/api/products/{product_id}/similar", query)
    assert response.status_code == 200
    return response.json()


def set_fields(product_id: str, **fields: Any) -> None:
    from bson import ObjectId

    mongo.command_database()["products"].update_one({"_id": ObjectId(product_id)}, {"$set": fields})


def test_neighbours_come_from_the_model_then_from_caches(
    client: Client, shop: dict[str, str], trained: Trained
) -> None:
    cold = similar(client, shop["KEYBOARD-0"], limit=5)
    hot = similar(client, shop["KEYBOARD-0"], limit=5)
    assert (cold["source"], cold["cached"], cold["model"]) == ("ML_ENGINE", False, trained.manifest.version)
    assert (hot["source"], hot["cached"]) == ("L1_CACHE", True)
    assert hot["data"] == cold["data"]
    assert {row["productType"] for row in cold["data"]} == {"Keyboard"}
    assert shop["KEYBOARD-0"] not in [row["_id"] for row in cold["data"]]
    assert all(0 < row["score"] <= 1 for row in cold["data"])


def test_each_neighbour_says_why_in_words(client: Client, shop: dict[str, str], trained: Trained) -> None:
    reasons = [row["reason"] for row in similar(client, shop["KEYBOARD-0"])["data"] if row["productType"] == "Keyboard"]
    assert all(reason.startswith("Same type") for reason in reasons)
    assert any("both with" in reason for reason in reasons)


def test_limit_shortens_the_list_and_keeps_its_order(client: Client, shop: dict[str, str], trained: Trained) -> None:
    long = [row["_id"] for row in similar(client, shop["MOUSE-1"], limit=10)["data"]]
    assert [row["_id"] for row in similar(client, shop["MOUSE-1"], limit=3)["data"]] == long[:3]
    longest = similar(client, shop["MOUSE-1"], limit=20)
    assert not longest["cached"], "few ask for more than a page shows, so no more is kept for the others"
    assert longest["count"] > 12
    assert [row["_id"] for row in longest["data"]][:10] == long


def test_what_sells_out_leaves_a_cached_list_at_once(client: Client, shop: dict[str, str], trained: Trained) -> None:
    before = [row["_id"] for row in similar(client, shop["KEYBOARD-0"])["data"]]
    set_fields(before[0], stock=0)
    set_fields(before[2], active=False)
    after = similar(client, shop["KEYBOARD-0"])
    assert after["cached"]
    assert [row["_id"] for row in after["data"]][: len(before) - 2] == [before[1], *before[3:]]
    set_fields(before[0], stock=7)
    back = similar(client, shop["KEYBOARD-0"])["data"][0]
    assert (back["_id"], back["stock"]) == (before[0], 7)


def test_a_product_deleted_after_training_is_gone_from_lists_and_has_none(
    client: Client, shop: dict[str, str], trained: Trained
) -> None:
    gone = similar(client, shop["KEYBOARD-0"])["data"][0]["_id"]
    similar(client, gone)
    mongo.command_database()["products"].delete_one({"sku": next(sku for sku, key in shop.items() if key == gone)})
    assert gone not in [row["_id"] for row in similar(client, shop["KEYBOARD-0"])["data"]]
    assert client.get(f"/api/products/{gone}/similar").status_code == 404, "though its own list is cached"
    forget()
    assert gone not in [row["_id"] for row in similar(client, shop["KEYBOARD-0"])["data"]]


def test_a_product_newer_than_the_model_is_compared_when_asked_for(
    client: Client, shop: dict[str, str], trained: Trained
) -> None:
    [new] = store(keyboard(20, name="Zenith 900 Mechanical Keyboard"))
    answer = similar(client, new, limit=5)
    assert (answer["source"], answer["model"]) == ("ML_ENGINE", trained.manifest.version)
    assert {row["productType"] for row in answer["data"]} == {"Keyboard"}
    scores = [row["score"] for row in answer["data"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0
    page = client.get(f"/products/{new}/similar").content.decode()
    assert "newer than the model" in page


def test_a_new_product_gets_the_cosines_that_a_training_would_give(
    client: Client, shop: dict[str, str], trained: Trained
) -> None:
    # The model forgets one product that it knows: what is computed at once must be what was stored.
    stored = {row["_id"]: row["score"] for row in similar(client, shop["KEYBOARD-4"], limit=20)["data"]}
    key = f"{trained.manifest.version}:{shop['KEYBOARD-4']}"
    mongo.command_database()[SIMILAR].delete_one({"_id": key})
    forget_lists(product_ids=[shop["KEYBOARD-4"]])
    answer = similar(client, shop["KEYBOARD-4"], limit=20)
    assert not answer["cached"]
    placed = {row["_id"]: row["score"] for row in answer["data"]}
    both = stored.keys() & placed.keys()
    assert len(both) >= 5
    assert all(placed[identifier] == pytest.approx(stored[identifier], abs=0.002) for identifier in both)


def test_a_new_product_that_the_model_cannot_read_gets_its_category(
    client: Client, shop: dict[str, str], trained: Trained
) -> None:
    item = mouse(30, name="???", brand="", category_path=("–",), product_type="", description="", attributes={})
    [new] = store(item)
    assert similar(client, new)["source"] == "CATEGORY_FALLBACK"


def test_without_a_model_the_category_answers_and_says_so(client: Client, shop: dict[str, str]) -> None:
    answer = similar(client, shop["KEYBOARD-0"])
    assert (answer["source"], answer["model"]) == ("CATEGORY_FALLBACK", "")
    assert all(row["score"] is None for row in answer["data"])
    assert similar(client, shop["KEYBOARD-0"])["source"] == "L1_CACHE"


def test_nearly_the_same_product_comes_once(client: Client, models_db: Any) -> None:
    from recommender.tests.conftest import train_now

    colours = ("Black", "White", "Red", "Blue", "Green", "Silver")
    text = "Low profile switches, wireless, three devices at a time, a battery for a year, quiet, slim, aluminium."
    drafts = [
        keyboard(
            0,
            name="Slimline K380 Wireless Keyboard",
            description=text,
            attributes={"Colour": colour, "Switches": "Low profile", "Connection": "Bluetooth", "Battery": "AAA"},
        )
        for colour in colours
    ]
    from dataclasses import replace

    variants = [replace(item, sku=f"SLIM-{number}") for number, item in enumerate(drafts)]
    ids = store(*variants, *(keyboard(number) for number in range(1, 9)), *(mouse(number) for number in range(6)))
    train_now()
    found = [row["_id"] for row in similar(client, ids[0])["data"]]
    assert len(set(found) & set(ids[:6])) == 1
    assert found[0] in ids[:6]


def test_unknown_and_impossible_ids_have_no_list(client: Client, shop: dict[str, str], trained: Trained) -> None:
    for identifier in ("0" * 24, "nonsense", str(object_id_of("NEVER"))):
        assert client.get(f"/api/products/{identifier}/similar").status_code == 404


def test_a_product_changed_to_inactive_has_no_list(client: Client, shop: dict[str, str], trained: Trained) -> None:
    document = to_document(validated(keyboard(0, active=False)), now=NOW, version=2)
    mongo.command_database()["products"].replace_one({"_id": document["_id"]}, dict(document))
    assert client.get(f"/api/products/{shop['KEYBOARD-0']}/similar").status_code == 404


def shown(client: Client, product_id: str) -> dict[str, tuple[str, float]]:
    return {row["_id"]: (row["name"], row["price"]) for row in similar(client, product_id)["data"]}


def test_an_edit_shows_in_the_lists_of_others(client: Client, shop: dict[str, str], trained: Trained) -> None:
    seed_item = shop["KEYBOARD-0"]
    neighbour = next(iter(shown(client, seed_item)))
    change_product(product_id=neighbour, expected_version=1, changes={"name": "Renamed Keyboard", "price": 777})
    wait_for(lambda: shown(client, seed_item)[neighbour] == ("Renamed Keyboard", 7.77))


def test_an_edited_products_own_list_goes_at_once(client: Client, shop: dict[str, str], trained: Trained) -> None:
    seed_item = shop["KEYBOARD-0"]
    assert similar(client, seed_item)["cached"] is False
    assert similar(client, seed_item)["cached"] is True
    change_product(product_id=seed_item, expected_version=1, changes={"price": 777})
    assert similar(client, seed_item)["cached"] is False
