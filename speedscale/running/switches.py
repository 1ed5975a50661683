"""What the switchboard can do to the servers that ``up`` runs."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.process import ServerError, ServerProcess
from speedscale.embedded.redis import RedisServer
from speedscale.running.control import ControlRequest

APP_NAME = "speedscale"
"""What web workers call themselves to MongoDB; latency is added to their commands, not to the watcher's."""
_MAX_LATENCY_MS = 5000
_STEP_DOWN_SECONDS = 5


class Condition(Enum):
    """How a server is."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(slots=True)
class _Switched:
    process: ServerProcess
    condition: Condition = Condition.RUNNING


class Switches:
    """The two servers and what was done to them; to be used by the supervisor's main thread."""

    def __init__(self, data_dir: Path, *, mongod: ServerProcess, redis: ServerProcess) -> None:
        self._data_dir = data_dir
        self._servers = {"mongodb": _Switched(mongod), "redis": _Switched(redis)}
        self._latency_ms = 0

    def has_stopped(self, process: ServerProcess) -> bool:
        """Tell whether a process has ended because it was asked to, here."""
        known = [switched for switched in self._servers.values() if switched.process.name == process.name]
        # One that was replaced by a restart has ended for good.
        return any(each.process is not process or each.condition is Condition.STOPPED for each in known)

    def state(self) -> dict[str, Any]:
        """Return how the servers are, for the page."""
        return {
            **{name: switched.condition.value for name, switched in self._servers.items()},
            "latency_ms": self._latency_ms,
        }

    def act(self, request: ControlRequest) -> ServerProcess | None:
        """Do what is asked; return a server that was started for it. Raise :class:`ServerError` when it cannot be."""
        if request.action == "state":
            return None
        switched = self._servers.get(request.server)
        if switched is None:
            raise ServerError(f"there is no server {request.server!r}")
        match request.action:
            case "stop" | "kill":
                self._stop(switched, kill=request.action == "kill")
            case "pause":
                self._expect(switched, Condition.RUNNING)
                switched.process.signal(signal.SIGSTOP)
                switched.condition = Condition.PAUSED
            case "resume":
                self._expect(switched, Condition.PAUSED)
                switched.process.signal(signal.SIGCONT)
                switched.condition = Condition.RUNNING
            case "start":
                self._expect(switched, Condition.STOPPED)
                return self._start(request.server, switched)
            case "restart":
                if switched.condition is not Condition.STOPPED:
                    self._stop(switched, kill=False)
                return self._start(request.server, switched)
            case "slow" | "stepdown":
                self._disturb_mongodb(switched, request)
        return None

    def _stop(self, switched: _Switched, *, kill: bool) -> None:
        if switched.condition is Condition.STOPPED:
            raise ServerError(f"{switched.process.name} is stopped already")
        # Said before it is done, so that the end that follows is known to be wanted.
        switched.condition = Condition.STOPPED
        switched.process.signal(signal.SIGCONT)
        if kill:
            switched.process.kill()
        else:
            switched.process.stop()

    def _start(self, name: str, switched: _Switched) -> ServerProcess:
        if name == "mongodb":
            switched.process = MongodServer(self._data_dir / "mongodb", test_commands=True)
            self._latency_ms = 0
        else:
            switched.process = RedisServer(self._data_dir / "redis")
        switched.condition = Condition.RUNNING
        return switched.process

    def _disturb_mongodb(self, switched: _Switched, request: ControlRequest) -> None:
        self._expect(switched, Condition.RUNNING)
        if not isinstance(switched.process, MongodServer):
            raise ServerError(f"{switched.process.name} can be stopped and paused, and nothing else")
        if request.action == "stepdown":
            switched.process.step_down(_STEP_DOWN_SECONDS)
            return
        milliseconds = min(max(request.milliseconds, 0), _MAX_LATENCY_MS)
        switched.process.add_latency(milliseconds, app_name=APP_NAME)
        self._latency_ms = milliseconds

    @staticmethod
    def _expect(switched: _Switched, condition: Condition) -> None:
        if switched.condition is not condition:
            raise ServerError(f"{switched.process.name} is {switched.condition.value}")
