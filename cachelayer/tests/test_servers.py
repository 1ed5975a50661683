"""Addresses of Redis: every form, and one line for those that have none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachelayer.server.addresses import Kind, RedisUrlError, cache_settings, parse_redis_url


@pytest.mark.parametrize("url", ["redis://h:1/3", "rediss://u:p@h", "unix:///run/redis.sock?db=3", "redis://[::1]:7/0"])
def test_one_server_is_told_as_redis_py_knows_it(url: str) -> None:
    servers = parse_redis_url(url)
    assert servers.kind is Kind.SINGLE
    assert cache_settings(url, timeout_seconds=0.05, key_prefix="p")["LOCATION"] == url


def test_sentinels_are_told_with_their_service_and_what_both_of_them_ask_for() -> None:
    url = "rediss+sentinel://me:p%40%2Fs%2Cs@first:1,[::1]:2,third/Shop/4?sentinel_password=x%26y&ssl_ca_certs=/ca.pem"
    servers = parse_redis_url(url)
    assert servers.kind is Kind.SENTINEL
    assert servers.addresses == (("first", 1), ("::1", 2), ("third", 26379))
    assert (servers.service, servers.database) == ("Shop", 4)
    assert (servers.username, servers.password, servers.sentinel_password) == ("me", "p@/s,s", "x&y")
    assert servers.security() == {"ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert cache_settings(url, timeout_seconds=0.05, key_prefix="p")["LOCATION"] == [url]


def test_a_cluster_is_told_by_some_of_its_nodes() -> None:
    servers = parse_redis_url("redis+cluster://:secret@one:7000,two")
    assert servers.kind is Kind.CLUSTER
    assert servers.addresses == (("one", 7000), ("two", 6379))
    assert (servers.username, servers.password, servers.security()) == (None, "secret", {})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://host", "redis\\+cluster://"),
        ("redis+cluster+sentinel://host", "redis\\+cluster://"),
        ("redis+sentinel://:secret@host:26379", "SERVICE"),
        ("redis+sentinel://:secret@host:26379/shop/x", "SERVICE/DATABASE"),
        ("redis+sentinel://:secret@host:26379/shop/0/1", "SERVICE/DATABASE"),
        ("redis+sentinel://:secret@host:0/shop", "hosts"),
        ("redis+sentinel://:secret@host:99999/shop", "hosts"),
        ("redis+sentinel://:secret@one,,two/shop", "hosts"),
        ("redis+sentinel:///shop", "hosts"),
        ("redis+cluster://:secret@host/1", "database 0"),
        ("redis+cluster://:secret@host?ssl_ca_certs=/x", "rediss"),
        ("rediss+cluster://:secret@host?ssl_cert_reqs=secret", "'ssl_cert_reqs'"),
        ("redis+cluster://:secret@host?sentinel_password=secret", "'sentinel_password'"),
        ("redis+cluster://:sec/ret@host", "database 0"),
        ("redis://:secret@host:port/0", "cannot be read"),
    ],
)
def test_what_has_none_of_the_forms_is_refused_with_the_reason_and_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(RedisUrlError, match=reason) as caught:
        parse_redis_url(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_no_text_is_worse_than_refused(text: str) -> None:
    for url in (text, f"redis+sentinel://{text}", f"redis+cluster://{text}", f"redis://{text}"):
        try:
            assert parse_redis_url(url).url == url
        except RedisUrlError:
            continue
