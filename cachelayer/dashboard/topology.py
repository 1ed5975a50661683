"""The servers as stations, as they really are, and the way that the last cached read took through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cachelayer.describing import Description, ServerNode
from cachelayer.health import Health, ServerHealth
from cachelayer.invalidation.watch_state import WatchState
from cachelayer.outcomes import Outcome
from cachelayer.telemetry import Sample
from cachelayer.web.presentation import format_ms, heat_of


@dataclass(frozen=True, slots=True)
class Station:
    """A place that a request may pass.

    Attributes:
        role: ``idle``, ``passed`` (asked, had nothing), ``skipped``, or ``answered``.
        note: what happened there, in words.
        up: whether it answers at all.
        state: the same in words, with since when.
        kind: what it is, with its version.
        nodes: its nodes, where it has some.
        figures: name and value.
    """

    name: str
    icon: str
    role: str
    note: str
    up: bool
    state: str
    kind: str
    nodes: tuple[ServerNode, ...]
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The stations in the order of asking, and the request whose way is shown.

    Attributes:
        changes: how writes by others reach the caches, and how fast, in words.
    """

    stations: tuple[Station, ...]
    request: str
    request_id: str
    elapsed: str
    heat: str
    changes: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """The web workers of this node.

    Attributes:
        workers: processes that report.
        l1_entries: values that they hold in memory, ``l1_bytes`` their size in words.
        pid: the one that draws this page.
    """

    workers: int
    threads: int
    l1_entries: int
    l1_bytes: str
    pid: int


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


def build_topology(
    samples: Sequence[Sample],
    health: Health,
    gateway: Gateway,
    descriptions: Mapping[str, Description | None],
    watch: WatchState | None,
) -> Topology:
    """Show the way of the newest sample that read through the cache; all idle where there is none.

    Args:
        samples: recent requests, newest first.
        watch: what the watcher of the database last said; ``None`` where nothing is heard of it.
    """
    last = next((sample for sample in samples if sample.outcome and sample.status < 500), None)
    outcome = Outcome(last.outcome) if last else None
    memory, redis, mongodb = _ROLES[outcome] if outcome else ("idle", "idle", "idle")
    spans = last.spans if last else {}
    servers = {server.name: server for server in health.servers}
    web = _web(gateway, "answered" if last else "idle", last.elapsed_ms if last else None)
    l1 = Station(
        *("Process memory", "cpu", memory, _NOTES[memory], True, "L1, in every worker", ""),
        (),
        (("Values", f"{gateway.l1_entries:,}"), ("Size", gateway.l1_bytes)),
    )
    return Topology(
        stations=(
            web,
            l1,
            _server(
                "Redis", "zap", redis, spans.get("redis"), servers.get("redis"), descriptions.get("redis"), health.at
            ),
            _server(
                *("MongoDB", "database", mongodb, spans.get("mongodb")),
                *(servers.get("mongodb"), descriptions.get("mongodb"), health.at),
            ),
        ),
        request=f"{last.method} {last.path}" if last else "No cached read yet",
        request_id=last.id if last else "",
        elapsed=format_ms(last.elapsed_ms) if last else "–",
        heat=heat_of(outcome).value,
        changes=_changes_text(watch, knows_redis="redis" not in servers or servers["redis"].up),
    )


def _changes_text(watch: WatchState | None, *, knows_redis: bool) -> str:
    if watch is None and not knows_redis:
        return "not known while Redis is away"
    if watch is None:
        return "no watcher runs, so they reach the caches only as values expire"
    if not watch.supported:
        return "this MongoDB has no change streams, so they reach the caches only as values expire"
    told = f"{watch.events:,} change{'' if watch.events == 1 else 's'} told since the watcher started"
    return f"told after {format_ms(watch.lag_ms)}, at worst {format_ms(watch.worst_lag_ms)} in the last minute; {told}"


def _web(gateway: Gateway, role: str, elapsed_ms: float | None) -> Station:
    workers = "1 worker" if gateway.workers == 1 else f"{gateway.workers} workers"
    return Station(
        name="Web server",
        icon="server",
        role="passed" if role == "answered" else "idle",
        note=f"took {format_ms(elapsed_ms)}" if elapsed_ms is not None else "idle",
        up=True,
        state=f"{workers} of {gateway.threads} threads",
        kind="Django on gunicorn",
        nodes=(),
        figures=(("This page", f"worker {gateway.pid}"),),
    )


def _server(
    name: str,
    icon: str,
    role: str,
    elapsed_ms: float | None,
    server: ServerHealth | None,
    told: Description | None,
    now: datetime,
) -> Station:
    up = server.up if server else True
    if not up:
        told = None
    ping = f", ping {format_ms(server.ping_ms)}" if server and server.ping_ms is not None else ""
    since = f" since {moment_text(server.since, now)}" if server else ""
    return Station(
        name=name,
        icon=icon,
        role=role,
        note=_note(role, elapsed_ms),
        up=up,
        state=f"{'up' if up else 'down'}{since}{ping}",
        kind=f"{told.kind}, version {told.version}" if told else (server.reason if server and not up else ""),
        nodes=told.nodes if told else (),
        figures=told.figures if told else (),
    )


def _note(role: str, elapsed_ms: float | None) -> str:
    if role in ("idle", "skipped") or elapsed_ms is None:
        return _NOTES[role]
    return f"{_NOTES[role]}, {format_ms(elapsed_ms)}"


def moment_text(moment: datetime, now: datetime) -> str:
    """Return a moment as a clock's time today, and with its date before."""
    return f"{moment:%H:%M:%S} UTC" if moment.date() == now.date() else f"{moment:%d %b %Y, %H:%M} UTC"
