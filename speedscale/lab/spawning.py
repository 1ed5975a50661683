"""Processes that the lab starts: they measure or make traffic, apart from the web worker that was asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from speedscale.lab.runs import directory
from speedscale.running.probe import connectable

TRAFFIC_SECONDS = 600
_TRAFFIC_PID = "traffic.pid"


def own_url() -> str:
    """Return where this project's web server listens, without a slash at the end."""
    host = connectable(settings.HOST)
    return f"http://[{host}]:{settings.PORT}" if ":" in host else f"http://{host}:{settings.PORT}"


def spawn(*arguments: str) -> int:
    """Start a management command that ends by itself; return its process number."""
    directory().mkdir(parents=True, exist_ok=True)
    log = directory() / "commands.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "DATA_DIR": str(settings.DATA_DIR)},
        )
    return process.pid


def traffic_is_on() -> bool:
    """Tell whether generated traffic runs that was started from the switchboard."""
    pid = _traffic_pid()
    return pid is not None and _is_traffic(pid)


def start_traffic(rate: float) -> None:
    """Start generated traffic, for ten minutes at most."""
    if not traffic_is_on():
        pid = spawn("generate_traffic", "--rate", str(rate), "--seconds", str(TRAFFIC_SECONDS))
        (directory() / _TRAFFIC_PID).write_text(str(pid))


def stop_traffic() -> None:
    """End the generated traffic."""
    pid = _traffic_pid()
    if pid is not None and _is_traffic(pid):
        os.kill(pid, signal.SIGTERM)
    (directory() / _TRAFFIC_PID).unlink(missing_ok=True)


def _traffic_pid() -> int | None:
    try:
        return int((directory() / _TRAFFIC_PID).read_text())
    except (OSError, ValueError):
        return None


def _is_traffic(pid: int) -> bool:
    # The number may belong to another process by now.
    try:
        return b"generate_traffic" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
