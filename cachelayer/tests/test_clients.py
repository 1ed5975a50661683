"""Who is asking: forged headers, proxies, both address families."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from cachelayer.web.clients import client_address


def asked_from(peer: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return client_address(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer))


def test_without_trusted_proxies_a_forwarded_header_is_ignored(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = []
    assert asked_from("203.0.113.9", "1.2.3.4") == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.5", "198.51.100.7"),
        ("garbage, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, garbage", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_behind_trusted_proxies_the_first_hop_that_is_not_one_counts(
    settings: Settings, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert asked_from("10.0.0.1", forwarded) == expected


def test_two_clients_behind_one_proxy_are_told_apart(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.1"]
    assert asked_from("10.0.0.1", "198.51.100.7") != asked_from("10.0.0.1", "198.51.100.8")


@given(forwarded=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=300))
def test_any_forwarded_header_gives_some_address(forwarded: str) -> None:
    from django.test import override_settings

    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"]):
        assert asked_from("10.0.0.1", forwarded)
