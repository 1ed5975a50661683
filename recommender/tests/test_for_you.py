"""What a visitor looked at comes back as recommendations, and nothing else is remembered."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from django.test import Client

from catalog import mongo
from recommender.looked_at import COOKIE, REMEMBERED
from recommender.training import Trained


def test_a_visitor_who_looked_at_nothing_gets_no_row(client: Client, shop: dict[str, str], trained: Trained) -> None:
    assert 'id="for-you"' not in client.get("/").content.decode()
    page = client.get("/for-you").content.decode()
    assert "Look at a few products" in page
    assert COOKIE not in client.cookies


def test_products_looked_at_are_blended_and_not_recommended_again(
    client: Client, shop: dict[str, str], trained: Trained
) -> None:
    seen = [shop["KEYBOARD-0"], shop["MOUSE-0"]]
    for product_id in seen:
        client.get(f"/products/{product_id}/similar", headers={"hx-request": "true"})
    fragment = client.get("/for-you", headers={"hx-request": "true"}).content.decode()
    assert fragment.lstrip().startswith('<section id="for-you"')
    assert "and 1 other" in fragment
    assert all(f"/products/{product_id}/" not in fragment for product_id in seen)
    assert "Keyboard</a>" in fragment
    assert "Mouse</a>" in fragment
    home = client.get("/").content.decode()
    assert 'hx-get="/for-you"' in home
    assert 'href="/for-you"' in home, "for those without JavaScript"


def test_what_is_sold_out_or_gone_is_not_recommended(client: Client, shop: dict[str, str], trained: Trained) -> None:
    client.get(f"/products/{shop['MOUSE-0']}/similar")
    client.get("/for-you")
    products = mongo.command_database()["products"]
    products.update_many({"sku": {"$regex": "^KEYBOARD"}}, {"$set": {"stock": 0}})
    products.delete_one({"_id": ObjectId(shop["MOUSE-1"])})
    page = client.get("/for-you").content.decode()
    assert "Keyboard</a>" not in page
    assert shop["MOUSE-1"] not in page
    assert shop["MOUSE-2"] in page
    products.delete_one({"_id": ObjectId(shop["MOUSE-0"])})
    assert client.get("/for-you").status_code == 200, "also when what was looked at is gone"


def test_the_cookie_is_signed_short_and_of_the_session(client: Client, shop: dict[str, str], trained: Trained) -> None:
    for product_id in shop.values():
        client.get(f"/products/{product_id}/similar")
    cookie = client.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["max-age"]
    assert not cookie["expires"]
    assert len(cookie.value) < 400
    assert cookie.value.split(":")[0].count(".") == REMEMBERED - 1
    client.cookies[COOKIE] = cookie.value.replace(cookie.value[:4], "0000", 1)
    assert "Look at a few products" in client.get("/for-you").content.decode()


def test_for_you_is_never_kept_by_a_cache_between(client: Client, shop: dict[str, str], trained: Trained) -> None:
    client.get(f"/products/{shop['MOUSE-0']}/similar")
    policy = client.get("/for-you")["Cache-Control"]
    assert "private" in policy
    assert "no-store" in policy


def test_the_dashboard_tells_which_model_is_live(client: Client, shop: dict[str, str], trained: Trained) -> None:
    from cachelayer.telemetry import recorder

    client.get(f"/api/products/{shop['MOUSE-0']}/similar")
    client.get(f"/api/products/{shop['MOUSE-0']}/similar")
    recorder.flush()
    fragment = client.get("/dashboard/model", headers={"hx-request": "true"}).content.decode()
    assert trained.manifest.version in fragment
    assert "100.0 %" in fragment
    assert "Recommendation model" in fragment
    assert "Process memory (L1)" in fragment


def test_without_a_model_the_dashboard_says_what_to_do(client: Client, models_db: Any) -> None:
    assert "manage.py train_recommender" in client.get("/dashboard/model").content.decode()
