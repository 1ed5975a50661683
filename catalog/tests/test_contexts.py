"""What templates are given: prices, stock, highlighted names, addresses."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.contexts.cards import rating_of, stock_state
from catalog.contexts.formatting import format_attribute, format_date, format_minor, format_price, highlighted, plural
from catalog.contexts.links import next_page_url, search_url
from catalog.search.analysis import terms
from catalog.search.request import SearchRequest, Sort, parse_search_request


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1299.0, "EUR", "€1,299.00"),
        (0.5, "USD", "$0.50"),
        (4999.0, "JPY", "¥4,999"),
        (49.9, "CHF", "CHF\u202f49.90"),
        (1.234, "KWD", "KWD\u202f1.234"),
        (0.0, "GBP", "£0.00"),
    ],
)
def test_prices_have_the_symbol_and_the_decimals_of_their_currency(amount: float, currency: str, text: str) -> None:
    assert format_price(amount, currency) == text


@pytest.mark.parametrize(("amount", "text"), [(None, ""), (0, "0"), (4990, "49.90"), (5000, "50"), (5, "0.05")])
def test_amounts_in_fields_look_as_they_are_typed(amount: int | None, text: str) -> None:
    assert format_minor(amount) == text


@pytest.mark.parametrize(
    ("stock", "level", "text"),
    [(0, "out", "Out of stock"), (1, "low", "Only 1 left"), (5, "low", "Only 5 left"), (6, "in", "In stock")],
)
def test_stock_is_told_in_words(stock: int, level: str, text: str) -> None:
    assert (stock_state(stock).level, stock_state(stock).text) == (level, text)


def test_a_product_that_nobody_rated_shows_no_rating() -> None:
    assert rating_of(0.0, 0) is None
    rated = rating_of(4.26, 1)
    assert rated
    assert (rated.half_stars, rated.spoken) == (9, "Rated 4.3 out of 5 by 1 customer")


def test_words_are_marked_in_all_their_forms_and_the_rest_is_escaped() -> None:
    assert highlighted("Mice & <b>mouse</b> pads", terms("mouse")) == (
        "Mice &amp; &lt;b&gt;<mark>mouse</mark>&lt;/b&gt; pads"
    )
    assert highlighted("Gaming chairs", terms("chair game")) == "<mark>Gaming</mark> <mark>chairs</mark>"


@given(text=st.text(max_size=200), query=st.text(max_size=50))
def test_highlighting_changes_nothing_but_adds_marks(text: str, query: str) -> None:
    marked = str(highlighted(text, terms(query)))
    assert unescape(marked.replace("<mark>", "").replace("</mark>", "")).replace("\x00", "\ufffd") == unescape(
        unescape(text.replace("&", "&amp;"))
    ).replace("\x00", "\ufffd")
    assert marked.count("<") == 2 * marked.count("<mark>")


def test_attributes_read_as_words() -> None:
    assert [format_attribute(value) for value in (True, False, 2.50, 3, "Black")] == ["Yes", "No", "2.5", "3", "Black"]


def test_numbers_and_dates_are_humanised() -> None:
    assert plural(1, "product", "products") == "1 product"
    assert plural(1203, "product", "products") == "1,203 products"
    assert format_date("2026-03-04T10:00:00+00:00") == "4 March 2026"


def test_an_address_holds_only_what_was_chosen_in_one_order() -> None:
    assert search_url(SearchRequest()) == "/search"
    wanted = SearchRequest(query="wireless mouse", brand="hp", max_price=4990, in_stock=True, sort=Sort.PRICE_ASC)
    assert search_url(wanted) == "/search?q=wireless+mouse&brand=hp&max_price=49.90&in_stock=true&sort=price_asc"
    assert next_page_url(SearchRequest(), "abc") == "/search?after=abc"


@given(
    query=st.text(max_size=40),
    low=st.one_of(st.none(), st.integers(0, 10_000)),
    extra=st.one_of(st.none(), st.integers(0, 10_000)),
    in_stock=st.booleans(),
    sort=st.sampled_from(Sort),
)
def test_an_address_leads_back_to_the_same_search(
    query: str, low: int | None, extra: int | None, in_stock: bool, sort: Sort
) -> None:
    from urllib.parse import parse_qsl, urlsplit

    high = None if extra is None else (low or 0) + extra
    typed = {
        "q": query.replace("\x00", ""),
        "min_price": format_minor(low),
        "max_price": format_minor(high),
        "in_stock": "true" if in_stock else "",
        "sort": sort.value,
    }
    wanted = parse_search_request(typed, query_field="q", query_required=False)
    address = dict(parse_qsl(urlsplit(search_url(wanted)).query))
    assert parse_search_request(address, query_field="q", query_required=False) == wanted
