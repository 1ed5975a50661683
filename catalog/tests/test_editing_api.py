"""Staff at the API: who may, what is refused and how, and that nothing is lost unseen."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.authtoken.models import Token

from catalog.documents import object_id_of
from catalog.repository import get_stored_product
from catalog.tests.factories import draft, store

pytestmark = pytest.mark.django_db

NEW = {
    "sku": "NEW-1",
    "name": "Unicorn Lamp",
    "price": 49.9,
    "currency": "EUR",
    "categoryPath": ["Home", "Lamps"],
    "stock": 3,
}


class Api:
    """Sends JSON with a token."""

    def __init__(self, token: str) -> None:
        self.client = Client(headers={"authorization": f"Token {token}"})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        return self.client.generic(method, path, data, content_type="application/json", headers=headers)

    def post(self, body: Any, **headers: str) -> Any:
        return self.send("POST", "/api/products", body, **headers)

    def patch(self, product_id: str, body: Any, **headers: str) -> Any:
        return self.send("PATCH", f"/api/products/{product_id}", body, **headers)

    def delete(self, product_id: str, body: Any = None, **headers: str) -> Any:
        return self.send("DELETE", f"/api/products/{product_id}", body, **headers)


@pytest.fixture
def staff() -> User:
    return User.objects.create(username="editor", is_staff=True)


@pytest.fixture
def api(staff: User) -> Api:
    return Api(Token.objects.create(user=staff).key)


@pytest.fixture
def mouse(products_db: Any) -> str:
    return store(draft("MOUSE-1", name="Silent Wireless Mouse"))[0]


# --- Creating ----------------------------------------------------------------------------------------------


def test_a_created_product_is_at_the_address_that_the_answer_names(api: Api, products_db: Any, client: Client) -> None:
    path = f"/api/products/{object_id_of('NEW-1')}"
    assert client.get(path).status_code == 404
    response = api.post({**NEW, "attributes": {"Colour": "White", "Dimmable": True, "Lumen": 800}})
    assert response.status_code == 201
    assert response["Location"] == path
    assert response["ETag"] == '"1"'
    data = response.json()["data"]
    assert (data["price"], data["version"], data["active"], data["category"]) == (49.9, 1, True, "Lamps")
    read = client.get(path).json()["data"]
    assert read == {name: value for name, value in data.items() if name not in {"active", "popularity"}}
    assert get_stored_product(data["_id"]).attributes == {"Colour": "White", "Dimmable": True, "Lumen": 800}


def test_a_sku_that_is_taken_is_refused_at_the_sku(api: Api, mouse: str) -> None:
    response = api.post({**NEW, "sku": "MOUSE-1"})
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert set(response.json()["errors"]) == {"sku"}


def test_what_is_missing_unknown_or_derived_is_named(api: Api, products_db: Any) -> None:
    response = api.post({"sku": "A", "colour": "red", "_id": "x", "inStock": True, "$where": "1"})
    errors = response.json()["errors"]
    assert response.status_code == 400
    assert {"name", "price", "currency", "categoryPath", "stock", "colour", "_id", "inStock", "$where"} == set(errors)
    assert errors["colour"] == "is not a field of products"


WRONG: dict[str, list[Any]] = {
    "sku": ["", "x" * 101, 7, None, "a\x00b"],
    "name": ["", "  ", ["a"], "x" * 301],
    "price": ["49.90", -1, 49.999, True, None, 1e18, 1e308],
    "currency": ["euro", "", "eur", 3, "EURO"],
    "categoryPath": [[], "Home > Lamps", ["a"] * 7, [""], ["x" * 101], [1], None],
    "stock": [-1, 1.5, "3", True, 2**31, 1e30],
    "rating": [5.1, -0.1, "4", True],
    "ratingCount": [-1, 0.5],
    "popularity": [-1, 2**30],
    "attributes": [
        [],
        {"": 1},
        {"a.b": 1},
        {"$a": 1},
        {"a": {"b": 1}},
        {"a": None},
        {"a": 2**64 - 1},
        {"a": "x" * 2001},
    ],
    "imageUrl": ["javascript:alert(1)", "//evil.example/x.png", "x" * 2001],
    "active": ["yes", 1, None],
    "brand": [1, "x" * 101],
    "description": ["x" * 20_001, "a\x00b"],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(api: Api, products_db: Any, field: str) -> None:
    for value in WRONG[field]:
        response = api.post({**NEW, field: value})
        assert response.status_code == 400, response.content
        assert list(response.json()["errors"]) == [field]
    assert products_db["products"].count_documents({}) == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b"[" * 100_000, b'{"sku": NaN}', b'{"sku": "\\ud800"}', b"\xff\xfe", b"1"],
)
def test_a_body_that_is_no_object_is_refused(api: Api, products_db: Any, body: bytes) -> None:
    response = api.post(body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused(api: Api, products_db: Any) -> None:
    response = api.post(orjson.dumps({**NEW, "description": "x" * 1_100_000}))
    assert response.status_code == 413
    assert response["Content-Type"] == "application/problem+json"


def test_only_json_is_read(api: Api, products_db: Any) -> None:
    response = api.client.post("/api/products", {"sku": "A"})
    assert response.status_code == 415


def test_a_price_has_the_decimals_of_its_currency(api: Api, products_db: Any) -> None:
    assert api.post({**NEW, "currency": "JPY", "price": 49.9}).json()["errors"].keys() == {"price"}
    made = api.post({**NEW, "currency": "JPY", "price": 4990}).json()["data"]
    assert get_stored_product(made["_id"]).price == 4990
    assert api.post({**NEW, "sku": "B", "currency": "KWD", "price": 1.234}).status_code == 201


# --- Changing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_header", [False, True])
def test_a_change_shows_at_once_to_everybody(api: Api, mouse: str, client: Client, by_header: bool) -> None:
    path = f"/api/products/{mouse}"
    assert client.get(path).json()["data"]["price"] == 29.99
    body = {"price": 19.5} if by_header else {"price": 19.5, "version": 1}
    response = api.patch(mouse, body, **({"If-Match": '"1"'} if by_header else {}))
    assert response.status_code == 200
    assert (response.json()["data"]["version"], response["ETag"]) == (2, '"2"')
    assert client.get(path).json()["data"]["price"] == 19.5
    assert "€19.50" in client.get(f"/products/{mouse}/").content.decode()


def test_a_change_of_an_old_version_is_a_conflict_that_shows_both(api: Api, mouse: str) -> None:
    assert api.patch(mouse, {"price": 10, "version": 1}).status_code == 200
    response = api.patch(mouse, {"price": 20.5, "categoryPath": ["X"], "version": 1})
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["stored"]["price"], problem["stored"]["version"], response["ETag"]) == (10, 2, '"2"')
    assert problem["sent"] == {"price": 20.5, "categoryPath": ["X"], "version": 1}
    assert get_stored_product(mouse).price == 1000


def test_without_a_version_nothing_is_changed(api: Api, mouse: str) -> None:
    for response in (api.patch(mouse, {"price": 1}), api.delete(mouse), api.delete(mouse, {})):
        assert response.status_code == 428
        assert response["Content-Type"] == "application/problem+json"
    assert get_stored_product(mouse).version == 1


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True, 2**40])
def test_what_is_no_version_is_refused(api: Api, mouse: str, version: Any) -> None:
    response = api.patch(mouse, {"price": 1, "version": version})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["version"]


@pytest.mark.parametrize("header", ["1", "*", 'W/"1"', '"1", "2"', '"x"', "", '"0"', '"1', '"' + "9" * 11 + '"'])
def test_an_if_match_that_is_not_one_version_is_refused(api: Api, mouse: str, header: str) -> None:
    response = api.patch(mouse, {"price": 1}, **{"If-Match": header})
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["If-Match"]


def test_two_versions_that_differ_are_refused(api: Api, mouse: str) -> None:
    assert api.patch(mouse, {"price": 1, "version": 2}, **{"If-Match": '"1"'}).status_code == 400


def test_another_currency_needs_its_own_price(api: Api, mouse: str) -> None:
    assert list(api.patch(mouse, {"currency": "JPY", "version": 1}).json()["errors"]) == ["price"]
    assert api.patch(mouse, {"currency": "JPY", "price": 5000, "version": 1}).status_code == 200


def test_a_deactivated_product_is_gone_for_shoppers_and_can_be_brought_back(
    api: Api, mouse: str, client: Client
) -> None:
    client.get(f"/api/products/{mouse}")
    gone = api.delete(mouse, **{"If-Match": '"1"'})
    assert gone.status_code == 200
    assert gone.json()["data"]["active"] is False
    assert client.get(f"/api/products/{mouse}").status_code == 404
    assert client.get(f"/products/{mouse}/").status_code == 404
    assert client.get("/api/search?query=silent").json()["count"] == 0
    assert api.delete(mouse, {"version": 1}).status_code == 409
    assert api.delete(mouse, {"version": 2}).json()["data"]["version"] == 2, "it is so already"
    assert api.patch(mouse, {"active": True, "version": 2}).json()["data"]["version"] == 3
    assert client.get(f"/api/products/{mouse}").status_code == 200


@pytest.mark.parametrize("identifier", ["0" * 24, "x", "0" * 500, "%00", "😀"])
def test_an_unknown_product_is_not_found(api: Api, products_db: Any, identifier: str) -> None:
    assert api.patch(identifier, {"stock": 1, "version": 1}).status_code == 404
    assert api.delete(identifier, {"version": 1}).status_code == 404


# --- Who may -----------------------------------------------------------------------------------------------


def writes(client: Client, product_id: str) -> list[Any]:
    body = orjson.dumps({"stock": 0, "version": 1})
    return [
        client.post("/api/products", orjson.dumps(NEW), content_type="application/json"),
        client.patch(f"/api/products/{product_id}", body, content_type="application/json"),
        client.delete(f"/api/products/{product_id}", body, content_type="application/json"),
    ]


def test_a_stranger_is_asked_to_sign_in(mouse: str, client: Client) -> None:
    for response in writes(client, mouse):
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Token"
        assert response["Content-Type"] == "application/problem+json"
    assert get_stored_product(mouse).version == 1


@pytest.mark.parametrize("header", ["Token wrong", "Token", "Token a b", "Token \xff", "Bearer x", "Basic eDp5"])
def test_a_wrong_token_is_401(mouse: str, header: str) -> None:
    for response in writes(Client(headers={"authorization": header}), mouse):
        assert response.status_code == 401


def test_a_shopper_may_not(mouse: str, client: Client) -> None:
    shopper = User.objects.create(username="shopper")
    client.force_login(shopper)
    with_token = Client(headers={"authorization": f"Token {Token.objects.create(user=shopper).key}"})
    for response in (*writes(client, mouse), *writes(with_token, mouse)):
        assert response.status_code == 403
        assert response["Content-Type"] == "application/problem+json"
    assert get_stored_product(mouse).version == 1


def test_a_token_of_somebody_who_left_is_worth_nothing(api: Api, staff: User, mouse: str) -> None:
    staff.is_active = False
    staff.save()
    assert api.patch(mouse, {"stock": 0, "version": 1}).status_code == 401


def test_a_session_needs_the_token_of_its_forms(staff: User, mouse: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(staff)
    for response in writes(browser, mouse):
        assert response.status_code == 403
    browser.get("/accounts/login/")
    token = browser.cookies["csrftoken"].value
    answers = [
        browser.patch(
            f"/api/products/{mouse}",
            orjson.dumps({"stock": 0, "version": 1}),
            content_type="application/json",
            headers={"X-CSRFToken": token},
        )
    ]
    assert [response.status_code for response in answers] == [200]


def test_reading_looks_at_no_account_and_sets_no_cookie(api: Api, mouse: str, client: Client) -> None:
    wrong = Client(headers={"authorization": "Token wrong"})
    for reader in (client, wrong, api.client):
        for _ in range(2):
            response = reader.get(f"/api/products/{mouse}")
            assert response.status_code == 200
            assert response.cookies == {}
            assert "Cookie" not in response.get("Vary", "")
    assert response.json()["source"] == "L1_CACHE"


def test_a_person_of_staff_gets_the_browsable_api(staff: User, mouse: str, client: Client) -> None:
    client.force_login(staff)
    response = client.get(f"/api/products/{mouse}", headers={"accept": "text/html"})
    assert response.status_code == 200
