"""What is up, what is down, and since when. Apps register the servers that they depend on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from time import perf_counter

from cachelayer.server import door


class Status(Enum):
    """The verdict on the whole service."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ProbeFailed(Exception):
    """A server did not answer a probe; the message says why."""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """The state of one server as this process sees it.

    Attributes:
        name: such as ``mongodb``.
        reason: why it is down; empty when it is up.
        since: when this process first saw the server in this state.
        ping_ms: how long the answer took; ``None`` when there was none.
        required: whether the service is unhealthy without it, rather than degraded.
    """

    name: str
    up: bool
    reason: str
    since: datetime
    ping_ms: float | None
    required: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The state of all servers."""

    status: Status
    servers: tuple[ServerHealth, ...]
    at: datetime


@dataclass(slots=True)
class _Probe:
    name: str
    ping: Callable[[], None]
    required: bool
    up: bool | None = None
    since: datetime | None = None


_probes: dict[str, _Probe] = {}
_lock = threading.Lock()


def register_probe(name: str, ping: Callable[[], None], *, required: bool) -> None:
    """Add a server to the health report.

    Args:
        ping: returns when the server answers and raises :class:`ProbeFailed` when it does not, in bounded time.
        required: whether nothing works without it.
    """
    _probes[name] = _Probe(name, ping, required)


def check_health() -> Health:
    """Probe every registered server now."""
    servers = tuple(_check(probe) for probe in _probes.values())
    if all(server.up for server in servers):
        status = Status.HEALTHY
    elif any(server.required and not server.up for server in servers):
        status = Status.UNHEALTHY
    else:
        status = Status.DEGRADED
    return Health(status=status, servers=servers, at=datetime.now(UTC))


def _check(probe: _Probe) -> ServerHealth:
    started = perf_counter()
    reason = ""
    try:
        probe.ping()
    except ProbeFailed as error:
        reason = str(error) or "no answer"
    elapsed_ms = (perf_counter() - started) * 1000
    up = not reason
    with _lock:
        if probe.up is not up:
            probe.up, probe.since = up, datetime.now(UTC)
        since = probe.since or datetime.now(UTC)
    return ServerHealth(probe.name, up, reason, since, round(elapsed_ms, 2) if up else None, probe.required)


def states_of_this_process() -> dict[str, tuple[bool, float]]:
    """Return for each server whether it was up when last probed here, and since when (seconds since the epoch)."""
    with _lock:
        return {
            probe.name: (bool(probe.up), probe.since.timestamp())
            for probe in _probes.values()
            if probe.since is not None
        }


def since_any_worker_knows(health: Health, told: Iterable[Mapping[str, Sequence[float]]]) -> Health:
    """Return the report with the earliest moment that any worker gives for the same state of a server.

    Each worker learns of a change when it probes, so that their moments differ by as much.
    """
    known = list(told)
    servers = tuple(
        replace(
            server,
            since=min(
                [
                    server.since,
                    *(
                        datetime.fromtimestamp(states[server.name][1], UTC)
                        for states in known
                        if server.name in states and bool(states[server.name][0]) is server.up
                    ),
                ]
            ),
        )
        for server in health.servers
    )
    return replace(health, servers=servers)


def ping_redis() -> None:
    """Ask Redis for a sign of life, past the circuit breaker, and close the circuit when there is one."""
    try:
        door.ping()
    except door.RedisUnavailable as error:
        raise ProbeFailed(str(error)) from error
