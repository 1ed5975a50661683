"""What servers tell of themselves, beyond whether they answer: version, nodes, figures. Apps register how to ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

_KEEP_SECONDS = 3.0
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
    def is_due(self) -> bool:
        return monotonic() - self.asked_at > _KEEP_SECONDS

    def refresh(self) -> None:
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

    Of several threads one asks and the others take what was told before, so that a slow server holds up one request;
    the first time there is nothing to take, and they wait.
    """
    source = _sources.get(name)
    if source is None:
        return None
    is_first = source.asked_at == float("-inf")
    if source.is_due and source.lock.acquire(blocking=is_first):
        try:
            if source.is_due:
                source.refresh()
        finally:
            source.lock.release()
    return source.told
