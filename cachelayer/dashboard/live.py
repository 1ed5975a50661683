"""The part of the first page that refreshes itself, kept for a moment: however many watch it, it is made once a second.

It tells everybody the same and holds nothing of the one who asks, which is what allows it to be shared. Each process
keeps its own. A page asks for it every 1.5 s, longer than it is kept, so that nobody is shown an older one than before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import monotonic

from cachelayer.web.compression import compress

KEEP_SECONDS = 1.0


@dataclass(frozen=True)
class Part:
    """A rendered part of the page; ``made`` is when its rendering began."""

    text: str
    made: float

    @cached_property
    def compressed(self) -> bytes:
        """The text as gzip."""
        return compress(self.text.encode())


_kept: dict[str, Part] = {}
_locks: dict[str, threading.Lock] = {}
_lock = threading.Lock()


def kept_part(name: str, render: Callable[[], str]) -> Part:
    """Return the part of this name as of the last second; of several threads one renders it and the others wait.

    Args:
        name: one of few, such as that of a window of time.
        render: makes the part anew.
    """
    known = _kept.get(name)
    if known is not None and monotonic() - known.made < KEEP_SECONDS:
        return known
    with _lock:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:
        part = _kept.get(name)
        # What another thread made while this one waited is good enough, however long that took.
        if part is not None and part is not known:
            return part
        made = monotonic()
        part = _kept[name] = Part(render(), made)
        return part


def forget() -> None:
    """Have every part made anew."""
    _kept.clear()
