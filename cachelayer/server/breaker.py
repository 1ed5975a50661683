"""A circuit breaker: after repeated failures a server is left alone, and probed by one caller at a time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from time import monotonic


class CircuitBreaker:
    """Counts consecutive failures and tells whether the next call may go through.

    Args:
        failure_threshold: consecutive failures after which the circuit opens.
        retry_seconds: how long it stays open before one caller may probe the server.
    """

    def __init__(self, *, failure_threshold: int = 2, retry_seconds: float = 1.0) -> None:
        self._threshold = failure_threshold
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_at = 0.0
        self.reason = ""
        self.since: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are being refused at present."""
        return self._failures >= self._threshold

    @property
    def failures(self) -> int:
        """Consecutive failures so far."""
        return self._failures

    def allows(self) -> bool:
        """Tell whether a call may go through; while open, true for one caller each ``retry_seconds``."""
        if self._failures < self._threshold:  # Read without the lock: the hot path, where a late answer is harmless.
            return True
        with self._lock:
            now = monotonic()
            if self._failures >= self._threshold and now < self._retry_at:
                return False
            self._retry_at = now + self._retry_seconds
            return True

    def record_success(self) -> None:
        """Close the circuit."""
        if self._failures:
            with self._lock:
                self._failures = 0
                self.reason, self.since = "", None

    def record_failure(self, reason: str) -> None:
        """Count a failure; the reason is shown by the health page."""
        with self._lock:
            self._failures += 1
            self.reason = reason
            self.since = self.since or datetime.now(UTC)
            self._retry_at = monotonic() + self._retry_seconds
