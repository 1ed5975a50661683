"""Several processes and one cache: no load too many, and nothing old after a write."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

import pytest
from django.conf import settings

from cachelayer.tests.racing import KEYS, REMEMBERED, Truth, race

PROCESSES = 4
spawn = multiprocessing.get_context("spawn")


def run_race(*, steps: int, check_tokens: bool) -> list[Any]:
    """Run the race over all processes and return the violations found."""
    truth = Truth(spawn.Lock(), spawn.Array("q", KEYS, lock=False), spawn.Array("d", KEYS * REMEMBERED, lock=False))
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
def test_after_an_acknowledged_write_and_the_lag_nothing_older_is_read() -> None:
    assert run_race(steps=100_000, check_tokens=True) == []


@pytest.mark.timeout(180)
def test_the_race_finds_stale_values_when_tokens_are_not_compared() -> None:
    assert run_race(steps=40_000, check_tokens=False) != []
