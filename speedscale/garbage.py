"""What the garbage collector is told in a process that answers requests."""

from __future__ import annotations

import gc


def leave_what_is_loaded() -> None:
    """Keep the collector from going through what was loaded for good, and from running every few requests.

    Almost everything that a request makes is freed without it, by counting references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
