"""Telemetry: what was recorded can be read by another process, is bounded, and never disturbs a request."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django_redis import get_redis_connection
from pytest_django import Settings

from cachelayer import redis as redis_door
from cachelayer.outcomes import Outcome
from cachelayer.telemetry import RECENT_LENGTH, Recorder, Sample, outcome_counts, recent_samples, totals


def sample(number: int = 0, *, outcome: str = Outcome.MISS.value) -> Sample:
    return Sample(
        at=1_800_000_000.0 + number,
        route="api:search",
        method="GET",
        path=f"/api/search?query={number}",
        status=200,
        elapsed_ms=float(number),
        outcome=outcome,
        source="MONGODB",
        key=f"search:{number}",
        spans={"redis": 0.2},
    )


def quiet_recorder() -> Recorder:
    """A recorder whose thread never starts, so that the test decides when it writes."""
    recorder = Recorder()
    recorder._start_thread = lambda: None  # type: ignore[method-assign]
    return recorder


def test_samples_come_back_newest_first_and_bounded() -> None:
    recorder = quiet_recorder()
    for number in range(RECENT_LENGTH + 50):
        recorder.record(sample(number))
    assert recorder.flush() == RECENT_LENGTH + 50
    read, from_all_workers = recent_samples(10)
    assert from_all_workers
    assert [row.elapsed_ms for row in read] == [float(RECENT_LENGTH + 49 - number) for number in range(10)]
    redis_client: Any = get_redis_connection("default")
    assert redis_client.llen("speedscale:1:tel:recent") == RECENT_LENGTH


def test_counts_add_up_over_recorders() -> None:
    for outcome in (Outcome.MISS, Outcome.L1_HIT, Outcome.L1_HIT):
        recorder = quiet_recorder()
        recorder.record(sample(3, outcome=outcome.value))
        recorder.flush()
    assert outcome_counts(5) == {"miss": 1, "l1_hit": 2}
    counted = totals()
    assert counted.requests == {("api:search", "200"): 3}
    assert counted.elapsed_ms == {"api:search": 9.0}
    assert counted.outcomes == {"miss": 1, "l1_hit": 2}


def test_every_key_of_the_telemetry_expires() -> None:
    recorder = quiet_recorder()
    recorder.record(sample())
    recorder.flush()
    redis_client: Any = get_redis_connection("default")
    assert all(redis_client.ttl(key) > 0 for key in redis_client.scan_iter(match="speedscale:1:tel:*"))


def test_without_redis_a_worker_shows_its_own_requests(settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    recorder = quiet_recorder()
    recorder.record(sample(7))
    assert recorder.flush() == 0
    assert [row.elapsed_ms for row in recorder.recent_of_this_process(5)] == [7.0]
    _, from_all_workers = recent_samples(5)
    assert not from_all_workers
    assert outcome_counts(5) == {}
    redis_door.breaker.record_success()


def test_probes_are_not_samples_but_pages_are(client: Client, products_db: Any) -> None:
    from cachelayer.telemetry import recorder

    before = len(recorder.recent_of_this_process(10_000))
    client.get("/livez")
    client.get("/health")
    assert len(recorder.recent_of_this_process(10_000)) == before
    client.get("/api/trending")
    assert recorder.recent_of_this_process(1)[0].route == "api:trending"
