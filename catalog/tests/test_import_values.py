"""Single values: read where there is one reading, refused where there are two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidProduct
from catalog.importing.prices import currency_in, price_from_major, price_from_minor
from catalog.importing.values import (
    Cleaning,
    boolean_of,
    is_empty,
    moment_of,
    number_of,
    text_of,
    whole_number_of,
    without_tags,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("price", "cents"),
    [
        ("49.9", 4990),
        ("49,90", 4990),
        ("49", 4900),
        ("0.05", 5),
        ("0,5", 50),
        ("1.299,00", 129900),
        ("1,299.00", 129900),
        ("1 299,00", 129900),
        ("1\u202f299,00", 129900),
        ("1'299.00", 129900),
        ("1’299.00", 129900),
        ("1.299.000", 129900000),
        ("1,234,567.89", 123456789),
        ("1299.000", 129900),
        ("€49.90", 4990),
        ("49.90 €", 4990),
        ("EUR 49.90", 4990),
        ("49.90eur", 4990),
        ("  49.90  ", 4990),
        (49.9, 4990),
        (49, 4900),
        (1299.0, 129900),
        (0, 0),
    ],
)
def test_prices_with_one_reading_become_cents(price: object, cents: int) -> None:
    assert price_from_major(price, currency="EUR") == cents


@pytest.mark.parametrize(
    ("price", "group", "cents"),
    [("1.299", ".", 129900), ("1,299", ",", 129900), ("12.500", ".", 1250000), ("999,999", ",", 99999900)],
)
def test_a_price_with_two_readings_is_refused_until_the_mark_is_stated(price: str, group: str, cents: int) -> None:
    with pytest.raises(InvalidProduct, match="could be read in two ways"):
        price_from_major(price, currency="EUR")
    assert price_from_major(price, currency="EUR", decimal="," if group == "." else ".") == cents


@pytest.mark.parametrize(
    "price",
    [
        "",
        "free",
        "-5",
        "1e3",
        "1,2,3",
        "1.29.9",
        "1,29,900.00",
        "1.299,000.00",
        "12..5",
        "5.",
        ".5",
        "1.999",
        "49.999",
        "0.001",
        "12 34",
        "€ 5 EUR",
        "£49.90",
        "49.90 USD",
        "0x10",
        "٤٩",
        "9" * 41,
        True,
        None,
        [49],
        1.299,
        float("inf"),
        float("nan"),
        "1000000.001",
    ],
)
def test_what_is_no_price_in_euro_is_refused(price: object) -> None:
    with pytest.raises(InvalidProduct) as caught:
        price_from_major(price, currency="EUR")
    assert caught.value.field == "price"
    assert caught.value.reason


def test_a_stated_decimal_mark_is_the_only_one() -> None:
    assert price_from_major("1.299,5", currency="EUR", decimal=",") == 129950
    for price in ("49.90", "1,299.50"):
        with pytest.raises(InvalidProduct):
            price_from_major(price, currency="EUR", decimal=",")


def test_decimals_follow_the_currency() -> None:
    assert price_from_major("4999", currency="JPY") == 4999
    assert price_from_major("1.250,125", currency="KWD") == 1250125
    with pytest.raises(InvalidProduct, match="more than the 0 decimals of JPY"):
        price_from_major("49.5", currency="JPY")


@pytest.mark.parametrize(("price", "currency"), [("€ 5", "EUR"), ("5 CHF", "CHF"), ("5 chf", "CHF"), ("5 zł", "PLN")])
def test_a_price_can_name_its_currency(price: str, currency: str) -> None:
    assert currency_in(price) == currency


@pytest.mark.parametrize("price", ["$5", "5 kr", "¥5", "£5", "5", 5, "no price"])
def test_a_sign_of_several_currencies_names_none(price: object) -> None:
    assert currency_in(price) == ""


@given(
    st.integers(0, 10**11),
    st.sampled_from([(".", ","), (",", "."), ("", "."), ("", ","), (" ", ","), ("'", "."), ("\u00a0", ",")]),
    st.sampled_from(["{}", "€{}", "{} €", "EUR {}", "{}EUR"]),
)
def test_prices_come_back_from_every_way_to_write_them(cents: int, marks: tuple[str, str], template: str) -> None:
    group, point = marks
    written = f"{cents // 100:,}".replace(",", group) + point + f"{cents % 100:02}"
    assert price_from_major(template.format(written), currency="EUR") == cents


@given(ANYTHING, st.sampled_from(["EUR", "JPY", "KWD"]), st.sampled_from(["", ".", ","]))
def test_any_value_is_a_price_or_refused(value: object, currency: str, decimal: str) -> None:
    try:
        price = price_from_major(value, currency=currency, decimal=decimal)  # type: ignore[arg-type]
    except InvalidProduct as error:
        assert error.field == "price"
    else:
        assert isinstance(price, int)


@pytest.mark.parametrize(("value", "cents"), [(4995, 4995), ("4995", 4995), (" 95 ", 95), (4995.0, 4995), (0, 0)])
def test_prices_in_minor_units_are_whole_numbers(value: object, cents: int) -> None:
    assert price_from_minor(value) == cents


@pytest.mark.parametrize("value", [49.95, "49.95", "€49", True, None, "", "9" * 41, [1], float("inf")])
def test_anything_else_is_no_price_in_minor_units(value: object) -> None:
    with pytest.raises(InvalidProduct):
        price_from_minor(value)


@pytest.mark.parametrize(
    ("value", "number"), [(12, 12), (12.0, 12), ("12", 12), ("12.0", 12), ("12,00", 12), ("-3", -3)]
)
def test_whole_numbers_are_read(value: object, number: int) -> None:
    assert whole_number_of("stock", value) == number


@pytest.mark.parametrize("value", [1.5, "1.5", "1,200", "1.000", "many", "", True, None, "1e3", "9" * 30, float("nan")])
def test_what_is_no_whole_number_for_sure_is_refused(value: object) -> None:
    with pytest.raises(InvalidProduct):
        whole_number_of("stock", value)


@pytest.mark.parametrize(("value", "number"), [("4.5", 4.5), ("4,5", 4.5), ("4", 4), (4.5, 4.5), ("1e3", 1000.0)])
def test_numbers_are_read_with_either_mark(value: object, number: float) -> None:
    assert number_of("rating", value) == number


@pytest.mark.parametrize("value", ["1,200", "x", True, None, float("inf"), float("nan"), "1e999", "1.2.3", [1]])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidProduct):
        number_of("rating", value)


def test_flags_are_read_in_the_usual_words() -> None:
    assert [boolean_of("active", value) for value in (True, "yes", "Y", "TRUE", 1, "1")] == [True] * 6
    assert [boolean_of("active", value) for value in (False, "no", "N", "False", 0, "0")] == [False] * 6
    unclear: list[object] = ["maybe", "", 2, None, 1.0, [True]]
    for value in unclear:
        with pytest.raises(InvalidProduct):
            boolean_of("active", value)


def test_times_are_utc_and_as_exact_as_mongodb_keeps_them() -> None:
    assert moment_of("created_at", "2009-12-10T00:00:00Z") == datetime(2009, 12, 10, tzinfo=UTC)
    assert moment_of("created_at", "2024-05-31") == datetime(2024, 5, 31, tzinfo=UTC)
    assert moment_of("created_at", "2024-05-31T12:00:00.123456+02:00") == datetime(
        2024, 5, 31, 10, 0, 0, 123000, tzinfo=UTC
    )


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])))
def test_any_iso_time_is_read_or_refused(moment: datetime) -> None:
    try:
        found = moment_of("created_at", moment.isoformat())
    except InvalidProduct:
        # Only the very ends of the calendar leave it on the way to UTC.
        assert moment.year in (1, 9999)
    else:
        assert abs(found - moment) < timedelta(milliseconds=1)


@pytest.mark.parametrize("value", ["yesterday", "31.05.2024", "2024-13-01", 1717113600, None, "", "2024" * 20])
def test_what_is_no_iso_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidProduct, match="is not a time such as"):
        moment_of("created_at", value)


def test_text_may_be_a_whole_number_but_not_a_fraction_which_may_have_lost_digits() -> None:
    assert text_of("sku", 4006381333931) == "4006381333931"
    wrong: list[object] = [1.2345678901234568e22, True, None]
    for value in wrong:
        with pytest.raises(InvalidProduct, match="is not text"):
            text_of("sku", value)


def test_text_that_is_nested_says_how_to_reach_into_it() -> None:
    with pytest.raises(InvalidProduct, match=r"images\.0"):
        text_of("image_url", ["https://example.com/a.jpg"])
    with pytest.raises(InvalidProduct, match=r"brand\.name"):
        text_of("brand", {"name": "Logitech"})


def test_html_becomes_text_that_can_be_read() -> None:
    html = '<ul><li>Fast &amp; quiet</li><li>1 &lt; 2</li></ul><!-- hidden --><br/>17" <b>wide</b>'
    assert Cleaning(is_html=True).line("description", html) == 'Fast & quiet 1 < 2 17" wide'
    assert Cleaning().line("description", "a <b>c</b>") == "a <b>c</b>"


def test_replacements_come_first_and_in_order() -> None:
    cleaning = Cleaning(replacements=((r"\n", "\n"), ("®", "")))
    assert cleaning.paragraphs("description", r"Intel®\nCore") == "Intel\nCore"


def test_paragraphs_keep_their_lines_and_lose_other_white_space() -> None:
    assert Cleaning().paragraphs("description", " a \t b\r\n\n\n\n c  \nd ") == "a b\n\nc\nd"
    assert Cleaning().paragraphs("description", ["first", "second"]) == "first\nsecond"


@pytest.mark.parametrize(
    "hostile", ["<!--" * 250_000, "<a" * 500_000, "<" * 1_000_000, "&" * 1_000_000, "<a " * 300_000]
)
def test_hostile_html_takes_no_time(hostile: str) -> None:
    assert len(without_tags(hostile)) <= len(hostile)


@given(ANYTHING)
def test_nothing_breaks_the_cleaning_of_text(value: object) -> None:
    for clean in (Cleaning(is_html=True).line, Cleaning(is_html=True).paragraphs):
        try:
            assert "\t" not in clean("name", value)
        except InvalidProduct as error:
            assert error.reason


def test_what_is_blank_is_empty_and_what_is_zero_or_false_is_not() -> None:
    blank: list[object] = [None, "", " \t", [], {}]
    something: list[object] = [0, 0.0, False, "0", [0], {"a": None}]
    assert all(map(is_empty, blank))
    assert not any(map(is_empty, something))
