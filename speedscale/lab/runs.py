"""Stored replays: a file each, so that they survive the servers that the lab stops.

A run belongs to the machine on which it was measured, and so do its files (``DATA_DIR/lab``).
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import orjson
from django.conf import settings

KEPT_RUNS = 50
_STARTING_SECONDS = 60.0
_ENDING_SECONDS = 120.0
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}\Z")


@dataclass(slots=True)
class Plan:
    """What a replay is to do.

    Attributes:
        log: ``recorded``, ``generated`` or ``file``.
        count: queries; each is asked once cold and once hot.
        rate: pairs begun in a second.
        cold: ``redis`` (not in Redis or L1, MongoDB warm) or ``mongodb`` (MongoDB restarted as well).
        hot: ``redis`` (in Redis, not in L1) or ``l1`` (in the process).
        limit_seconds: after this long the run ends with what it has.
    """

    log: str = "generated"
    count: int = 500
    rate: float = 20.0
    cold: str = "redis"
    hot: str = "redis"
    seed: int = 1
    limit_seconds: float = 120.0
    name: str = ""


@dataclass(slots=True)
class Pair:
    """One query, cold and hot.

    Attributes:
        cold_ms: from the moment it was due until the response was there; ``hot_ms`` the same.
        cold_service_ms: what of it the steps of the request's own trace explain.
        cold_first: whether it was asked cold before hot.
        late_ms: how long it waited for a free thread when it was due; part of the latency that was measured first.
    """

    query: str
    cold_ms: float
    hot_ms: float
    cold_service_ms: float
    hot_service_ms: float
    cold_first: bool
    late_ms: float = 0.0


@dataclass(slots=True)
class Run:
    """A replay and what it has measured so far.

    Attributes:
        state: ``running``, ``done``, ``stopped``, ``out of time`` or ``failed``.
        discarded: pairs by the reason for which they do not count, such as ``hot was stale``.
        ratio: median of cold to hot with the ends of its interval, once the run has ended; drawing them takes a while.
        pid: of the process that measures, 0 until it has told; ``host`` is where it runs.
    """

    id: str
    plan: Plan
    state: str = "running"
    started: float = 0.0
    ended: float = 0.0
    total: int = 0
    finished: int = 0
    log_hash: str = ""
    pairs: list[Pair] = field(default_factory=list)
    discarded: dict[str, int] = field(default_factory=dict)
    problem: str = ""
    ratio: list[float] = field(default_factory=list)
    machine: str = ""
    pid: int = 0
    host: str = ""

    def begin(self) -> None:
        """Note that this process measures it."""
        self.pid, self.host = os.getpid(), socket.gethostname()

    @property
    def is_running(self) -> bool:
        """Whether it is being measured at present, as far as can be known from here."""
        if self.state != "running":
            return False
        age = time() - self.started
        if age > self.plan.limit_seconds + _ENDING_SECONDS:
            return False
        if not self.pid:
            return age < _STARTING_SECONDS
        # Containers that share the directory do not see each other's processes.
        return self.host != socket.gethostname() or _is_alive(self.pid)


def new_run(plan: Plan) -> Run:
    """Return a run that has not begun."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Run(id=f"{stamp}-{os.urandom(2).hex()}", plan=plan, started=time())


def directory() -> Path:
    """Return where runs are stored; it may not exist yet."""
    return Path(settings.DATA_DIR) / "lab"


def save(run: Run) -> None:
    """Store a run as it is now; what is older than the newest :data:`KEPT_RUNS` goes. Raise ``OSError``."""
    directory().mkdir(parents=True, exist_ok=True)
    target = directory() / f"{run.id}.json"
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_bytes(orjson.dumps(asdict(run)))
    draft.replace(target)
    for old in sorted(directory().glob("*.json"))[:-KEPT_RUNS]:
        old.unlink(missing_ok=True)


def load(identifier: str) -> Run | None:
    """Return a stored run; ``None`` where there is none of this id."""
    if not _ID.fullmatch(identifier):
        return None
    try:
        stored: dict[str, Any] = orjson.loads((directory() / f"{identifier}.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    stored["plan"] = Plan(**stored["plan"])
    stored["pairs"] = [Pair(**pair) for pair in stored["pairs"]]
    run = Run(**stored)
    if run.state == "running" and not run.is_running:
        run.state = "failed"
        run.problem = run.problem or "Its process ended before it was through."
    return run


def all_runs() -> list[Run]:
    """Return the stored runs, newest first."""
    found = (load(file.stem) for file in sorted(directory().glob("*.json"), reverse=True))
    return [run for run in found if run is not None]


def running() -> Run | None:
    """Return the run that is being measured; ``None`` when none is."""
    return next((run for run in all_runs() if run.is_running), None)


def ask_to_stop(identifier: str) -> None:
    """Ask a run to end with what it has."""
    if _ID.fullmatch(identifier):
        directory().mkdir(parents=True, exist_ok=True)
        (directory() / f"{identifier}.stop").touch()


def is_asked_to_stop(identifier: str) -> bool:
    """Tell whether somebody asked this run to end."""
    return (directory() / f"{identifier}.stop").exists()


def forget_stop(identifier: str) -> None:
    """Remove the request to end."""
    (directory() / f"{identifier}.stop").unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A child that has ended and was not waited for still has its number.
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return True
