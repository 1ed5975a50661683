"""The web worker: gunicorn's threads, which leave nobody behind when they are told to end."""

from __future__ import annotations

import time

from gunicorn.workers.gthread import ThreadWorker

_DRAIN_SECONDS = 1.0
"""Visitors who keep coming must not keep the worker from ending."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker that answers the connections which wait for it before it ends.

    The kernel completes a connection before any worker accepts it. gunicorn stops accepting at once, answers what it
    has accepted and closes its listeners last, whereupon the kernel resets all that wait in them.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or no more; at the end first those that wait, and then nobody can connect."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._accept_who_waits()
            for listener in self.sockets:
                listener.close()

    def _accept_who_waits(self) -> None:
        ends_at = time.monotonic() + _DRAIN_SECONDS
        for listener in self.sockets:
            accepted = -1
            while accepted < self.nr_conns and time.monotonic() < ends_at:
                accepted = self.nr_conns
                self.accept(listener)  # Counts who came; returns at once where nobody waits.
