"""Awaiting a condition of another process."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], *, timeout_seconds: float = 20.0) -> None:
    """Return soon after ``condition()`` holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    pause_seconds = 0.01
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(pause_seconds)
        # To ask costs processor time, of which what is waited for is in need.
        pause_seconds = min(pause_seconds * 1.3, 0.2)
