"""The pages of staff: who may see them, and that nothing typed is lost, whatever happens to it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.test import Client

from cachelayer.telemetry import recorder
from catalog.documents import object_id_of
from catalog.errors import CatalogUnavailable, NotAcknowledged
from catalog.indexes import PRODUCTS
from catalog.repository import get_stored_product
from catalog.services.editing import change_product
from catalog.tests.factories import draft, store
from catalog.views.typed import TEXT_FIELDS, typed_of

pytestmark = pytest.mark.django_db

HOSTILE = "\"><script>alert(1)</script> {{ 7|add:7 }} 'x' & </textarea></title> 👩‍👩‍👧‍👦 شاشة"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create(username="editor", is_staff=True))
    return client


@pytest.fixture
def mouse(products_db: Any) -> str:
    return store(draft("MOUSE-1", name="Silent Wireless Mouse"))[0]


def form_of(product_id: str, **texts: str) -> dict[str, Any]:
    """Return what a browser sends when somebody edits the form of a product."""
    typed = typed_of(get_stored_product(product_id))
    return {
        **typed.texts,
        "version": str(typed.version),
        "attribute_name": [*(name for name, _ in typed.rows), ""],
        "attribute_value": [*(value for _, value in typed.rows), ""],
        "action": "save",
        **texts,
    }


def page_of(response: Any) -> str:
    return str(response.content.decode())


def shown_form(response: Any) -> dict[str, Any]:
    """Return what the browser would send if somebody pressed the button of a form at once."""
    page = page_of(response)
    page = page[page.index('name="version"') - 200 :]
    fields: dict[str, Any] = {"attribute_name": [], "attribute_value": [], "action": "save"}
    for name, value in re.findall(r'<input[^>]*? name="(\w+)" value="([^"]*)"', page):
        if name in {"attribute_name", "attribute_value"}:
            fields[name].append(unescape(value))
        elif name != "csrfmiddlewaretoken":
            fields[name] = unescape(value)
    area = re.search(r'<textarea[^>]*name="description"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    if area:
        fields["description"] = unescape(area[1])
    return fields


PATHS = ["/staff/products/", "/staff/products/new/", "/staff/products/{id}/", "/staff/products/{id}/status/"]


# --- Who may -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_strangers_are_sent_to_sign_in_and_come_back(mouse: str, client: Client, path: str) -> None:
    path = path.format(id=mouse)
    for response in (client.get(path), client.post(path, {"version": "1", "action": "deactivate"})):
        if response.status_code == 405:
            continue
        assert response.status_code == 302
        assert response["Location"] == f"/accounts/login/?next={path}"
    assert get_stored_product(mouse).version == 1


@pytest.mark.parametrize("path", PATHS)
def test_shoppers_are_refused(mouse: str, client: Client, path: str) -> None:
    client.force_login(User.objects.create(username="shopper"))
    path = path.format(id=mouse)
    assert client.get(path).status_code == 403
    assert client.post(path, {"version": "1", "action": "deactivate"}).status_code in {403, 405}
    assert get_stored_product(mouse).version == 1


@pytest.mark.parametrize("path", PATHS[1:])
def test_a_forged_form_is_refused(mouse: str, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create(username="editor", is_staff=True))
    response = browser.post(path.format(id=mouse), {**form_of(mouse, stock="0"), "action": "save"})
    assert response.status_code == 403
    assert "SpeedScale" in page_of(response)
    assert get_stored_product(mouse).version == 1


@pytest.mark.parametrize("path", PATHS)
def test_no_cache_keeps_a_page_of_staff(staff: Client, mouse: str, path: str) -> None:
    response = staff.get(path.format(id=mouse))
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-store"


def test_one_signs_in_on_a_page_of_our_own_and_out_again(client: Client, mouse: str) -> None:
    User.objects.create_user("editor", password="correct horse", is_staff=True)
    page = client.get(f"/accounts/login/?next=/staff/products/{mouse}/")
    assert "SpeedScale" in page_of(page)
    wrong = client.post(
        "/accounts/login/", {"username": HOSTILE[:100], "password": "wrong", "next": "/staff/products/"}
    )
    assert wrong.status_code == 200
    assert "<script>alert" not in page_of(wrong)
    credentials = {"username": "editor", "password": "correct horse"}
    away = client.post("/accounts/login/", {**credentials, "next": "https://evil.example/"})
    assert away["Location"] == "/staff/products/"
    back = client.post("/accounts/login/", {**credentials, "next": f"/staff/products/{mouse}/"})
    assert back["Location"] == f"/staff/products/{mouse}/"
    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/")["Location"] == "/"
    assert client.get("/staff/products/").status_code == 302


@pytest.mark.usefixtures("one_window")
def test_passwords_cannot_be_tried_without_end(client: Client) -> None:
    answers = [client.post("/accounts/login/", {"username": "a", "password": "b"}).status_code for _ in range(22)]
    assert answers == [200] * 20 + [429] * 2


def test_shop_pages_look_at_no_session_unless_somebody_is_signed_in(client: Client, mouse: str) -> None:
    for path in ("/", "/search?q=mouse", f"/products/{mouse}/", "/nothing"):
        response = client.get(path)
        assert response.cookies == {}
        assert "Cookie" not in response.get("Vary", "")
        assert "private" not in response.get("Cache-Control", "")
        assert "/staff/" not in page_of(response)


def test_signed_in_staff_finds_the_way_from_the_shop(staff: Client, mouse: str) -> None:
    response = staff.get(f"/products/{mouse}/")
    assert f'href="/staff/products/{mouse}/"' in page_of(response)
    assert 'href="/staff/products/"' in page_of(staff.get("/"))
    assert "private" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_a_session_that_ended_while_typing_takes_nothing_from_the_page(client: Client, mouse: str) -> None:
    sent = form_of(mouse) | {"action": "rows"}
    assert client.post(f"/staff/products/{mouse}/", sent, headers={"hx-request": "true"}).status_code == 403


def test_what_staff_does_is_not_on_the_dashboard(staff: Client, mouse: str) -> None:
    staff.get(f"/staff/products/{mouse}/")
    staff.get(f"/products/{mouse}/")
    paths = [sample.path for sample in recorder.recent_of_this_process(20)]
    assert f"/products/{mouse}/" in paths
    assert not any(path.startswith("/staff/") for path in paths)


# --- Lists -------------------------------------------------------------------------------------------------


def test_products_are_found_by_words_by_sku_and_by_id_though_they_are_inactive(staff: Client, products_db: Any) -> None:
    ids = store(draft("AB/1 x", name="Silent Mouse"), draft("GONE-1", name="Silent Keyboard", active=False))
    words = page_of(staff.get("/staff/products/", {"q": "silent"}))
    assert "Silent Mouse" in words
    assert "Silent Keyboard" not in words
    for code in ("GONE-1", ids[1]):
        assert "Silent Keyboard" in page_of(staff.get("/staff/products/", {"q": code}))
    assert "Silent Mouse" in page_of(staff.get("/staff/products/", {"q": "AB/1 x"}))
    inactive = page_of(staff.get("/staff/products/?show=inactive"))
    assert "Silent Keyboard" in inactive
    assert "Silent Mouse" not in inactive
    assert "No products match" in page_of(staff.get("/staff/products/", {"q": "…"}))


@pytest.mark.parametrize("show", ["", "inactive"])
def test_lists_can_be_paged_to_their_end(staff: Client, products_db: Any, show: str) -> None:
    store(*(draft(f"SKU-{number:03}", active=not show) for number in range(120)))
    seen: list[str] = []
    path: str | None = f"/staff/products/?show={show}"
    while path:
        page = page_of(staff.get(path))
        seen += re.findall(r"staff-table__sku\">([^<]+)<", page)
        following = re.search(r'href="([^"]+)">Next page', page)
        path = unescape(following[1]) if following else None
    assert sorted(seen) == [f"SKU-{number:03}" for number in range(120)]


@pytest.mark.parametrize(
    "query", ["show=inactive&after=x", "after=x", "q=" + "a" * 101, "q=%00", "show=inactive&after=1-0"]
)
def test_a_wrong_address_of_a_list_is_400(staff: Client, products_db: Any, query: str) -> None:
    assert staff.get(f"/staff/products/?{query}").status_code == 400


# --- Creating and changing ---------------------------------------------------------------------------------


def test_a_product_is_created_from_the_form(staff: Client, products_db: Any) -> None:
    sent = {
        **shown_form(staff.get("/staff/products/new/")),
        "sku": "NEW-1",
        "name": " Unicorn  Lamp ",
        "category": "Home>Lamps > Table",
        "price": "1,299.90",
        "currency": "eur",
        "stock": "7",
        "description": "One.\r\n\r\nTwo.",
        "attribute_name": ["Colour", "Lumen", "Dimmable", "Code", ""],
        "attribute_value": ["White", "800", "Yes", "007", ""],
    }
    response = staff.post("/staff/products/new/", sent)
    identifier = str(object_id_of("NEW-1"))
    assert response["Location"] == f"/staff/products/{identifier}/"
    made = get_stored_product(identifier)
    assert (made.name, made.price, made.currency, made.stock) == ("Unicorn Lamp", 129990, "EUR", 7)
    assert made.category_path == ("Home", "Lamps", "Table")
    assert made.description == "One.\n\nTwo."
    assert made.attributes == {"Colour": "White", "Lumen": 800, "Dimmable": True, "Code": "007"}
    page = page_of(staff.get(response["Location"]))
    assert "Created Unicorn Lamp." in page
    assert f'href="/products/{identifier}/"' in page
    assert "Unicorn Lamp" in page_of(staff.get(f"/products/{identifier}/"))


def test_a_form_with_mistakes_names_them_and_keeps_what_was_typed(staff: Client, mouse: str) -> None:
    sent: dict[str, Any] = {
        "sku": "MOUSE-9",
        "name": HOSTILE,
        "category": "",
        "price": "cheap",
        "stock": "many",
        "popularity": "-1",
    }
    sent |= {"currency": "euros", "image_url": "javascript:alert(1)", "brand": "", "product_type": ""}
    sent |= {"description": HOSTILE, "attribute_name": [HOSTILE[:70]], "attribute_value": [HOSTILE]}
    response = staff.post("/staff/products/new/", sent)
    page = page_of(response)
    assert response.status_code == 400
    for name in ("category", "price", "stock", "popularity", "currency", "image_url"):
        assert f'id="problem-{name}"' in page, name
        assert f'href="#field-{name}"' in page
    assert "<script>alert" not in page
    kept = shown_form(response)
    assert kept["name"] == " ".join(HOSTILE.split())
    assert kept["price"] == "cheap"
    assert kept["description"] == HOSTILE
    assert kept["attribute_value"][0] == " ".join(HOSTILE.split())


def test_a_sku_that_is_taken_is_named(staff: Client, mouse: str) -> None:
    response = staff.post("/staff/products/new/", {**form_of(mouse), "version": "0"})
    assert response.status_code == 400
    assert "belongs to another product" in page_of(response)


def test_a_saved_change_shows_in_the_shop_at_once(staff: Client, mouse: str) -> None:
    assert "€29.99" in page_of(staff.get(f"/products/{mouse}/"))
    response = staff.post(f"/staff/products/{mouse}/", form_of(mouse, price="19.5", stock="0"))
    assert response.status_code == 302
    assert "Saved: price, stock." in page_of(staff.get(response["Location"]))
    page = page_of(staff.get(f"/products/{mouse}/"))
    assert "€19.50" in page
    assert "Out of stock" in page
    assert staff.get(f"/api/products/{mouse}").json()["data"]["stock"] == 0


def test_a_form_that_is_sent_back_as_it_is_changes_nothing(staff: Client, products_db: Any) -> None:
    odd = {
        "name": HOSTILE,
        "description": "\n\nFirst line empty\n last ends with spaces  \n",
        "category_path": ("A > B", "C"),
        "attributes": {
            "Text": "4000",
            "Number": 4000,
            "Float": 0.1,
            "Truth": True,
            "Lines": "a\nb",
            "Blank": "",
            "  x  ": 1,
        },
        "price": 10**12,
        "currency": "KWD",
        "stock": 2**31 - 1,
    }
    [identifier] = store(draft("  ODD  \t", **odd))
    before = products_db[PRODUCTS].find_one({"_id": ObjectId(identifier)})
    response = staff.post(f"/staff/products/{identifier}/", shown_form(staff.get(f"/staff/products/{identifier}/")))
    assert response.status_code == 302
    assert "Nothing was changed." in page_of(staff.get(response["Location"]))
    assert products_db[PRODUCTS].find_one({"_id": ObjectId(identifier)}) == before


def test_attributes_keep_their_types_when_their_values_change(staff: Client, products_db: Any) -> None:
    [identifier] = store(draft("A", attributes={"Text": "4000", "Number": 4000, "Truth": True, "Gone": "x"}))
    sent = form_of(identifier) | {
        "attribute_name": ["Number", "Text", "Truth", "Gone", "New"],
        "attribute_value": ["5000", "6000", "No", "", "1.5"],
    }
    staff.post(f"/staff/products/{identifier}/", sent)
    attributes = get_stored_product(identifier).attributes
    assert attributes == {"Number": 5000, "Text": "6000", "Truth": False, "New": 1.5}
    assert list(attributes) == ["Number", "Text", "Truth", "New"]


@pytest.mark.parametrize(
    ("names", "values"), [(["A", "A"], ["1", "2"]), ([""], ["x"]), (["a.b"], ["1"]), (["$x"], ["1"])]
)
def test_wrong_attributes_are_named(staff: Client, mouse: str, names: list[str], values: list[str]) -> None:
    sent = form_of(mouse) | {"attribute_name": names, "attribute_value": values}
    response = staff.post(f"/staff/products/{mouse}/", sent)
    assert response.status_code == 400
    assert 'id="problem-attributes"' in page_of(response)


def test_a_product_with_all_the_attributes_it_may_have_can_be_saved(staff: Client, products_db: Any) -> None:
    [identifier] = store(draft("A", attributes={f"Feature {number}": number for number in range(400)}))
    sent = shown_form(staff.get(f"/staff/products/{identifier}/")) | {"stock": "3"}
    assert staff.post(f"/staff/products/{identifier}/", sent).status_code == 302
    assert get_stored_product(identifier).stock == 3


def test_rows_and_the_picture_are_added_without_javascript_and_with_it(staff: Client, mouse: str) -> None:
    path = f"/staff/products/{mouse}/"
    sent = form_of(mouse, name="Half typed", brand="Acme", product_type="Lamp", price="x")
    for action in ("rows", "picture"):
        whole = staff.post(path, sent | {"action": action})
        assert whole.status_code == 200
        assert shown_form(whole)["name"] == "Half typed"
        part = staff.post(path, sent | {"action": action}, headers={"hx-request": "true"})
        assert "<html" not in page_of(part)
    more = shown_form(staff.post(path, sent | {"action": "rows"}))
    assert len(more["attribute_name"]) == 2 + 5
    assert "/pictures/lamp/acme.svg" in page_of(staff.post(path, sent | {"action": "picture"}))
    assert get_stored_product(mouse).version == 1


# --- Conflicts and failures --------------------------------------------------------------------------------


def test_a_conflict_shows_both_versions_and_lets_the_editor_choose(staff: Client, mouse: str) -> None:
    mine = form_of(mouse, name=HOSTILE, price="1.00") | {"attribute_name": ["Colour"], "attribute_value": ["Green"]}
    change_product(product_id=mouse, expected_version=1, changes={"price": 777, "stock": 5})
    response = staff.post(f"/staff/products/{mouse}/", mine)
    page = page_of(response)
    assert response.status_code == 409
    assert "<script>alert" not in page
    for text in ("7.77", "1.00", "Colour: Green", "version 1", "Version 2"):
        assert text in page
    assert page.count('class="is-different"') == 4, "name, price, stock, details"
    assert get_stored_product(mouse).version == 2
    over = staff.post(f"/staff/products/{mouse}/", shown_form(response))
    assert over.status_code == 302
    after = get_stored_product(mouse)
    assert (after.version, after.price, after.stock, after.attributes) == (3, 100, 10, {"Colour": "Green"})
    assert after.name == " ".join(HOSTILE.split())


def test_overwriting_is_a_conflict_too_when_the_product_has_moved_on_again(staff: Client, mouse: str) -> None:
    mine = form_of(mouse, price="1.00")
    change_product(product_id=mouse, expected_version=1, changes={"price": 777})
    first = staff.post(f"/staff/products/{mouse}/", mine)
    change_product(product_id=mouse, expected_version=2, changes={"price": 888})
    second = staff.post(f"/staff/products/{mouse}/", shown_form(first))
    assert second.status_code == 409
    assert "8.88" in page_of(second)
    assert get_stored_product(mouse).price == 888


def test_a_product_leaves_the_shop_after_a_question_and_comes_back(staff: Client, mouse: str) -> None:
    path = f"/staff/products/{mouse}/status/"
    assert "out of the shop?" in page_of(staff.get(path))
    assert get_stored_product(mouse).active, "asking changes nothing"
    response = staff.post(path, {"version": "1", "action": "deactivate"})
    assert "is out of the shop" in page_of(staff.get(response["Location"]))
    assert staff.get(f"/products/{mouse}/").status_code == 404
    assert "back into the shop?" in page_of(staff.get(path))
    stale = staff.post(path, {"version": "1", "action": "reactivate"})
    assert stale.status_code == 409
    assert 'value="2"' in page_of(stale)
    staff.post(path, {"version": "2", "action": "reactivate"})
    assert staff.get(f"/products/{mouse}/").status_code == 200


@pytest.mark.parametrize("identifier", ["0" * 24, "x", "%00"])
def test_a_product_that_does_not_exist_is_404(staff: Client, products_db: Any, identifier: str) -> None:
    for path in PATHS[2:]:
        assert staff.get(path.format(id=identifier)).status_code == 404
        assert staff.post(path.format(id=identifier), {"version": "1"}).status_code == 404


@pytest.mark.parametrize("error", [NotAcknowledged("timed out"), CatalogUnavailable("away")])
def test_what_was_typed_survives_a_mongodb_that_does_not_answer(
    staff: Client, mouse: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(**_: Any) -> None:
        raise error

    for name, path in (("change_product", f"/staff/products/{mouse}/"), ("create_product", "/staff/products/new/")):
        monkeypatch.setattr(f"catalog.views.staff.{name}", fails)
        response = staff.post(path, form_of(mouse, name="Long work", sku="X"[: path.count("new")] or "MOUSE-1"))
        assert response.status_code == 503
        assert shown_form(response)["name"] == "Long work"


@pytest.mark.parametrize("version", ["", "x", "-1", "1e9", "9" * 30, "٣"])
def test_a_version_that_is_none_is_a_conflict(staff: Client, mouse: str, version: str) -> None:
    assert staff.post(f"/staff/products/{mouse}/", form_of(mouse, stock="1", version=version)).status_code == 409
    assert get_stored_product(mouse).version == 1


def test_a_form_without_its_fields_changes_nothing(staff: Client, mouse: str) -> None:
    assert staff.post(f"/staff/products/{mouse}/", {"version": "1"}).status_code == 400
    assert set(TEXT_FIELDS) <= set(form_of(mouse))
    assert get_stored_product(mouse).version == 1
