"""Parsing of search requests: what is accepted, what is refused, and that the form is canonical."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from catalog.contexts.formatting import format_minor
from catalog.errors import InvalidParameter
from catalog.search.attributes import stored_values, text_of_value
from catalog.search.cursor import Cursor, decode_cursor
from catalog.search.facets import FacetRow, count_prices
from catalog.search.request import SearchRequest, Sort, normalise_query, parse_search_request


def parse(**parameters: str) -> SearchRequest:
    return parse_search_request(parameters, query_field="query", query_required=True)


def test_spelling_variants_of_a_request_share_a_cache_key() -> None:
    first = parse(query="  Wireless   MOUSE ", category="Home Office", brand="LOGITECH", min_price="10,50")
    second = parse(query="wireless mouse", category="home-office", brand="logitech", min_price="10.5")
    assert first == second
    assert first.cache_key() == second.cache_key()


def test_a_short_plain_query_has_a_readable_key() -> None:
    assert parse(query="Gaming").cache_key() == "search:gaming"


@pytest.mark.parametrize(
    "other",
    [
        {"category": "audio"},
        {"brand": "sony"},
        {"min_price": "1"},
        {"max_price": "1"},
        {"in_stock": "1"},
        {"sort": "rating"},
    ],
)
def test_every_filter_and_the_sort_are_part_of_the_key(other: dict[str, str]) -> None:
    assert parse(query="gaming", **other).cache_key() != parse(query="gaming").cache_key()


def test_a_query_cannot_imitate_the_key_of_a_filtered_search() -> None:
    imitation = parse(query="gaming|category=audio")
    assert imitation.cache_key() != parse(query="gaming", category="audio").cache_key()


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": "   "}, "query"),
        ({"query": "x" * 101}, "query"),
        ({"query": "a\x00b"}, "query"),
        ({"query": "a", "min_price": "cheap"}, "min_price"),
        ({"query": "a", "min_price": "-1"}, "min_price"),
        ({"query": "a", "max_price": "1e400"}, "max_price"),
        ({"query": "a", "max_price": "NaN"}, "max_price"),
        ({"query": "a", "max_price": "Infinity"}, "max_price"),
        ({"query": "a", "max_price": "9" * 5000}, "max_price"),
        ({"query": "a", "min_price": "5", "max_price": "4"}, "min_price"),
        ({"query": "a", "sort": "random"}, "sort"),
        ({"query": "a", "in_stock": "maybe"}, "in_stock"),
        ({"query": "a", "category": "c" * 201}, "category"),
        ({"query": "a", "brand": "b" * 201}, "brand"),
        ({"query": "a", "after": "AAAA"}, "after"),
        ({"query": "a", "after": "x" * 3000}, "after"),
        ({"query": "a", "after": "ü"}, "after"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_field(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse(**parameters)
    assert refused.value.field == field
    assert refused.value.reason


def test_a_cursor_of_another_sort_is_refused() -> None:
    cursor = Cursor(sort="rating", key=5, seen=("0" * 24,), total=40, total_relation="eq").encoded()
    with pytest.raises(InvalidParameter, match="another sort"):
        parse(query="a", after=cursor, sort="newest")


@given(
    sort=st.sampled_from([sort.value for sort in Sort]),
    key=st.integers(0, 2**63 - 1),
    seen=st.lists(st.from_regex(r"[0-9a-f]{24}", fullmatch=True), min_size=1, max_size=20),
    total=st.integers(0, 10_000),
    relation=st.sampled_from(["eq", "gte"]),
)
def test_a_cursor_survives_the_journey_to_the_client(
    sort: str, key: int, seen: list[str], total: int, relation: str
) -> None:
    cursor = Cursor(sort=sort, key=key, seen=tuple(seen), total=total, total_relation=relation)
    assert decode_cursor(cursor.encoded(), sort=sort) == cursor


@given(st.text(max_size=300))
def test_any_text_as_cursor_is_a_cursor_or_a_named_error(text: str) -> None:
    try:
        decode_cursor(text, sort="relevance")
    except InvalidParameter as refused:
        assert refused.field == "after"


@given(
    st.dictionaries(
        st.sampled_from(["query", "category", "brand", "min_price", "max_price", "in_stock", "sort", "after", "x"]),
        st.text(max_size=120),
    )
)
def test_any_parameters_are_a_request_or_a_named_error(parameters: dict[str, str]) -> None:
    try:
        request = parse_search_request(parameters, query_field="query", query_required=False)
    except InvalidParameter as refused:
        assert refused.field in parameters
        return
    assert len(request.cache_key()) <= 70
    assert request.cache_key().isascii()


@given(st.text(max_size=100))
def test_normalising_a_query_twice_changes_nothing(text: str) -> None:
    try:
        once = normalise_query(text)
        assert normalise_query(once) == once
    except InvalidParameter:
        assert "\x00" in text or len(text) <= 100


@pytest.mark.parametrize(
    ("currency", "typed", "minor", "shown"),
    [("EUR", "10,5", 1050, "10.50"), ("JPY", "4999", 4999, "4999"), ("KWD", "1.25", 1250, "1.250")],
)
def test_prices_are_typed_in_the_shops_currency(
    settings: Settings, currency: str, typed: str, minor: int, shown: str
) -> None:
    settings.CURRENCY = currency
    assert parse(query="mouse", min_price=typed).min_price == minor
    assert format_minor(minor) == shown


def test_price_bands_are_round_in_the_shops_currency(settings: Settings) -> None:
    prices = (120, 900, 1500, 2200, 4800, 9900, 12_000)
    rows = [FacetRow(brand="", category_path=(), price=price, rating=0.0, stock=1, attributes={}) for price in prices]
    settings.CURRENCY = "JPY"
    yen = [band.key for band in count_prices(rows)]
    settings.CURRENCY = "EUR"
    euros = [band.key for band in count_prices(rows)]
    assert yen[-1] == "5000-"
    assert euros[-1] == "50-"


def test_attributes_are_read_from_repeated_parameters() -> None:
    typed = QueryDict("query=laptop&attr.Colour=Red&attr.Colour=Black&attr.Screen=15.6&attr.Size=")
    request = parse_search_request(typed, query_field="query", query_required=True)
    assert request.attributes == (("Colour", ("Black", "Red")), ("Screen", ("15.6",)))
    assert request.cache_key() != replace(request, attributes=()).cache_key()
    assert request.with_attribute("Screen", ()).attributes == (("Colour", ("Black", "Red")),)


@pytest.mark.parametrize(
    "parameters",
    [
        {"attr.": "x"},
        {"attr.$where": "x"},
        {"attr.a.b": "x"},
        {"attr.Colour": "x" * 61},
        {"attr.Colour": "a\nb"},
        {f"attr.{number}": "x" for number in range(6)},
    ],
)
def test_attributes_that_cannot_be_filtered_by_are_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        parse(query="laptop", **parameters)


def test_values_of_attributes_are_stored_and_written_alike() -> None:
    for value in (True, False, 15.6, 17, "17", "Black", "true"):
        text = text_of_value(value)
        assert text is not None
        assert any((stored == value and type(stored) is not bool) or stored is value for stored in stored_values(text))
    assert text_of_value("x" * 61) is None
    assert text_of_value(" padded") is None
