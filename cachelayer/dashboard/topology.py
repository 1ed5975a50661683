"""The servers as stations, and the way that the last cached read took through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cachelayer.health import Health
from cachelayer.outcomes import Outcome
from cachelayer.presentation import format_ms, heat_of
from cachelayer.telemetry import Sample


@dataclass(frozen=True, slots=True)
class Station:
    """A place that a request may pass.

    Attributes:
        role: ``idle``, ``passed`` (asked, had nothing), ``skipped``, or ``answered``.
        note: what happened there, in words.
        up: whether it answers at all.
    """

    name: str
    icon: str
    role: str
    note: str
    up: bool


@dataclass(frozen=True, slots=True)
class Topology:
    """The stations in the order of asking, and the request whose way is shown."""

    stations: tuple[Station, ...]
    request: str
    elapsed: str
    heat: str


_ROLES: Mapping[Outcome, tuple[str, str, str]] = {
    # Roles of process memory, Redis and MongoDB.
    Outcome.L1_HIT: ("answered", "idle", "idle"),
    Outcome.REDIS_HIT: ("passed", "answered", "idle"),
    Outcome.NEGATIVE_HIT: ("passed", "answered", "idle"),
    Outcome.STALE: ("passed", "answered", "idle"),
    Outcome.STALE_ON_ERROR: ("passed", "answered", "idle"),
    Outcome.WAITED: ("passed", "passed", "answered"),
    Outcome.MISS: ("passed", "passed", "answered"),
    Outcome.BYPASS: ("passed", "skipped", "answered"),
}
_NOTES = {"idle": "not asked", "passed": "had nothing", "skipped": "skipped, away", "answered": "answered"}


def build_topology(samples: Sequence[Sample], health: Health) -> Topology:
    """Show the way of the newest sample that read through the cache; all idle where there is none."""
    last = next((sample for sample in samples if sample.outcome and sample.status < 500), None)
    outcome = Outcome(last.outcome) if last else None
    roles = _ROLES[outcome] if outcome else ("idle", "idle", "idle")
    spans = last.spans if last else {}
    up = {server.name: server.up for server in health.servers}
    memory, redis, mongodb = roles
    return Topology(
        stations=(
            Station("Process memory", "cpu", memory, _note(memory, None), True),
            Station("Redis", "zap", redis, _note(redis, spans.get("redis")), up.get("redis", True)),
            Station("MongoDB", "database", mongodb, _note(mongodb, spans.get("mongodb")), up.get("mongodb", True)),
        ),
        request=f"{last.method} {last.path}" if last else "No cached read yet",
        elapsed=format_ms(last.elapsed_ms) if last else "–",
        heat=heat_of(outcome).value,
    )


def _note(role: str, elapsed_ms: float | None) -> str:
    if role in ("idle", "skipped") or elapsed_ms is None:
        return _NOTES[role]
    return f"{_NOTES[role]}, {format_ms(elapsed_ms)}"
