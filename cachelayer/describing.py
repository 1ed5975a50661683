"""What servers tell of themselves, beyond whether they answer: version, nodes, figures. Apps register how to ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

_KEEP_SECONDS = 3.0


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
    at: float = float("-inf")


_sources: dict[str, _Source] = {}
_lock = threading.Lock()


def register_description(name: str, ask: Callable[[], Description]) -> None:
    """Name a server that can be described; ``ask`` raises :class:`NotDescribed` in bounded time."""
    _sources[name] = _Source(ask)


def describe(name: str) -> Description | None:
    """Return what a server tells of itself, as of the last seconds; ``None`` where it does not.

    Of several threads one asks and the others take what was told before, so that a slow server holds up one request.
    """
    source = _sources.get(name)
    if source is None:
        return None
    if monotonic() - source.at > _KEEP_SECONDS and _lock.acquire(blocking=False):
        try:
            source.told = source.ask()
        except NotDescribed:
            source.told = None
        finally:
            source.at = monotonic()
            _lock.release()
    return source.told
