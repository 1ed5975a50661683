"""Cache-aside reads on a real Redis."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django_redis import get_redis_connection
from pytest_django import Settings

from cachelayer import engine
from cachelayer.engine import get_or_load, invalidate
from cachelayer.envelope import Envelope
from cachelayer.outcomes import Outcome
from cachelayer.redis import namespaced
from cachelayer.trace import tracing


class Loader:
    """Counts how often it is asked."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return self.value


@pytest.fixture
def redis_client() -> Any:
    return get_redis_connection("default")


def test_a_value_is_loaded_once_then_found_in_l1_then_in_redis() -> None:
    loader = Loader({"name": "Mouse"})
    outcomes = [get_or_load("product:1", ttl_seconds=60, loader=loader).outcome for _ in range(2)]
    engine.clear_local()
    answer = get_or_load("product:1", ttl_seconds=60, loader=loader)
    assert [*outcomes, answer.outcome] == [Outcome.MISS, Outcome.L1_HIT, Outcome.REDIS_HIT]
    assert answer.value == {"name": "Mouse"}
    assert loader.calls == 1


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, "ü😀", 1.5, {"a": [1, None]}])
def test_every_json_value_is_a_value_even_none(value: Any) -> None:
    loader = Loader(value)
    get_or_load("k", ttl_seconds=60, loader=loader)
    engine.clear_local()
    answer = get_or_load("k", ttl_seconds=60, loader=loader)
    assert answer.value == value
    assert type(answer.value) is type(value)
    assert loader.calls == 1


def test_a_stored_key_has_the_prefix_and_the_ttl(redis_client: Any) -> None:
    get_or_load("search:gaming", ttl_seconds=60, loader=Loader([]))
    assert namespaced("search:gaming") == "speedscale:1:search:gaming"
    assert 55 <= redis_client.ttl("speedscale:1:search:gaming") <= 60


def test_a_loader_that_fails_stores_nothing_and_its_error_passes(redis_client: Any) -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        get_or_load("k", ttl_seconds=60, loader=fail)
    assert redis_client.exists(namespaced("k")) == 0
    assert get_or_load("k", ttl_seconds=60, loader=Loader(1)).outcome is Outcome.MISS


def damaged_envelopes() -> list[bytes]:
    good = Envelope(payload=b'{"a":1}', created_ms=0, expires_ms=2**52, load_ms=1.0).encode()
    return [
        b"",
        b"\x80\x04\x95pickle",
        b"null",
        b"[]\n{}",
        good[:-3],
        good + b" ",
        good.replace(b'"v":1', b'"v":99'),
        good.replace(b'"created":0', b'"created":"yesterday"'),
        good.partition(b"\n")[0],
        Envelope(payload=b"1", created_ms=0, expires_ms=1, load_ms=0.0).encode(),
    ]


@pytest.mark.parametrize("stored", damaged_envelopes())
def test_a_stored_value_that_is_not_ours_is_a_miss_and_is_replaced(redis_client: Any, stored: bytes) -> None:
    redis_client.set(namespaced("k"), stored, ex=60)
    answer = get_or_load("k", ttl_seconds=60, loader=Loader("fresh"))
    assert (answer.outcome, answer.value) == (Outcome.MISS, "fresh")
    assert Envelope.decode(redis_client.get(namespaced("k"))).payload == b'"fresh"'


def test_a_foreign_data_type_under_the_key_is_bypassed(redis_client: Any) -> None:
    redis_client.lpush(namespaced("k"), "not a string")
    answer = get_or_load("k", ttl_seconds=60, loader=Loader("loaded"))
    assert (answer.outcome, answer.value) == (Outcome.BYPASS, "loaded")


def test_invalidation_reaches_l1_and_redis(redis_client: Any) -> None:
    loader = Loader("old")
    get_or_load("k", ttl_seconds=60, loader=loader)
    invalidate("k", "never-stored")
    loader.value = "new"
    answer = get_or_load("k", ttl_seconds=60, loader=loader)
    assert (answer.outcome, answer.value) == (Outcome.MISS, "new")


def test_l1_can_be_turned_off(settings: Settings) -> None:
    settings.CACHE_L1_SECONDS = 0
    outcomes = [get_or_load("k", ttl_seconds=60, loader=Loader(1)).outcome for _ in range(2)]
    assert outcomes == [Outcome.MISS, Outcome.REDIS_HIT]


def test_a_value_past_its_expiry_is_not_served_though_redis_still_has_it(redis_client: Any) -> None:
    expired = Envelope(payload=b'"old"', created_ms=0, expires_ms=1, load_ms=0.0)
    redis_client.set(namespaced("k"), expired.encode())
    assert get_or_load("k", ttl_seconds=60, loader=Loader("new")).value == "new"


def test_the_trace_tells_each_lookup_with_key_outcome_and_age() -> None:
    with tracing() as trace:
        get_or_load("a", ttl_seconds=60, loader=Loader(1), origin="ML_ENGINE")
        get_or_load("a", ttl_seconds=60, loader=Loader(1))
    assert [(lookup.key, lookup.outcome, lookup.source) for lookup in trace.lookups] == [
        ("a", Outcome.MISS, "ML_ENGINE"),
        ("a", Outcome.L1_HIT, "L1_CACHE"),
    ]
    assert trace.outcome is Outcome.MISS
    assert {"redis", "load"} <= set(trace.self_ms_by_name())
    assert all(lookup.age_seconds < 5 for lookup in trace.lookups)


def test_the_payload_is_the_json_of_the_value_without_decoding() -> None:
    value = {"name": "Mouse", "price": 29.99}
    get_or_load("k", ttl_seconds=60, loader=Loader(value))
    engine.clear_local()
    assert orjson.loads(get_or_load("k", ttl_seconds=60, loader=Loader(value)).payload) == value
