"""The static files as production serves them, collected once for all tests of a run, whichever worker asks first."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from speedscale.tests.commands import manage

_COLLECT = "from django.conf import settings; from speedscale.running.staticfiles import collect_static; collect_static"


def give_static_files(data_dir: Path) -> None:
    """Put the static files into a directory that becomes a ``DATA_DIR``, as ``up`` would."""
    source = Path(os.environ["SPEEDSCALE_TEST_DATA"]) / "collected"
    source.mkdir(parents=True, exist_ok=True)
    with (source / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (source / "static.stamp").exists():
            safe = {"SECRET_KEY": os.environ["SECRET_KEY"], "DEBUG": "false", "DATA_DIR": str(source)}
            done = manage("shell", "-v", "0", "-c", f"{_COLLECT}(settings.DATA_DIR)", **safe)
            assert done.returncode == 0, done.stderr
    shutil.copytree(source / "static", data_dir / "static")
    shutil.copy2(source / "static.stamp", data_dir)
