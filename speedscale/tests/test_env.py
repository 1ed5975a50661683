from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speedscale.env import Env, EnvError

# What an environment can hold: anything but NUL.
texts = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)


def env(value: str) -> Env:
    return Env({"X": value})


@pytest.mark.parametrize("value", ["1", "true", "TRUE", " yes ", "On"])
def test_words_for_yes_are_true(value: str) -> None:
    assert env(value).boolean("X", default=False) is True


@pytest.mark.parametrize("value", ["0", "false", "No", "off"])
def test_words_for_no_are_false(value: str) -> None:
    assert env(value).boolean("X", default=True) is False


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_value_counts_as_unset(value: str) -> None:
    reader = env(value)
    assert reader.boolean("X", default=True) is True
    assert reader.integer("X", 5, minimum=1, maximum=9) == 5
    assert reader.text("X", "default") == "default"
    assert not reader.is_set("X")


def test_an_empty_rate_turns_the_limit_off() -> None:
    assert env("").rate("X", "60/minute") == ""
    assert Env({}).rate("X", "60/minute") == "60/minute"


@pytest.mark.parametrize("value", ["60/minute", " 60 / MINUTE ", "060/minute"])
def test_a_rate_is_read_however_it_is_spaced(value: str) -> None:
    assert env(value).rate("X", "").lstrip("0") == "60/minute"


@pytest.mark.parametrize("value", ["60", "0/minute", "-1/minute", "60/fortnight", "60/minute/hour", "lots"])
def test_a_wrong_rate_is_refused(value: str) -> None:
    with pytest.raises(EnvError, match="X="):
        env(value).rate("X", "")


@pytest.mark.parametrize("value", ["0", "10", "1.5", "five", "1e3", "0x10"])
def test_a_number_out_of_range_or_of_another_kind_is_refused(value: str) -> None:
    with pytest.raises(EnvError, match="a whole number from 1 to 9"):
        env(value).integer("X", 5, minimum=1, maximum=9)


@pytest.mark.parametrize("value", ["shop.example", ".shop.example", "localhost,127.0.0.1 [::1]", "*"])
def test_hosts_are_read(value: str) -> None:
    assert env(value).hosts("X")


@pytest.mark.parametrize("value", ["https://shop.example", "shop.example/path", "shop.example:8000", "a..b", "sh op;x"])
def test_what_django_would_never_match_as_a_host_is_refused(value: str) -> None:
    with pytest.raises(EnvError, match="host names"):
        env(value).hosts("X")


def test_hosts_of_pictures_may_have_a_port() -> None:
    assert env("img.example:8080").hosts("X", ports=True) == ["img.example:8080"]


@pytest.mark.parametrize("value", ["https://shop.example", "http://localhost:8000", "https://*.shop.example"])
def test_origins_are_read(value: str) -> None:
    assert env(value).origins("X") == [value]


@pytest.mark.parametrize("value", ["shop.example", "ftp://shop.example", "https://", "https://shop.example/", "://x"])
def test_a_wrong_origin_is_refused(value: str) -> None:
    with pytest.raises(EnvError, match="origins such as"):
        env(value).origins("X")


def test_networks_are_brought_into_one_form() -> None:
    assert env("10.1.2.3/8, 127.0.0.1 ::1").networks("X") == ["10.0.0.0/8", "127.0.0.1/32", "::1/128"]


@given(texts)
def test_networks_are_valid_or_refused(value: str) -> None:
    try:
        networks = env(value).networks("X")
    except EnvError:
        return
    assert [str(ipaddress.ip_network(network)) for network in networks] == networks


@pytest.mark.parametrize("value", ["a b", "a/b", "a.b", "$x", "x" * 64, "ä"])
def test_a_name_that_mongodb_refuses_is_refused_first(value: str) -> None:
    with pytest.raises(EnvError, match="a database's name"):
        env(value).database("X", "speedscale")


def test_a_choice_does_not_mind_the_case() -> None:
    assert env("warning").choice("X", "INFO", ("INFO", "WARNING")) == "WARNING"
    with pytest.raises(EnvError, match="one of INFO, WARNING"):
        env("loud").choice("X", "INFO", ("INFO", "WARNING"))


@pytest.mark.parametrize("value", ["user:secret@host", "http://user:secret@host/", "secret"])
def test_a_wrong_address_is_refused_without_showing_its_password(value: str) -> None:
    with pytest.raises(EnvError, match=r"X='\*\*\*'.*mongodb://") as caught:
        env(value).url("X", ("mongodb", "mongodb+srv"))
    assert "secret" not in str(caught.value)


def test_an_address_of_redis_that_cannot_be_used_is_told_without_its_password() -> None:
    with pytest.raises(EnvError, match=r"X='\*\*\*' is not usable.*SERVICE") as caught:
        env("redis+sentinel://:secret@first,second").redis("X")
    assert "secret" not in str(caught.value)
    assert env("").redis("X", "redis://h/1") == "redis://h/1"


def test_a_path_is_absolute_and_knows_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert env("~/data").path("X", Path("other")) == tmp_path / "data"
    assert env("").path("X", Path("other")) == Path("other").resolve()


@given(texts)
def test_whatever_the_value_the_error_is_one_short_line_that_names_the_variable(value: str) -> None:
    reader = env(value)
    for read in (
        lambda: reader.boolean("X", default=False),
        lambda: reader.integer("X", 5, minimum=1, maximum=9),
        lambda: reader.hosts("X"),
        lambda: reader.origins("X"),
        lambda: reader.networks("X"),
        lambda: reader.url("X", ("redis",)),
        lambda: reader.redis("X"),
        lambda: reader.rate("X", ""),
        lambda: reader.database("X", "speedscale"),
        lambda: reader.choice("X", "INFO", ("INFO",)),
    ):
        try:
            read()
        except EnvError as error:
            message = str(error)
            assert message.startswith("X=")
            assert len(message.splitlines()) == 1
            assert len(message) < 500


def test_a_currency_is_three_letters_in_any_case() -> None:
    assert Env({"X": "jpy"}).currency("X", "EUR") == "JPY"
    assert Env({}).currency("X", "EUR") == "EUR"
    with pytest.raises(EnvError, match="ISO 4217"):
        Env({"X": "euro"}).currency("X", "EUR")
