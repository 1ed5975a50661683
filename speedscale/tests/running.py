"""``manage.py up`` as a process of its own, for tests that meet it as its users do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from speedscale.embedded.ports import free_port
from speedscale.tests.commands import MANAGE, environment
from speedscale.tests.statics import give_static_files
from speedscale.tests.waiting import wait_for

START_SECONDS = 90


class Run:
    """A running ``manage.py up``."""

    def __init__(self, data_dir: Path, *arguments: str, **variables: str) -> None:
        self.data_dir = data_dir
        if not (data_dir / "static").exists():
            give_static_files(data_dir)
        self.port = free_port()
        self.variables = {"DATA_DIR": str(data_dir), "PORT": str(self.port), "WEB_CONCURRENCY": "1"} | variables
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by close)
        self.process = subprocess.Popen(
            [sys.executable, str(MANAGE), "up", *arguments],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment(**self.variables),
            # Nothing may depend on where it is started.
            cwd="/",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def output(self) -> str:
        return os.pread(self._output.fileno(), 1_000_000, 0).decode()

    def wait_until_ready(self) -> Run:
        wait_for(lambda: "Ready in" in self.output() or self.process.poll() is not None, timeout_seconds=START_SECONDS)
        assert "Ready in" in self.output(), self.output()
        return self

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, name: str) -> psutil.Process:
        return next(child for child in self.children() if child.name() == name)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self._output.close()


@contextmanager
def up(data_dir: Path, *arguments: str, **variables: str) -> Iterator[Run]:
    """Run ``manage.py up`` until the block ends; spare it the collection of static files unless it has some."""
    run = Run(data_dir, *arguments, **variables)
    try:
        yield run
    finally:
        run.close()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
