"""The pages on which staff looks after search: who may, what they show, and that nothing hostile gets through."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from cachelayer import engine
from catalog.curations import list_curations
from catalog.documents import object_id_of
from catalog.errors import NotAcknowledged
from catalog.search.request import SearchRequest
from catalog.services.trending import counted_searches, record_choice, record_search
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.tests.test_watching import wait_for
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.synonym_sets import create_synonyms, list_synonyms
from catalog.vocabulary.synonyms import SYNONYMS

pytestmark = pytest.mark.django_db

HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /c calc'!a1",
    "\u202eelpmaxe",
    "شاشة",
    "{{ 7|add:7 }}",
    "$where",
    "'; --",
]
PATHS = [
    "/staff/searches/",
    "/staff/searches/nothing/",
    "/staff/searches/searches.csv",
    "/staff/searches/nothing.csv",
    "/staff/synonyms/",
    "/staff/synonyms/new/",
    "/staff/synonyms/edit/?set=laptop+%3D+notebook",
    "/staff/pins/",
    "/staff/pins/edit/?q=mouse",
]
HTMX = {"HX-Request": "true", "HX-Target": "pin-form"}


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create(username="editor", is_staff=True))
    return client


def fill(database: Any) -> None:
    store(
        *(draft(f"M{number}", name=f"Wireless Mouse {number}", popularity=50 - number) for number in range(12)),
        draft("PAD", name="Desk Pad", product_type="Pad", category_path=("Office", "Pads")),
    )
    build_vocabulary(database)
    database[SYNONYMS].delete_many({})
    create_synonyms(phrases=["laptop", "notebook"], one_way=False, by="first")


shop = kept_catalogue(fill)


def id_of(sku: str) -> str:
    return str(object_id_of(sku))


def page_of(response: Any) -> str:
    return str(response.content.decode())


def search(query: str, clients: int = 1, *, found: bool = True) -> None:
    for number in range(clients):
        record_search(request=SearchRequest(query=query), total=int(found), client=f"10.0.0.{number}")


def table_of(response: Any) -> list[list[str]]:
    return list(csv.reader(StringIO(page_of(response))))


# --- Who may -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PATHS, "/staff/searches/forget/"])
def test_strangers_sign_in_and_shoppers_are_refused(shop: Any, client: Client, path: str) -> None:
    search("mouse")
    form = {"action": "delete", "version": "1", "query": "mouse", "pin": id_of("PAD")}
    for answer in (client.get(path), client.post(path, form)):
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/?next=/staff/")
    client.force_login(User.objects.create(username="shopper"))
    assert {client.get(path).status_code, client.post(path, form).status_code} <= {403, 405}
    assert (len(list_synonyms()), list_curations(), len(counted_searches() or ())) == (1, [], 1)


@pytest.mark.parametrize("path", PATHS)
def test_staff_may_and_no_cache_keeps_it(shop: Any, staff: Client, path: str) -> None:
    answer = staff.get(path)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/staff/searches/forget/", "/staff/synonyms/new/", "/staff/pins/edit/?q=mouse"])
def test_a_forged_form_is_refused(shop: Any, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create(username="editor", is_staff=True))
    form = {"phrases": "a b\nc d", "query": "mouse", "action": "save", "version": "0", "pin": id_of("PAD")}
    assert browser.post(path, form).status_code == 403
    assert list_curations() == []


# --- Searches ----------------------------------------------------------------------------------------------


def test_popular_searches_tell_clicks_and_places_and_lead_on(shop: Any, staff: Client) -> None:
    search("mouse", 4)
    search("pad", 2)
    record_choice(query="mouse", place="3", client="10.0.0.1")
    page = page_of(staff.get("/staff/searches/"))
    row = page[page.index("<bdi>mouse</bdi>") : page.index("<bdi>pad</bdi>")]
    assert re.findall(r'data-label="(?:Searches|Clicked|Mean place)">([^<]+)<', row) == ["4", "25%", "3.0"]
    assert 'href="/staff/synonyms/new/?phrase=mouse"' in row
    assert 'href="/staff/pins/edit/?q=mouse"' in row
    assert table_of(staff.get("/staff/searches/searches.csv")) == [
        ["query", "searches", "click_through", "mean_position"],
        ["mouse", "4.00", "0.2500", "3.00"],
        ["pad", "2.00", "0.0000", ""],
    ]


def test_searches_without_a_result_tell_what_was_tried(shop: Any, staff: Client, client: Client) -> None:
    search("wireles zyxwvut", found=False)
    page = page_of(staff.get("/staff/searches/nothing/"))
    assert "1 word that no product has: zyxwvut" in page
    assert "Spellings tried: wireless" in page
    assert "Left out in turn: zyxwvut" in page
    table = table_of(staff.get("/staff/searches/nothing.csv"))
    assert table[1][0] == "wireles zyxwvut"
    assert table[1][4] == "zyxwvut"
    assert "zyxwvut" not in page_of(staff.get("/staff/searches/"))


def test_a_removed_query_is_gone_from_counts_and_from_what_shoppers_see(shop: Any, staff: Client) -> None:
    search("anna smith", 5)
    assert Client().get("/api/trending").json()["data"] == ["anna smith"]
    for beginning in ("an", "anna sm", "smi"):
        assert suggested(beginning) == ["anna smith"]
    staff.post("/staff/searches/forget/", {"query": "anna smith"})
    assert counted_searches() == ()
    assert Client().get("/api/trending").json()["data"] == []
    wait_for(lambda: [suggested(beginning) for beginning in ("an", "anna sm", "smi")] == [[], [], []])


def suggested(beginning: str) -> list[str]:
    return [each["text"] for each in Client().get("/api/suggest", {"q": beginning}).json()["data"]]


def test_long_lists_have_pages(shop: Any, staff: Client) -> None:
    for number in range(30):
        search(f"query {number:02}")
    first = page_of(staff.get("/staff/searches/"))
    assert (first.count("<bdi>"), "1 to 25 of 30" in first) == (25, True)
    for later in ("2", "999999"):
        assert "26 to 30 of 30" in page_of(staff.get(f"/staff/searches/?page={later}"))
    for nonsense in ("0", "-1", "x", "9" * 400, "\u0663"):
        assert "1 to 25 of 30" in page_of(staff.get("/staff/searches/", {"page": nonsense}))


def test_without_redis_the_lists_say_so(shop: Any, staff: Client, settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    engine.reset()
    for path in ("/staff/searches/", "/staff/searches/nothing/"):
        assert "Redis does not answer" in page_of(staff.get(path))
    for path in ("/staff/searches/searches.csv", "/staff/searches/nothing.csv"):
        assert len(table_of(staff.get(path))) == 1


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_are_shown_as_text(shop: Any, staff: Client, query: str) -> None:
    assert Client().get("/search", {"q": query}).status_code == 200
    for path in PATHS[:2]:
        page = page_of(staff.get(path))
        assert "<script>alert" not in page
        assert "14</bdi>" not in page
    table = [*table_of(staff.get(PATHS[2])), *table_of(staff.get(PATHS[3]))]
    assert len(table) == 3, "the query is in one of both lists"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in table for cell in row)
    for path in ("/staff/pins/edit/", "/staff/synonyms/new/"):
        answer = staff.get(path, {"q": query, "phrase": query})
        assert answer.status_code == 200
        assert "<script>alert" not in page_of(answer)


@pytest.mark.parametrize("query", ["mouse\x00", "x" * 101, "y" * 1_000_000])
def test_queries_that_cannot_be_searched_for_are_told_so(shop: Any, staff: Client, query: str) -> None:
    assert Client().get("/search", {"q": query}).status_code == 400
    assert counted_searches() == ()
    assert staff.get("/staff/pins/edit/", {"q": query}).status_code == 400
    assert staff.post("/staff/searches/forget/", {"query": query[:1000]}).status_code == 302


# --- Synonyms ----------------------------------------------------------------------------------------------


def test_a_query_becomes_a_synonym(shop: Any, staff: Client) -> None:
    page = page_of(staff.get("/staff/synonyms/new/?phrase=hovercraft"))
    assert re.search(r"<textarea[^>]*>\nhovercraft</textarea>", page)
    answer = staff.post("/staff/synonyms/new/", {"phrases": "hovercraft\r\nmouse\r\n", "direction": "one_way"})
    assert answer["Location"] == "/staff/synonyms/"
    wait_for(lambda: Client().get("/api/search?query=hovercraft").json()["total"] == 12)
    listed = page_of(staff.get("/staff/synonyms/"))
    assert "Saved" in listed
    assert "→ one way" in listed


def test_what_is_wrong_with_synonyms_is_said_and_what_was_typed_stays(shop: Any, staff: Client) -> None:
    for form in ({"phrases": "laptop"}, {"phrases": "notebook\nlaptop"}, {}, {"phrases": "a\x00b\nc"}):
        answer = staff.post("/staff/synonyms/new/", form)
        assert answer.status_code == 400
        assert 'id="problem-phrases"' in page_of(answer)
    assert staff.post("/staff/synonyms/new/", {"phrases": "<b>\nlaptop"}).status_code == 302
    hostile = staff.post("/staff/synonyms/new/", {"phrases": "</textarea><script>alert(1)</script>"})
    assert "<script>alert" not in page_of(hostile)


def test_synonyms_are_changed_and_removed_by_who_has_seen_the_last_version(shop: Any, staff: Client) -> None:
    url = PATHS[6]
    changed = {"phrases": "laptop\nnotebook\nultrabook", "version": "1", "direction": "two_way"}
    assert staff.post(url, changed).status_code == 302
    slow = staff.post(url, {"phrases": "laptop\nnetbook", "version": "1"})
    assert slow.status_code == 409
    assert "ultrabook" in page_of(slow)
    assert "netbook</textarea>" in page_of(slow)
    assert 'name="version" value="2"' in page_of(slow)
    assert staff.post(url, {"action": "delete", "version": "1"}).status_code == 409
    page = page_of(staff.get(url))
    assert "changed by editor" in page
    assert staff.post(url, {"action": "delete", "version": "2"}).status_code == 302
    assert list_synonyms() == []
    gone = staff.post(url, {"phrases": "laptop\nnetbook", "version": "2"})
    assert gone.status_code == 409
    assert 'action="/staff/synonyms/new/"' in page_of(gone)
    assert staff.get(url).status_code == 404


def test_a_write_that_is_not_acknowledged_loses_nothing(
    shop: Any, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise NotAcknowledged("late")

    monkeypatch.setattr("catalog.views.staff_synonyms.create_synonyms", fail)
    monkeypatch.setattr("catalog.views.staff_pins.decide_curation", fail)
    answer = staff.post("/staff/synonyms/new/", {"phrases": "one thing\nanother"})
    assert answer.status_code == 503
    assert "one thing\nanother" in page_of(answer)
    answer = staff.post("/staff/pins/edit/?q=mouse", {"action": "save", "version": "0", "pin": id_of("PAD")})
    assert answer.status_code == 503
    assert f'name="pin" value="{id_of("PAD")}"' in page_of(answer)


# --- Pins and hides ----------------------------------------------------------------------------------------


def pinned(response: Any) -> list[str]:
    return re.findall(r'type="hidden" name="pin" value="([0-9a-f]{24})"', page_of(response))


def preview(response: Any, which: str) -> list[str]:
    page = page_of(response)
    begin = page.index(f'id="{which}-title"')
    return re.findall(r'<span class="pin-row__name">([^<]+)<', page[begin : page.index("</section>", begin)])


def test_pins_are_tried_out_moved_and_saved(shop: Any, staff: Client) -> None:
    url = "/staff/pins/edit/?q=mouse"
    form: dict[str, Any] = {"version": "0", "words": "desk pad"}
    found = staff.post(url, {**form, "action": "find"})
    assert f'value="pin:{id_of("PAD")}"' in page_of(found)
    tried = staff.post(url, {**form, "pin": [id_of("M5")], "action": f"pin:{id_of('PAD')}"})
    assert pinned(tried) == [id_of("M5"), id_of("PAD")]
    assert preview(tried, "before")[0] == "Wireless Mouse 0"
    assert preview(tried, "after")[:3] == ["Wireless Mouse 5", "Desk Pad", "Wireless Mouse 0"]
    moved = staff.post(url, {**form, "pin": pinned(tried), "action": f"up:{id_of('PAD')}"}, headers=HTMX)
    assert pinned(moved) == [id_of("PAD"), id_of("M5")]
    assert page_of(moved).lstrip().startswith('<form class="pin-form"')
    assert re.search(f'id="unpin-{id_of("PAD")}"[^>]*autofocus', page_of(moved)), "up is gone at the top"
    hidden = staff.post(url, {**form, "pin": pinned(moved), "action": f"hide:{id_of('M0')}"})
    assert "12 products" in page_of(hidden)
    assert list_curations() == [], "nothing is saved by trying out"
    saved = staff.post(url, {**form, "pin": pinned(hidden), "hide": id_of("M0"), "action": "save"})
    assert saved["Location"] == url
    wait_for(
        lambda: (
            [product["sku"] for product in Client().get("/api/search?query=mouse").json()["data"]][:3]
            == ["PAD", "M5", "M1"]
        )
    )
    page = page_of(staff.get(url))
    assert "2 pinned, 1 hidden" in page
    assert "editor" in page
    assert "Shoppers see it at once" in page


def test_the_slower_of_two_editors_sees_what_is_stored(shop: Any, staff: Client) -> None:
    url = "/staff/pins/edit/?q=mouse"
    staff.post(url, {"version": "0", "pin": id_of("PAD"), "action": "save"})
    slow = staff.post(url, {"version": "0", "pin": id_of("M7"), "action": "save"})
    assert slow.status_code == 409
    assert (preview(slow, "before")[0], preview(slow, "after")[0]) == ("Desk Pad", "Wireless Mouse 7")
    assert 'name="version" value="1"' in page_of(slow)
    assert staff.post(url, {"version": "1", "pin": id_of("M7"), "action": "save"}).status_code == 302


@pytest.mark.parametrize(
    "form",
    [
        {"action": "pin:$where"},
        {"action": "explode"},
        {"action": "up:" + "f" * 24},
        {"action": "", "pin": ["nonsense", "\x00", "f" * 24]},
        {"action": "find", "words": "<script>alert(1)</script>"},
        {"action": "find", "words": "\x00"},
        {"version": "9" * 40},
        {"hide": [f"{number:024x}" for number in range(300)]},
    ],
)
def test_nonsense_in_the_form_changes_nothing(shop: Any, staff: Client, form: dict[str, Any]) -> None:
    answer = staff.post("/staff/pins/edit/?q=mouse", form)
    assert answer.status_code == 200
    assert "<script>alert" not in page_of(answer)
    assert list_curations() == []


def test_too_many_are_refused_with_a_reason(shop: Any, staff: Client) -> None:
    many = [f"{number:024x}" for number in range(11)]
    url = f"/staff/pins/edit/?{urlencode({'q': 'mouse'})}"
    answer = staff.post(url, {"pin": many, "action": "save", "version": "0"})
    assert answer.status_code == 400
    assert "Pin at most 10 products; these are 11." in page_of(answer)
    tried = staff.post(url, {"pin": many[:10], "action": f"pin:{many[10]}"})
    assert "At most 10 products can be pinned." in page_of(tried)
    assert len(pinned(tried)) == 10
