"""Waiting for what another process is loading: bounded, and told in the trace."""

from __future__ import annotations

from time import monotonic, sleep

from cachelayer.trace import span

WAITING = "lease-wait"
"""The span of a request that waits for another's load."""
_FIRST_PAUSE_SECONDS = 0.005
_LAST_PAUSE_SECONDS = 0.05


class Patience:
    """How long to wait, and how often to look meanwhile: less and less often.

    Args:
        seconds: longest wait in all.
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = monotonic() + seconds
        self._pause = _FIRST_PAUSE_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return monotonic() > self._deadline

    def pause(self) -> None:
        """Wait a little."""
        with span(WAITING, "another process's"):
            sleep(self._pause)
        self._pause = min(self._pause * 1.5, _LAST_PAUSE_SECONDS)
