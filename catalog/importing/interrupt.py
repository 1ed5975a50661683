"""Ctrl-C and SIGTERM at the right moment: at once while reading, after the batch while writing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns the signals into :class:`KeyboardInterrupt`, and holds the first back while shielded.

    Attributes:
        signal_number: the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self._shielded = False
        self._waiting = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the signals within the block; only the main thread of a process can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let the block finish before the first signal takes effect; a second one ends it at once."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        again = self.signal_number != 0
        self.signal_number = number
        if self._shielded and not again:
            self._waiting = True
            return
        raise KeyboardInterrupt
