"""The rate limit: atomic under threads, per client, with a TTL on every key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django_redis import get_redis_connection

from cachelayer.web import ratelimit

pytestmark = pytest.mark.usefixtures("one_window")


def test_no_rate_means_no_verdict() -> None:
    assert ratelimit.check("", scope="search", client="a") is None


def test_exactly_the_allowance_passes_when_many_ask_at_once() -> None:
    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(lambda _: ratelimit.check("50/hour", scope="s", client="a"), range(200)))
    assert sum(verdict is not None and verdict.allowed for verdict in verdicts) == 50


def test_clients_and_scopes_are_counted_apart() -> None:
    for scope, client in (("s", "a"), ("s", "b"), ("t", "a")):
        verdict = ratelimit.check("1/hour", scope=scope, client=client)
        assert verdict is not None
        assert verdict.allowed


def test_a_refusal_tells_when_to_come_back() -> None:
    ratelimit.check("1/minute", scope="s", client="a")
    verdict = ratelimit.check("1/minute", scope="s", client="a")
    assert verdict is not None
    assert not verdict.allowed
    assert verdict.headers()["Retry-After"] == "30"
    assert verdict.headers()["RateLimit-Remaining"] == "0"


def test_every_key_of_the_limit_expires() -> None:
    ratelimit.check("5/minute", scope="s", client="a")
    redis_client: Any = get_redis_connection("default")
    keys = list(redis_client.scan_iter(match="speedscale:1:rate:*"))
    assert keys
    assert all(redis_client.ttl(key) > 0 for key in keys)
