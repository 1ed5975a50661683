"""The web worker: gunicorn's threads, none of which waits for a client to close, and which leave nobody behind."""

from __future__ import annotations

import contextlib
import functools
import selectors
import socket
import time
from collections import deque
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

_DRAIN_SECONDS = 2.0
"""Visitors who keep coming must not keep the worker from ending."""

_LINGER_SECONDS = 2.0
"""How long a client that has its answer may take to close its side; afterwards it is closed for it."""

_MOST_READ = 65_536
"""Bytes read of what a client sends although it was told that the connection ends."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker that answers the connections which wait for it before it ends, and never waits for one to close.

    The kernel completes a connection before any worker accepts it. gunicorn stops accepting at once, answers what it
    has accepted and closes its listeners last, whereupon the kernel resets all that wait in them.

    A connection must not be closed while its client may still send, or the kernel resets it and the end of the answer
    is lost (RFC 9112, section 9.6). gunicorn waits for the client in the thread that accepts connections, up to two
    seconds for each, so a few clients that do not close keep everybody waiting. Here the selector waits for them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lingering: deque[_Lingering] = deque()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep a connection for the next request, or leave it to the selector until its client closes."""
        conn.close = functools.partial(self._close, conn)
        try:
            super().finish_request(conn, fs)
        finally:
            del conn.close

    def _close(self, conn: Any, graceful: bool = False) -> None:
        lingering = _Lingering(conn.sock)
        if not graceful or not lingering.has_ended_sending():
            lingering.close()
            return
        readable = functools.partial(self._on_lingering_readable, lingering)
        self.poller.register(lingering.connection, selectors.EVENT_READ, readable)
        self.nr_conns += 1
        self._lingering.append(lingering)

    def _on_lingering_readable(self, lingering: _Lingering, connection: socket.socket) -> None:
        del connection
        if lingering.has_closed():
            self._lingering.remove(lingering)
            self._end(lingering)

    def _end(self, lingering: _Lingering) -> None:
        self.poller.unregister(lingering.connection)
        lingering.close()
        self.nr_conns -= 1

    def murder_pending(self) -> None:
        """Close the connections whose clients were given enough time."""
        super().murder_pending()
        while self._lingering and self._lingering[0].ends_at <= time.monotonic():
            self._end(self._lingering.popleft())

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait no longer than until the next connection is to be closed."""
        if self._lingering:
            timeout = max(0.0, min(timeout, self._lingering[0].ends_at - time.monotonic()))
        super().wait_for_and_dispatch_events(timeout)

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


class _Lingering:
    """A connection whose client has its answer and has not closed its side yet."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.ends_at = time.monotonic() + _LINGER_SECONDS
        self._left = _MOST_READ

    def has_ended_sending(self) -> bool:
        """Tell the client that nothing more comes; return False where there is no connection any more."""
        try:
            self.connection.setblocking(False)
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):  # Also where the client has reset it.
            self.connection.close()

    def has_closed(self) -> bool:
        """Read what has come; return whether that was the end, or more than is read."""
        try:
            while self._left > 0:
                received = self.connection.recv(4096)
                if not received:
                    return True
                self._left -= len(received)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True
