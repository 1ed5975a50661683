"""One run at a time on one data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speedscale.embedded.process import ServerError

_FILE = "up.lock"


@contextmanager
def exclusive_run(data_dir: Path) -> Iterator[None]:
    """Hold the directory for this process; the kernel lets go of it when the process ends, however it ends.

    Raises:
        ServerError: another run holds it (the message names its process), or the directory cannot be written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ServerError(f"DATA_DIR={data_dir} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip() or "that is just starting"
            raise ServerError(
                f"DATA_DIR={data_dir} is in use by another run, process {holder}: stop it first (Ctrl-C there), "
                "or set another DATA_DIR and PORT"
            ) from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()
