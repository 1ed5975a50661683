"""How a database executes a command: the app that owns the database registers how to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class PlanUnknown(Exception):
    """The plan could not be asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a command was executed.

    Attributes:
        examined: documents looked at; -1 where it is not told, as for the numbers below.
        keys: index entries looked at.
        returned: documents returned.
        milliseconds: as the database measured it.
        index: names of the indexes used; empty where there was none.
        stages: what was done, the last step first.
        shards: which shards are asked, and why, or would be in a cluster.
        note: in what the explained command differs from the one that was sent; empty for nothing.
    """

    examined: int
    keys: int
    returned: int
    milliseconds: float
    index: str
    stages: tuple[str, ...]
    shards: str = ""
    note: str = ""


_explainers: list[Callable[[str], Plan]] = []
_routers: list[Callable[[str], str]] = []


def register_explainer(explain: Callable[[str], Plan], *, route: Callable[[str], str] | None = None) -> None:
    """Name who explains commands.

    Args:
        explain: asks the database; raises :class:`PlanUnknown` in bounded time.
        route: tells, without asking anybody, which shards a command asks; an empty text where that is not known.
    """
    _explainers[:] = [explain]
    _routers[:] = [route] if route is not None else []


def route_of(command: str) -> str:
    """Return which shards a command of a kept request asks, in words; empty where that is not known."""
    return _routers[0](command) if _routers and command else ""


def explain(command: str) -> Plan:
    """Return the plan of a command of a kept request; raise :class:`PlanUnknown`."""
    if not _explainers:
        raise PlanUnknown("nobody here can explain commands")
    return _explainers[0](command)
