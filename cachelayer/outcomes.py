"""How a cached read was answered, and the names under which that is told to the outside."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Outcome(Enum):
    """The way in which :func:`cachelayer.engine.get_or_load` found a value."""

    L1_HIT = "l1_hit"
    """Fresh, in this process."""
    REDIS_HIT = "redis_hit"
    """Fresh, in Redis."""
    NEGATIVE_HIT = "negative_hit"
    """Known not to exist."""
    STALE = "stale"
    """Past its soft expiry, served at once while it is refreshed."""
    STALE_ON_ERROR = "stale_on_error"
    """Past its soft expiry, and the last attempt to refresh it failed."""
    WAITED = "waited"
    """Absent; another request was loading it, and this one waited for the value."""
    MISS = "miss"
    """Absent; loaded by this request."""
    BYPASS = "bypass"
    """Redis could not be asked; loaded for this request and not stored."""

    @property
    def is_hit(self) -> bool:
        """Whether the value came from a cache rather than from the loader."""
        return self in _SOURCES or self is Outcome.NEGATIVE_HIT

    @property
    def header(self) -> str:
        """The value of the ``X-Cache`` header."""
        return _HEADERS[self]

    def source(self, origin: str) -> str:
        """Return the ``source`` of an answer, where ``origin`` names what the loader reads from."""
        return _SOURCES.get(self, origin)


_HEADERS = {
    Outcome.L1_HIT: "HIT",
    Outcome.REDIS_HIT: "HIT",
    Outcome.NEGATIVE_HIT: "HIT",
    Outcome.STALE: "STALE",
    Outcome.STALE_ON_ERROR: "STALE",
    Outcome.WAITED: "MISS",
    Outcome.MISS: "MISS",
    Outcome.BYPASS: "BYPASS",
}
_SOURCES = {
    Outcome.L1_HIT: "L1_CACHE",
    Outcome.REDIS_HIT: "REDIS_CACHE",
    Outcome.STALE: "STALE_CACHE",
    Outcome.STALE_ON_ERROR: "STALE_CACHE",
}
_FROM_BEST_TO_WORST = list(Outcome)


def least_favourable(outcomes: Iterable[Outcome]) -> Outcome | None:
    """Return the outcome that best explains a slow answer made of several reads; ``None`` of none."""
    return max(outcomes, key=_FROM_BEST_TO_WORST.index, default=None)
