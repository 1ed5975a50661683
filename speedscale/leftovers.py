"""Temporary directories that live as long as their process: what a killed one leaves behind, the next one removes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_YOUNG_SECONDS = 60.0
"""A directory that is this new may belong to a process that has not locked it yet."""
_held: list[int] = []


def claimed_directory(prefix: str, parent: str | None = None) -> Path:
    """Make a directory for this process and the children that it forks; remove those of processes that have died.

    The directory is locked for as long as one of them lives, whatever ends it.

    Args:
        prefix: begins the names of all directories of this kind.
        parent: where they are; by default where temporary files are.
    """
    folder = Path(parent or tempfile.gettempdir())
    for leftover in folder.glob(f"{prefix}*"):
        _remove_if_abandoned(leftover)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    lock = _lock(made)
    if lock is not None:
        _held.append(lock)
    return made


def _remove_if_abandoned(directory: Path) -> None:
    try:
        status = directory.lstat()
    except OSError:
        return
    if status.st_uid != os.getuid() or time.time() - status.st_mtime < _YOUNG_SECONDS:
        return
    lock = _lock(directory)
    if lock is not None:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _lock(directory: Path) -> int | None:
    """Return a descriptor that holds the directory; ``None`` where another process does, or nobody can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
