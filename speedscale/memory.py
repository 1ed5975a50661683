"""What garbage collector and allocator are told in a process that answers requests."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of ``mallopt(3)``."""
_KEPT_BYTES = 32 * 2**20


def leave_what_is_loaded() -> None:
    """Keep the collector from going through what was loaded for good, and from running every few requests.

    Almost everything that a request makes is freed without it, by counting references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def keep_freed_memory() -> bool:
    """Keep the C library from giving back what a request has freed, up to 32 MiB, only to ask for it again in the next.

    A search in millions of products receives some megabytes of lists, and to have their pages mapped anew each time
    takes about a tenth of its time. Other C libraries than glibc have no such setting.

    Returns:
        Whether it could be told.
    """
    try:
        told = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(told(_M_MMAP_THRESHOLD, _KEPT_BYTES)) and bool(told(_M_TRIM_THRESHOLD, _KEPT_BYTES))
