"""What servers tell of themselves, beyond whether they answer: version, nodes, figures. Apps register how to ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

_KEEP_SECONDS = 1.5
_OLD_SECONDS = 6.0
"""What is older is asked for again before it is shown; until then a thread asks, so that no page waits."""
_STAND_IN_SECONDS = 15.0
"""For so long what was told before stands in where a server has not answered in time, so that no page loses a part."""


class NotDescribed(Exception):
    """A server did not tell about itself; the message says why."""


@dataclass(frozen=True, slots=True)
class ServerNode:
    """One node of a server: its address, its role in words, and whether it is up as far as the others know."""

    address: str
    role: str
    up: bool = True


@dataclass(frozen=True, slots=True)
class Description:
    """What a server tells of itself.

    Attributes:
        kind: such as ``replica set``.
        version: of the server.
        nodes: its nodes, the leading one first.
        figures: name and value in words, such as memory in use.
    """

    kind: str
    version: str
    nodes: tuple[ServerNode, ...]
    figures: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Source:
    ask: Callable[[], Description]
    told: Description | None = None
    told_at: float = float("-inf")
    asked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def age_seconds(self) -> float:
        return monotonic() - self.asked_at

    def refresh(self) -> None:
        try:
            if self.age_seconds > _KEEP_SECONDS:
                self._ask_again()
        finally:
            self.lock.release()

    def _ask_again(self) -> None:
        try:
            self.told, self.told_at = self.ask(), monotonic()
        except NotDescribed:
            if monotonic() - self.told_at > _STAND_IN_SECONDS:
                self.told = None
        finally:
            self.asked_at = monotonic()


_sources: dict[str, _Source] = {}


def register_description(name: str, ask: Callable[[], Description]) -> None:
    """Name a server that can be described; ``ask`` raises :class:`NotDescribed` in bounded time."""
    _sources[name] = _Source(ask)


def describe(name: str) -> Description | None:
    """Return what a server tells of itself, as of the last seconds; ``None`` where it does not.

    Whoever finds it a little old has a thread ask again; whoever finds it old asks, and the others take what was told
    before, so that a slow server holds up one request. The first time there is nothing to take, and they wait.
    """
    source = _sources.get(name)
    if source is None:
        return None
    age = source.age_seconds
    if age > _KEEP_SECONDS and source.lock.acquire(blocking=age == float("inf")):
        if age > _OLD_SECONDS:
            source.refresh()
        else:
            try:
                threading.Thread(target=source.refresh, name=f"describe-{name}", daemon=True).start()
            except RuntimeError:  # There can be no more threads at present: whoever comes next tries again.
                source.lock.release()
    return source.told
