"""What garbage collector and allocator are told in a process that answers requests."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of ``mallopt(3)``."""
_KEPT_BYTES = 16 * 2**20


def leave_what_is_loaded() -> None:
    """Keep the collector from going through what was loaded for good, and from running every few requests.

    Almost everything that a request makes is freed without it, by counting references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def keep_freed_memory() -> bool:
    """Keep the C library from giving back what a request has freed, up to 16 MiB, only to ask for it again in the next.

    A search in millions of products receives some megabytes of lists, and to have their pages mapped anew each time
    takes about a tenth of its time. Threads share one arena, or each would keep as much: a process that had answered a
    thousand searches at 300,000 products in eight threads took 90 MiB so, and 101 without all this. Other C libraries
    than glibc have no such settings.

    Returns:
        Whether it could be told.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _KEPT_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES))
    told = [tell(*setting) for setting in settings]
    return all(told)
