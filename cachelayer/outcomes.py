"""How a cached read was answered, and the names under which that is told to the outside."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """The way in which :func:`cachelayer.engine.get_or_load` found a value."""

    L1_HIT = "l1_hit"
    REDIS_HIT = "redis_hit"
    STALE = "stale"
    MISS = "miss"
    BYPASS = "bypass"

    @property
    def is_hit(self) -> bool:
        """Whether the value came from a cache rather than from the loader."""
        return self in _HITS

    @property
    def header(self) -> str:
        """The value of the ``X-Cache`` header."""
        return _HEADERS[self]

    def source(self, origin: str) -> str:
        """Return the ``source`` of an answer, where ``origin`` names what the loader reads from."""
        return _SOURCES.get(self, origin)


_HITS = frozenset({Outcome.L1_HIT, Outcome.REDIS_HIT, Outcome.STALE})
_HEADERS = {
    Outcome.L1_HIT: "HIT",
    Outcome.REDIS_HIT: "HIT",
    Outcome.STALE: "STALE",
    Outcome.MISS: "MISS",
    Outcome.BYPASS: "BYPASS",
}
_SOURCES = {Outcome.L1_HIT: "L1_CACHE", Outcome.REDIS_HIT: "REDIS_CACHE", Outcome.STALE: "STALE_CACHE"}
_FROM_BEST_TO_WORST = (Outcome.L1_HIT, Outcome.REDIS_HIT, Outcome.STALE, Outcome.MISS, Outcome.BYPASS)


def least_favourable(outcomes: list[Outcome]) -> Outcome | None:
    """Return the outcome that best explains a slow answer made of several reads; ``None`` of none."""
    return max(outcomes, key=_FROM_BEST_TO_WORST.index, default=None)
