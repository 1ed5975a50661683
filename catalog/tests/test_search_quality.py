"""What search makes of words: units and codes, spelling, beginnings, synonyms, words left out, reasons."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.test import Client

from catalog.evaluation.metrics import measure, ndcg_at_k, recall_at_k, reciprocal_rank
from catalog.evaluation.typos import measure_typos, with_one_edit
from catalog.search.cursor import decode_cursor
from catalog.search.request import SearchRequest
from catalog.seeding.catalogue import seed_catalogue
from catalog.services.search import search_products
from catalog.tests.factories import draft, store
from catalog.tests.kept import kept_catalogue
from catalog.vocabulary.building import build_vocabulary
from catalog.vocabulary.store import lexicon
from catalog.vocabulary.synonyms import SYNONYMS, synonym_document

PRODUCTS = (
    draft("SSD", name="Samsung T7 Portable SSD 1 TB", brand="Samsung", product_type="SSD", category_path=("Storage",)),
    draft("NOTE", name='ASUS Notebook 15.6" MX-5300', brand="ASUS", product_type="Notebook", category_path=("PCs",)),
    draft("COVER", name="Keyboard cover", product_type="Keyboard cover", category_path=("Keyboards",), popularity=9),
    draft("KEYS", name="Mechanical keyboard RGB", product_type="Keyboard", category_path=("Keyboards",)),
    draft("HEAD", name="Wireless headphones", product_type="Headphones", category_path=("Audio",), brand="Sony"),
    draft("DRIVE", name="My Passport", brand="Western Digital", product_type="Hard drive", category_path=("Storage",)),
    draft("LAMP", name="Desk lamp", product_type="Lamp", category_path=("Home",), description="Bright and dimmable."),
)


def fill(database: Any) -> None:
    store(*PRODUCTS)
    build_vocabulary(database)


catalogue = kept_catalogue(fill)


def answer(query: str, **fields: Any) -> Any:
    return search_products(request=SearchRequest(query=query, **fields)).value


def first(query: str) -> str:
    data = answer(query)["data"]
    return str(data[0]["sku"]) if data else ""


@pytest.mark.parametrize("query", ["1tb", "1 tb", "1000 gb", "1000gb ssd", "SAMSUNG t7"])
def test_units_of_a_quantity_are_one(catalogue: Any, query: str) -> None:
    assert first(query) == "SSD"
    assert answer(query)["dropped_words"] == []


@pytest.mark.parametrize("query", ["mx-5300", "mx5300", "mx 5300", '15.6"', "15.6 inch", "15.6-inch notebook"])
def test_codes_and_sizes_are_found_in_every_spelling(catalogue: Any, query: str) -> None:
    assert first(query) == "NOTE"
    assert answer(query)["corrected_query"] is None


def test_a_brand_of_two_words_is_found_as_one(catalogue: Any) -> None:
    assert first("westerndigital") == first("western digital drive") == "DRIVE"


@pytest.mark.parametrize(
    ("typed", "meant", "sku"),
    [
        ("keybord", "keyboard", "KEYS"),
        ("haedphones", "headphones", "HEAD"),
        ("wireles headphones", "wireless headphones", "HEAD"),
        ("head phones", "headphones", "HEAD"),
        ("desklamp", "desk lamp", "LAMP"),
    ],
)
def test_a_misspelt_word_is_corrected_and_the_answer_says_so(catalogue: Any, typed: str, meant: str, sku: str) -> None:
    page = answer(typed)
    assert (page["data"][0]["sku"], page["corrected_query"]) == (sku, meant)
    assert answer(typed, as_typed=True)["corrected_query"] is None


@pytest.mark.parametrize("typed", ["mx5301", "9999", "lamp", "rgb", "xyz"])
def test_codes_short_words_and_words_that_exist_are_never_corrected(catalogue: Any, typed: str) -> None:
    assert answer(typed)["corrected_query"] is None


def test_the_beginning_of_the_last_word_is_enough(catalogue: Any) -> None:
    assert first("mechanical keyb") == "KEYS"
    assert first("headp") == "HEAD"
    assert answer("headp")["corrected_query"] is None


def test_the_thing_itself_comes_before_what_belongs_to_it(catalogue: Any) -> None:
    assert [product["sku"] for product in answer("keyboard")["data"]] == ["KEYS", "COVER"]


def test_synonyms_find_both_ways_and_one_way_rules_one_way(catalogue: Any) -> None:
    assert first("laptop") == "NOTE"
    rule = synonym_document(("lantern", "lamp"), one_way=True)
    catalogue[SYNONYMS].insert_one(dict(rule))
    store(draft("LANTERN", name="Camping lantern", product_type="Lantern", category_path=("Outdoor",)))
    build_vocabulary(catalogue)
    assert {product["sku"] for product in answer("lantern")["data"]} == {"LANTERN", "LAMP"}
    assert {product["sku"] for product in answer("lamp")["data"]} == {"LAMP"}


def test_where_nothing_has_all_words_the_least_telling_is_left_out_by_name(catalogue: Any) -> None:
    page = answer("zzqqxxvv keyboard")
    assert page["dropped_words"] == ["zzqqxxvv"]
    assert page["data"][0]["sku"] == "KEYS"
    assert page["total"] == 2


def test_all_words_that_no_product_has_are_left_out_at_once(catalogue: Any) -> None:
    unknown = ["qqxx1", "qqxx2", "qqxx3", "qqxx4", "qqxx5", "qqxx6", "qqxx7"]
    page = answer(" ".join([*unknown, "keyboard"]))
    assert {product["sku"] for product in page["data"]} == {"KEYS", "COVER"}
    assert sorted(page["dropped_words"]) == unknown
    assert answer(" ".join(unknown))["data"] == []


def test_words_beyond_the_twelfth_are_left_out_and_named_on_every_page(catalogue: Any, client: Client) -> None:
    words = "red green blue white black brown silver golden purple orange yellow mechanical"
    store(*(draft(f"MANY-{number}", name=f"{words} {number} plug", product_type="Plug") for number in range(25)))
    build_vocabulary(catalogue)
    page = answer(f"{words} sockets plugs")
    assert page["dropped_words"] == ["sockets", "plugs"]
    assert page["matching_all"] == 20
    later = answer(f"{words} sockets plugs", after=decode_cursor(page["next"], sort="relevance"))
    assert (later["count"], later["dropped_words"]) == (5, ["sockets", "plugs"])
    shown = client.get("/search", {"q": f"{words} sockets plugs"}).content.decode()
    assert "Only the first 12 words are looked for. Left out: <s>sockets</s>, <s>plugs</s>" in shown


def test_filters_that_exclude_everything_leave_no_word_out(catalogue: Any) -> None:
    page = answer("mechanical keyboard", brand="sony")
    assert (page["data"], page["dropped_words"]) == ([], [])


def test_few_results_are_followed_by_products_with_some_of_the_words(catalogue: Any) -> None:
    page = answer("mechanical keyboard")
    assert [product["sku"] for product in page["data"]] == ["KEYS", "COVER"]
    assert (page["matching_all"], page["total"]) == (1, 2)


def test_stop_words_are_left_out_but_do_not_empty_a_query(catalogue: Any) -> None:
    assert first("a lamp for the desk") == "LAMP"
    assert answer("a lamp for the desk")["dropped_words"] == []
    assert answer("the of and")["data"] == []
    assert answer("my")["data"][0]["sku"] == "DRIVE"


def test_the_reasons_for_a_place_add_up_to_its_score(catalogue: Any) -> None:
    why = answer("wireles headphones", explain=True)["data"][0]["why"]
    assert [(word["word"], word["by"]) for word in why["words"]] == [
        ("wireless", "corrected"),
        ("headphones", "typed"),
    ]
    assert why["score"] == pytest.approx(sum(why["parts"].values()), abs=0.01)


def test_the_page_says_what_was_corrected_left_out_and_why(catalogue: Any, client: Client) -> None:
    corrected = client.get("/search?q=keybord").content.decode()
    assert "Showing results for <strong>keyboard</strong>" in corrected
    assert 'href="/search?q=keybord&amp;as_typed=true"' in corrected
    dropped = client.get("/search?q=zzqqxxvv+keyboard").content.decode()
    assert "<s>zzqqxxvv</s>" in dropped
    explained = client.get("/search?q=keyboard&explain=true").content.decode()
    assert "in its name" in explained
    assert "Products with some of your words" in client.get("/search?q=mechanical+keyboard").content.decode()


HOSTILE = (
    " ".join(f"word{number}" for number in range(100))[:100],
    "x" * 100,
    "!!! ... ???",
    "the of and",
    "شاشة عربية",
    "👩‍👩‍👧 🎧",
    ".* (a+)+$",
    '{"$gt": ""}',
    "kind:keyboard any: brand:sony",
    "a+b keyboard+cover",
    "\u202e keyboard",
    "'; DROP TABLE products; --",
    "- - -",
    "1e309 nan inf -1",
)


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_queries_get_an_ordinary_answer(catalogue: Any, client: Client, query: str) -> None:
    response = client.get("/api/search", {"query": query})
    assert response.status_code in (200, 400)
    assert client.get("/search", {"q": query}).status_code in (200, 400)
    if response.status_code == 200:
        assert response.json()["complete"] is True


@pytest.mark.parametrize("query", ["a" * 1_000_000, "key\x00board"], ids=["a megabyte", "NUL"])
def test_queries_that_are_too_long_or_hold_nul_are_refused(catalogue: Any, client: Client, query: str) -> None:
    assert client.get("/api/search", {"query": query}).status_code == 400


def test_typing_errors_hardly_matter_in_the_seeded_catalogue(products_db: Any) -> None:
    seed_catalogue(database=products_db, uri="", count=1_000, processes=1)
    report = measure_typos(queries=60, seed=3)
    assert report.queries == 60
    assert report.found >= 0.9
    assert report.clean_changed == 0


def test_an_edit_changes_one_word_of_letters() -> None:
    chance = random.Random(1)
    for _ in range(200):
        edited = with_one_edit(chance, "mx5300 keyboard")
        assert edited is None or (edited.startswith("mx5300 ") and edited != "mx5300 keyboard")
    assert with_one_edit(chance, "tv 42") is None


def test_metrics_can_be_checked_by_hand() -> None:
    grades = {"a": 3, "b": 0, "c": 1}
    assert ndcg_at_k(["a", "c"], grades) == 1.0
    assert ndcg_at_k(["b", "a", "c"], grades) == pytest.approx((3 / 1.585 + 1 / 2) / (3 + 1 / 1.585), abs=1e-3)
    assert reciprocal_rank(["x", "b", "c"], grades) == pytest.approx(1 / 3)
    assert recall_at_k(["c"], grades) == 0.5
    metrics = measure({"q": ["a", "c"], "none": []}, {"q": grades, "none": {"z": 0}})
    assert (metrics.queries, metrics.ndcg, metrics.nothing_found) == (1, 1.0, 0.5)


def test_the_lexicon_forgets_nothing_that_is_stored(catalogue: Any) -> None:
    assert lexicon.stats(["keyboard"])["keyboard"].strong == 2
    lexicon.forget()
    assert lexicon.stats(["keyboard"])["keyboard"].strong == 2


def test_a_misspelling_that_products_have_is_corrected_only_where_it_finds_nothing(catalogue: Any) -> None:
    store(*(draft(f"K-{number}", name="Red keyboard", product_type="Keyboard") for number in range(30)))
    store(draft("WRONG", name="Keybord tray", product_type="Tray", category_path=("Office",)))
    build_vocabulary(catalogue)
    assert (first("keybord"), answer("keybord")["corrected_query"]) == ("WRONG", None)
    assert (first("keybord tray"), answer("keybord tray")["corrected_query"]) == ("WRONG", None)
    red = answer("red keybord")
    assert (red["corrected_query"], red["matching_all"]) == ("red keyboard", 20)
    assert answer("red keybord", as_typed=True)["corrected_query"] is None


def test_a_word_of_three_letters_may_lack_one(catalogue: Any) -> None:
    assert (first("dsk lamp"), answer("dsk lamp")["corrected_query"]) == ("LAMP", "desk lamp")


def test_a_synonym_that_names_a_kind_tells_what_was_asked_for(catalogue: Any) -> None:
    store(
        draft("STICKER", name="Laptop sticker", product_type="Sticker", category_path=("Office",)),
        draft("BOOK", name="Acer Aspire", product_type="Notebook", category_path=("PCs",), description="A laptop."),
    )
    build_vocabulary(catalogue)
    found = {
        each["sku"]: each["why"]["parts"]["is what was asked for"] for each in answer("laptop", explain=True)["data"]
    }
    assert found["STICKER"] == 0
    assert found["BOOK"] == found["NOTE"] > 0
