"""Loaders that count, and policies, for tests of the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from cachelayer.engine import get_or_load
from cachelayer.outcomes import Outcome
from cachelayer.policies import Policy

POLICY = Policy("test", soft_seconds=60, hard_seconds=600, jitter=0, early=0, negative_seconds=10)
NO_L1 = replace(POLICY, local_seconds=0)
SHORT = replace(NO_L1, soft_seconds=0.15, hard_seconds=60)


class Loader:
    """Counts how often it is asked; may be slow, and may fail."""

    def __init__(self, value: Any = "value", *, seconds: float = 0.0) -> None:
        self.value = value
        self.seconds = seconds
        self.error: Exception | None = None
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            self.calls += 1
        if self.seconds:
            sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.value


def wait_for(condition: Callable[[], object], *, seconds: float = 15.0) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "the condition did not come true in time"
        sleep(0.005)


def outcome_of(key: str, loader: Callable[[], Any], policy: Policy = POLICY) -> Outcome:
    return get_or_load(key, policy, loader).outcome
