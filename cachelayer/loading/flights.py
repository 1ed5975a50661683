"""Single flight inside a process: of the threads that want the same value, one fetches it for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from cachelayer.trace import span

T = TypeVar("T")


class FlightTimeout(Exception):
    """The thread that fetches the value did not come back in time."""


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.landed = threading.Event()
        self.result: T | None = None
        self.error: Exception | None = None


class Flights(Generic[T]):
    """The fetches under way, by key.

    Args:
        waits_as: the span under which a thread's wait for another's fetch is shown.
    """

    def __init__(self, *, waits_as: str) -> None:
        self._waits_as = waits_as
        self._lock = threading.Lock()
        self._by_key: dict[str, _Flight[T]] = {}

    def join(self, key: str, fetch: Callable[[], T], *, wait_seconds: float) -> tuple[T, bool]:
        """Return the value and whether this very call fetched it.

        Args:
            key: what the value is known by.
            fetch: gets the value; runs in the first thread that asks.
            wait_seconds: longest wait of the others.

        Raises:
            FlightTimeout: the fetching thread is not back in time.
            Exception: whatever ``fetch`` raised, in every thread that waited for it.
        """
        with self._lock:
            flight = self._by_key.get(key)
            leads = flight is None
            if flight is None:
                flight = self._by_key[key] = _Flight()
        if leads:
            return self._lead(key, flight, fetch), True
        with span(self._waits_as, "another request's"):
            landed = flight.landed.wait(wait_seconds)
        if not landed:
            raise FlightTimeout(key)
        if flight.error is not None:
            raise flight.error
        return flight.result, False  # type: ignore[return-value]

    def under_way(self) -> int:
        """Return how many fetches are under way."""
        return len(self._by_key)

    def _lead(self, key: str, flight: _Flight[T], fetch: Callable[[], T]) -> T:
        try:
            flight.result = fetch()
            return flight.result
        except Exception as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                self._by_key.pop(key, None)
            flight.landed.set()
