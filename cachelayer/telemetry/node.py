"""What the processes of one machine tell each other through files, so that any of them can answer for all.

Prometheus asks one worker of a node and means the node. Each process writes its counters and gauges to a file of its
own, and whoever is asked adds the files up. Redis would be the wrong place: when it is away, these figures are needed
most, and each node must report its own share, or a sum over nodes would count everything several times.

The directory is made by gunicorn's master (``SPEEDSCALE_NODE_DIR``), which also removes it. Without one, as in a
command, a process knows of itself alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any

import orjson

from cachelayer.telemetry.tally import Totals

DIRECTORY_VARIABLE = "SPEEDSCALE_NODE_DIR"
_PUBLISH_SECONDS = 1.0
_ALIVE_SECONDS = 5.0

_gauges: dict[str, Callable[[], float]] = {}
_facts: dict[str, Callable[[], Any]] = {}
_last_published = 0.0
_born = f"{time():.3f}"


def register_gauge(name: str, read: Callable[[], float]) -> None:
    """Add a figure of this process, such as the use of a pool, to what the node tells; ``read`` must be quick."""
    _gauges[name] = read


def register_fact(name: str, read: Callable[[], Any]) -> None:
    """Add what JSON can express, and no sum makes sense of, to what this process tells the others."""
    _facts[name] = read


@dataclass(slots=True)
class NodeState:
    """All processes of this node together.

    Attributes:
        totals: counters of all processes since the node was started, also of those that have ended.
        gauges: for each registered name, the figures of the processes that live.
        facts: the same of what was registered as a fact.
    """

    totals: Totals = field(default_factory=Totals)
    gauges: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, list[Any]] = field(default_factory=dict)


def publish(totals: Totals, *, at_once: bool = False) -> None:
    """Write this process's figures, at most once a second unless they are wanted ``at_once``."""
    global _last_published  # noqa: PLW0603  (one clock for the process)
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory or not (at_once or monotonic() - _last_published >= _PUBLISH_SECONDS):
        return
    _last_published = monotonic()
    target = Path(directory) / _file_name()
    draft = target.with_suffix(f".{threading.get_ident()}")
    try:
        draft.write_bytes(orjson.dumps(_own(totals)))
        draft.replace(target)
    except OSError:
        return  # A full or vanished directory must not stop the telemetry.


def node_state(totals: Totals) -> NodeState:
    """Add up the processes of this node; ``totals`` are this process's own.

    All figures are taken from the files, this process's included: whichever worker is asked next sees at least as
    much, so that no counter ever seems to fall.
    """
    publish(totals, at_once=True)
    state = NodeState()
    files = _files()
    for file in files:
        try:
            told = orjson.loads(file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        _add(state, told, alive=time() - told["at"] < _ALIVE_SECONDS)
    if not files:
        _add(state, orjson.loads(orjson.dumps(_own(totals))), alive=True)
    return state


def _file_name() -> str:
    # The system gives the number of a process that has ended to another; the time tells them apart.
    return f"{os.getpid()}-{_born}.json"


def _files() -> list[Path]:
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return []
    try:
        return sorted(Path(directory).glob("*.json"))
    except OSError:
        return []


def _own(totals: Totals) -> dict[str, Any]:
    return {
        "at": time(),
        "totals": totals,
        "gauges": {name: read() for name, read in _gauges.items()},
        "facts": {name: read() for name, read in _facts.items()},
    }


def _add(state: NodeState, told: dict[str, Any], *, alive: bool) -> None:
    state.totals.merge(told["totals"])
    if alive:
        for name, value in told["gauges"].items():
            state.gauges.setdefault(name, []).append(value)
        for name, fact in told["facts"].items():
            state.facts.setdefault(name, []).append(fact)
