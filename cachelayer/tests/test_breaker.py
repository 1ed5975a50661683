"""The circuit breaker: opens, lets one caller probe, closes."""

from __future__ import annotations

import threading
from time import monotonic, sleep

from cachelayer.server.breaker import CircuitBreaker


def wait_until_allowed(breaker: CircuitBreaker) -> None:
    deadline = monotonic() + 2
    while not breaker.allows():
        assert monotonic() < deadline
        sleep(0.002)


def test_it_opens_after_consecutive_failures_only() -> None:
    breaker = CircuitBreaker(failure_threshold=2, retry_seconds=60)
    breaker.record_failure("timeout")
    breaker.record_success()
    breaker.record_failure("timeout")
    assert breaker.allows()
    breaker.record_failure("refused")
    assert not breaker.allows()
    assert breaker.is_open
    assert breaker.reason == "refused"
    assert breaker.since is not None


def test_while_open_one_caller_may_probe_at_a_time() -> None:
    breaker = CircuitBreaker(failure_threshold=1, retry_seconds=0.2)
    breaker.record_failure("timeout")
    assert not breaker.allows()
    wait_until_allowed(breaker)
    together = threading.Barrier(8)
    allowed: list[bool] = []

    def ask() -> None:
        together.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 0  # The probe of wait_until_allowed is still out.


def test_a_probe_that_succeeds_closes_it_and_one_that_fails_keeps_it_open() -> None:
    breaker = CircuitBreaker(failure_threshold=1, retry_seconds=0.05)
    breaker.record_failure("down")
    wait_until_allowed(breaker)
    breaker.record_failure("still down")
    assert not breaker.allows()
    wait_until_allowed(breaker)
    breaker.record_success()
    assert breaker.allows()
    assert breaker.allows()
    assert not breaker.is_open
    assert breaker.since is None
