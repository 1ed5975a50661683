"""Reads of many keys at once on a real Redis."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

import pytest
from django_redis import get_redis_connection

from cachelayer.engine import get_or_load, get_or_load_many, invalidate_everything
from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.loading import leases
from cachelayer.outcomes import Outcome
from cachelayer.server.door import namespaced
from cachelayer.tests.loaders import NO_L1, Loader, wait_for
from cachelayer.trace import tracing


@pytest.fixture
def redis_client() -> Any:
    return get_redis_connection("default")


class BatchLoader:
    """Knows the even numbers."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, keys: Sequence[str]) -> dict[str, Any]:
        self.asked.append(list(keys))
        return {key: {"key": key} for key in keys if int(key.partition(":")[2]) % 2 == 0}


def test_a_batch_asks_redis_once_and_the_loader_once_for_what_is_missing() -> None:
    loader = BatchLoader()
    get_or_load_many(["n:2", "n:4"], NO_L1, loader)
    with tracing() as trace:
        answers = get_or_load_many(["n:0", "n:2", "n:3", "n:4"], NO_L1, loader)
    assert {key: answer.outcome for key, answer in answers.items()} == {
        "n:0": Outcome.MISS,
        "n:2": Outcome.REDIS_HIT,
        "n:4": Outcome.REDIS_HIT,
    }
    assert list(answers) == ["n:0", "n:2", "n:4"]
    assert loader.asked == [["n:2", "n:4"], ["n:0", "n:3"]]
    assert [span.name for span in trace.spans].count("redis") <= 2 + len(loader.asked[1])


def test_a_batch_remembers_what_does_not_exist() -> None:
    loader = BatchLoader()
    assert get_or_load_many(["n:3"], NO_L1, loader) == {}
    assert get_or_load_many(["n:3"], NO_L1, loader) == {}
    assert loader.asked == [["n:3"]]


def test_a_batch_waits_for_what_another_thread_is_loading_and_loads_the_rest_at_once() -> None:
    single = Loader("single", seconds=0.3)
    loader = BatchLoader()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(get_or_load, "n:2", NO_L1, single)
        wait_for(lambda: single.calls)
        answers = get_or_load_many(["n:0", "n:2"], NO_L1, loader)
        assert other.result().outcome is Outcome.MISS
    assert {key: (answer.outcome, answer.value) for key, answer in answers.items()} == {
        "n:0": (Outcome.MISS, {"key": "n:0"}),
        "n:2": (Outcome.WAITED, "single"),
    }
    assert loader.asked == [["n:0"]]


def test_two_batches_that_overlap_load_each_key_once() -> None:
    asked: list[str] = []

    def load(keys: Sequence[str]) -> dict[str, Any]:
        asked.extend(keys)
        sleep(0.2)
        return dict.fromkeys(keys, "value")

    wanted = [["n:1", "n:2", "n:3"], ["n:3", "n:2", "n:4"]]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda keys: get_or_load_many(keys, NO_L1, load), wanted))
    assert sorted(asked) == ["n:1", "n:2", "n:3", "n:4"]
    assert [list(answer) for answer in answers] == wanted


def test_a_batch_waits_with_a_bound_and_then_loads_without_storing(redis_client: Any) -> None:
    assert leases.acquire("n:2", seconds=30)
    loader = BatchLoader()
    started = monotonic()
    answers = get_or_load_many(["n:0", "n:2"], replace(NO_L1, wait_seconds=0.2), loader)
    assert monotonic() - started < 10, "the lease is held for 30 s"
    assert [answer.outcome for answer in answers.values()] == [Outcome.MISS, Outcome.MISS]
    assert loader.asked == [["n:0"], ["n:2"]]
    assert redis_client.exists(namespaced("n:0"), namespaced("n:2")) == 1


def test_a_batch_of_nothing_asks_nobody() -> None:
    loader = BatchLoader()
    assert get_or_load_many([], NO_L1, loader) == {}
    assert loader.asked == []


def test_a_batch_takes_old_values_where_the_loader_fails_if_there_is_one_for_each() -> None:
    def fails(keys: Sequence[str]) -> dict[str, Any]:
        raise ConnectionError("the database is away")

    get_or_load_many(["n:2", "n:4"], NO_L1, BatchLoader())
    invalidate_everything()
    answers = get_or_load_many(["n:4", "n:2"], NO_L1, fails)
    assert [(key, answer.outcome) for key, answer in answers.items()] == [
        ("n:4", Outcome.STALE_ON_ERROR),
        ("n:2", Outcome.STALE_ON_ERROR),
    ]
    with pytest.raises(ConnectionError):
        get_or_load_many(["n:2", "n:6"], NO_L1, fails)


def test_a_batch_asks_a_failing_loader_once_a_second_where_there_are_old_values() -> None:
    asked: list[Sequence[str]] = []

    def fails(keys: Sequence[str]) -> dict[str, Any]:
        asked.append(keys)
        raise ConnectionError("the database is away")

    get_or_load_many(["n:2", "n:4"], NO_L1, BatchLoader())
    invalidate_everything()
    started = monotonic()
    for _ in range(20):
        get_or_load_many(["n:2", "n:4"], NO_L1, fails)
    assert len(asked) <= 1 + int(monotonic() - started)


def test_a_batch_takes_old_values_where_another_redis_may_have_taken_over_and_the_loader_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loader = BatchLoader()
    get_or_load_many(["n:2"], NO_L1, loader)
    monkeypatch.setattr(InvalidationBus, "is_in_doubt", True)
    assert get_or_load_many(["n:2"], NO_L1, loader)["n:2"].outcome is Outcome.BYPASS

    def fails(keys: Sequence[str]) -> dict[str, Any]:
        raise ConnectionError("the database is away")

    assert get_or_load_many(["n:2"], NO_L1, fails)["n:2"].outcome is Outcome.STALE_ON_ERROR
    with pytest.raises(ConnectionError):
        get_or_load_many(["n:2", "n:4"], NO_L1, fails)
