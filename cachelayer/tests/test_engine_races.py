"""Several processes and one cache: no load too many, and nothing old after a write."""

from __future__ import annotations

import multiprocessing
import os
import signal
from time import monotonic, sleep
from typing import Any

import pytest
from django.conf import settings
from django_redis import get_redis_connection

from cachelayer.engine import get_or_load
from cachelayer.loading import leases
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy
from cachelayer.server.door import namespaced
from cachelayer.tests.racing import KEYS, REMEMBERED, Truth, hold_lease, race

PROCESSES = 4
spawn = multiprocessing.get_context("spawn")


def run_race(*, steps: int, check_tokens: bool) -> list[Any]:
    """Run the race over all processes and return the violations found."""
    truth = Truth(
        spawn.Lock(),
        spawn.Array("q", KEYS, lock=False),
        spawn.Array("d", KEYS * REMEMBERED, lock=False),
        spawn.Value("b", lock=False),
    )
    report = spawn.Queue()
    racers = [
        spawn.Process(target=race, args=(truth, seed, steps // PROCESSES, check_tokens, report))
        for seed in range(PROCESSES)
    ]
    for racer in racers:
        racer.start()
    violations = [violation for _ in racers for violation in report.get(timeout=150)]
    for racer in racers:
        racer.join(timeout=10)
    return violations


@pytest.fixture(autouse=True)
def environment_of_the_racers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "cachelayer.tests.race_settings")
    assert os.environ["REDIS_URL"] == settings.CACHES["default"]["LOCATION"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("steps", [30_000, pytest.param(300_000, marks=pytest.mark.drill)])
def test_after_an_acknowledged_write_and_the_lag_nothing_older_is_read(steps: int) -> None:
    assert run_race(steps=steps, check_tokens=True) == []


@pytest.mark.timeout(180)
def test_the_race_finds_stale_values_when_tokens_are_not_compared() -> None:
    assert run_race(steps=40_000, check_tokens=False) != []


@pytest.mark.timeout(60)
def test_the_lease_of_a_killed_process_ends_in_time_and_another_loads_and_stores() -> None:
    client: Any = get_redis_connection("default")
    policy = Policy("held", soft_seconds=60, hard_seconds=60, local_seconds=0, lease_seconds=2, wait_seconds=10)
    holder = spawn.Process(target=hold_lease, args=("held", policy))
    holder.start()
    deadline = monotonic() + 30
    while not (left_ms := client.pttl(leases.lease_key("held"))) > 0:
        assert monotonic() < deadline, "the other process takes no lease"
        sleep(0.005)
    holder.kill()
    killed_at = monotonic()
    holder.join(timeout=10)
    assert holder.exitcode == -signal.SIGKILL
    answer = get_or_load("held", policy, lambda: "mine")
    took = monotonic() - killed_at
    assert (answer.outcome, answer.value) == (Outcome.MISS, "mine")
    assert took < left_ms / 1000 + 1, "no longer than the lease, and the time to notice"
    assert client.exists(leases.lease_key("held")) == 0
    assert client.exists(namespaced("held")) == 1
    assert get_or_load("held", policy, lambda: "again").outcome is Outcome.REDIS_HIT
