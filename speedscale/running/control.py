"""The supervisor's ear: other processes of the same user may ask it to stop, pause, slow and start its servers.

It listens on a socket in a directory that nobody else may enter, and only where the switchboard is on.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speedscale.leftovers import claimed_directory

ACTIONS = frozenset({"state", "stop", "kill", "start", "restart", "pause", "resume", "slow", "stepdown"})
_MAX_LINE = 1000
_ANSWER_SECONDS = 90.0
_LONGEST_ADDRESS = 103
"""Bytes of a socket's path that every system takes; Linux allows 107 and macOS 103."""


class ControlError(RuntimeError):
    """The supervisor is not there, or could not do what it was asked; the message says why."""


@dataclass(slots=True)
class ControlRequest:
    """Something to be done by the supervisor's main thread, which alone may start servers."""

    server: str
    action: str
    milliseconds: int = 0
    _answer: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)

    def answer(self, answer: dict[str, Any]) -> None:
        """Tell the asking process how it went."""
        self._answer.put(answer)

    def wait(self) -> dict[str, Any]:
        """Wait for the answer; raise ``queue.Empty`` when there is none in time."""
        return self._answer.get(timeout=_ANSWER_SECONDS)


class ControlListener:
    """Hands requests of other processes to ``take``, one connection at a time."""

    def __init__(self, take: Callable[[ControlRequest], None]) -> None:
        self._take = take
        self._directory = claimed_directory("speedscale-control-")
        self.path = str(self._directory / "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _address(self.path) as address:
            self._socket.bind(address)
        self._socket.listen(4)
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(_ANSWER_SECONDS)
                try:
                    connection.sendall(json.dumps(self._handle(connection)).encode() + b"\n")
                except OSError:
                    continue

    def _handle(self, connection: socket.socket) -> dict[str, Any]:
        with connection.makefile("rb") as lines:
            try:
                asked = json.loads(lines.readline(_MAX_LINE))
                request = ControlRequest(str(asked["server"]), str(asked["action"]), int(asked.get("milliseconds", 0)))
            except (ValueError, KeyError, TypeError):
                return {"error": "not understood"}
        if request.action not in ACTIONS:
            return {"error": f"there is no action {request.action!r}"}
        self._take(request)
        try:
            return request.wait()
        except queue.Empty:
            return {"error": "the supervisor did not answer in time"}


@contextlib.contextmanager
def _address(path: str) -> Iterator[str]:
    """Give a name for the socket at ``path`` that is short enough, on Linux however deep temporary files are kept."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield path
        return
    descriptor = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{Path(path).name}"
    finally:
        os.close(descriptor)


def ask_supervisor(path: str, *, server: str = "", action: str = "state", milliseconds: int = 0) -> dict[str, Any]:
    """Ask the supervisor that listens on ``path`` and return its answer, the state of its servers.

    Raises:
        ControlError: nobody listens there, or it could not be done.
    """
    if not path:
        raise ControlError("There is no supervisor: start everything with `manage.py up`.")
    asked = {"server": server, "action": action, "milliseconds": milliseconds}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            with _address(path) as address:
                connection.connect(address)
            connection.sendall(json.dumps(asked).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline())
    except (OSError, ValueError) as error:
        raise ControlError(f"The supervisor does not answer: {error}") from error
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer
