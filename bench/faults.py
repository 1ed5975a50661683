"""What visitors see while Redis or MongoDB is stopped, hung, killed, full or replaced: the drills of ``make drill``.

Two web workers, 40 requests a second over warm pages and API answers (an open loop), a fault in the middle. Where
servers replace each other, one product is edited and read all the while, to find what is lost or stale.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import orjson

from bench.replica_set import ReplicaSet
from bench.result import Result
from bench.stack import ROOT, Stack, fetch, start_stack
from bench.traffic import Summary, Traffic
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.redis import RedisServer
from speedscale.embedded.redis_sets import ClusterGroup, SentinelGroup

_PRODUCTS = 500
_RATE = 40.0
_QUERIES = ("wireless mouse", "keyboard", "headphones", "usb cable", "monitor")
_CALM_SECONDS = 4.0
_FAULT_SECONDS = 6.0
_RECOVERY_SECONDS = 5.0
_UNCACHED_WITHIN_SECONDS = 30.0
_SHORT_SECONDS = 2.0
_SLOWER, _TIMEOUT_MS = 1.2, 50.0
"""An answer past Redis may take so much of an uncached one, and wait for Redis once."""


@dataclass
class Drill:
    """A running stack with its visitors, and the moments of the fault."""

    stack: Stack
    traffic: Traffic
    cleanup: ExitStack
    product_id: str
    began: float = 0.0
    ended: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    def fault(self, begin: Callable[[], object], *, seconds: float = _FAULT_SECONDS) -> None:
        """Let the visitors be for a while, then cause the fault and wait."""
        self.start = monotonic()
        sleep(_CALM_SECONDS)
        self.began = monotonic()
        begin()
        sleep(seconds)

    def over(self, end: Callable[[], object] | None = None) -> None:
        """End the fault, and give the visitors time to see it."""
        self.ended = monotonic()
        if end is not None:
            end()
            self.ended = monotonic()
        sleep(_RECOVERY_SECONDS + 1)

    def summaries(self) -> tuple[Summary, Summary, Summary]:
        """Return what was answered before, during and after the fault."""
        between = self.traffic.between
        return between(self.start, self.began), between(self.began, self.ended), between(self.ended, monotonic())

    def hits_again_after(self) -> float | None:
        """Return the seconds from the end of the fault until nine of ten answers were hits."""
        return self.traffic.first("HIT", after=self.ended)


def run(*, full: bool = False) -> list[Result]:
    """Run all drills."""
    del full
    return [drill(name) for name in DRILLS]


def drill(name: str) -> Result:
    """Run one drill; its name is a key of :data:`DRILLS`."""
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="speedscale-drill-")))
        return DRILLS[name](directory, cleanup)


def _begin(cleanup: ExitStack, directory: Path, mongo_uri: str, redis_url: str) -> Drill:
    stack = start_stack(cleanup, directory, mongo_uri, redis_url, products=_PRODUCTS)
    products = [row["_id"] for query in _QUERIES for row in _rows(stack, query)[:4]]
    paths = [f"/api/search?query={query.replace(' ', '+')}" for query in _QUERIES]
    paths += [f"/search?q={query.replace(' ', '+')}" for query in _QUERIES]
    paths += [f"/api/products/{each}" for each in products] + [f"/products/{each}/" for each in products[:8]]
    for path in paths:
        for _ in range(3):
            fetch(stack.url + path)
    traffic = Traffic(stack.url, paths, rate=_RATE).start()
    cleanup.callback(traffic.stop)
    return Drill(stack, traffic, cleanup, products[0])


def _rows(stack: Stack, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = orjson.loads(fetch(f"{stack.url}/api/search?query={query.replace(' ', '+')}")[0])[
        "data"
    ]
    return rows


def _edited(running: Drill) -> Callable[[], dict[str, Any]]:
    """Edit and read one product from now on; the function returned ends that and returns what was seen."""
    command = [sys.executable, "-m", "bench.fault_editor", running.product_id, running.stack.url]
    editor = subprocess.Popen(
        command, cwd=ROOT, env=running.stack.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    running.cleanup.callback(editor.kill)

    def stop() -> dict[str, Any]:
        report: dict[str, Any] = json.loads(editor.communicate("stop\n", timeout=60)[0])
        return report

    return stop


def _uncached(running: Drill) -> Summary:
    """Return what the same visitors wait for answers that are all loaded, while Redis works."""
    command = [sys.executable, "-m", "bench.invalidator"]
    invalidator = subprocess.Popen(command, cwd=ROOT, env=running.stack.environment, stdin=subprocess.PIPE, text=True)
    running.cleanup.callback(invalidator.kill)
    deadline = monotonic() + _UNCACHED_WITHIN_SECONDS
    while running.traffic.between(monotonic() - 1, monotonic(), x_cache="MISS").requests <= _RATE / 2:
        if monotonic() > deadline:
            raise RuntimeError("answers go on coming from caches although everything is invalidated")
        sleep(0.1)
    began = monotonic()
    sleep(_FAULT_SECONDS)
    summary = running.traffic.between(began, monotonic(), x_cache="MISS")
    invalidator.communicate("stop\n", timeout=60)
    return summary


def _redis_drill(
    name: str, fault: Callable[[Drill, RedisServer], None], *, is_bypassed: bool = True
) -> Callable[[Path, ExitStack], Result]:
    def perform(directory: Path, cleanup: ExitStack) -> Result:
        mongod = MongodServer(directory / "mongodb", cache_mb=256)
        cleanup.callback(mongod.stop)
        server = RedisServer(directory / "redis")
        cleanup.callback(server.stop)
        running = _begin(cleanup, directory, mongod.uri, server.url)
        uncached = _uncached(running)
        fault(running, server)
        running.traffic.stop()
        before, during, after = running.summaries()
        again = running.hits_again_after()
        bypassed = running.traffic.between(running.began, running.ended, x_cache="BYPASS")
        # In a short fault the first answers, each of which may wait for Redis once, are most of them.
        waits_ms = 0.0 if running.ended - running.began > _SHORT_SECONDS else _TIMEOUT_MS
        in_time = (
            bypassed.requests > 0
            and bypassed.p50_ms <= _SLOWER * uncached.p50_ms + waits_ms
            and bypassed.p99_ms <= _SLOWER * uncached.p99_ms + _TIMEOUT_MS
        )
        return _result(
            name,
            running,
            figure=f"{during.errors + after.errors} errors of {during.requests + after.requests}; "
            f"p50 {before.p50_ms:.0f} and p99 {before.p99_ms:.0f} ms before, {during.p50_ms:.0f} and "
            f"{during.p99_ms:.0f} ms during ({uncached.p50_ms:.0f} and {uncached.p99_ms:.0f} ms uncached); "
            f"hits again after {_seconds(again)}",
            bar="no error; past Redis within 1.2x uncached (50 ms more for who waits once); hits again within 5 s",
            met=during.errors + after.errors == 0
            and (in_time or not is_bypassed)
            and again is not None
            and again <= _RECOVERY_SECONDS,
            uncached=asdict(uncached),
            bypassed=asdict(bypassed),
        )

    return perform


def _restarted(server: RedisServer, running: Drill) -> RedisServer:
    again = RedisServer(running.stack.directory / "redis", port=server.port)
    running.cleanup.callback(again.stop)
    return again


def _stopped(running: Drill, server: RedisServer) -> None:
    running.fault(server.stop)
    running.over(lambda: _restarted(server, running))


def _killed(running: Drill, server: RedisServer) -> None:
    running.fault(server.kill, seconds=0.5)
    running.over(lambda: _restarted(server, running))


def _hung(running: Drill, server: RedisServer) -> None:
    running.fault(lambda: server.signal(signal.SIGSTOP))
    running.over(lambda: server.signal(signal.SIGCONT))


def _full(running: Drill, server: RedisServer) -> None:
    with server.client() as client:
        running.fault(lambda: client.config_set("maxmemory-policy", "noeviction") and client.config_set("maxmemory", 1))
        running.over(lambda: client.config_set("maxmemory", 64 * 2**20))


def _mongodb_drill(name: str, *, hang: bool, seconds: float) -> Callable[[Path, ExitStack], Result]:
    def perform(directory: Path, cleanup: ExitStack) -> Result:
        mongod = MongodServer(directory / "mongodb", cache_mb=256)
        cleanup.callback(mongod.stop)
        redis_server = RedisServer(directory / "redis")
        cleanup.callback(redis_server.stop)
        running = _begin(cleanup, directory, mongod.uri, redis_server.url)
        cold = Traffic(running.stack.url, [f"/api/search?query=cold+{number}" for number in range(5000)], rate=4)
        cleanup.callback(cold.stop)
        running.fault(lambda: mongod.signal(signal.SIGSTOP) if hang else mongod.kill(), seconds=0)
        cold.start()
        sleep(seconds)
        cold_ends = monotonic()
        cold.stop()
        running.over(lambda: mongod.signal(signal.SIGCONT) if hang else None)
        running.traffic.stop()
        during = running.traffic.between(running.began, running.ended)
        refused = cold.between(running.began, cold_ends)
        return _result(
            name,
            running,
            figure=f"{during.answered:.2%} of {during.requests} warm requests in {seconds:.0f} s answered, "
            f"p99 {during.p99_ms:.0f} ms; cold ones refused after p50 {refused.p50_ms:.0f} ms, "
            f"at most {refused.slowest_ms:.0f} ms",
            bar=">= 99% of warm requests; cold ones within 2.5 s",
            met=during.answered >= 0.99 and refused.slowest_ms < 2500,
            cold=asdict(refused),
        )

    return perform


def _primary_killed(directory: Path, cleanup: ExitStack) -> Result:
    members = ReplicaSet(directory, cleanup)
    redis_server = RedisServer(directory / "redis")
    cleanup.callback(redis_server.stop)
    running = _begin(cleanup, directory, members.uri, redis_server.url)
    stop_editing = _edited(running)
    sleep(3)
    primary = members.await_primary()
    running.fault(members.nodes[primary].kill)
    members.await_primary(other_than=primary)
    running.over()
    running.traffic.stop()
    edits = stop_editing()
    during = running.traffic.between(running.began, monotonic())
    return _result(
        "MongoDB: primary of three killed",
        running,
        figure=f"{during.answered:.2%} of {during.requests} warm requests answered; {edits['edits']} edits, longest "
        f"gap {edits['longest_gap_seconds']} s, {edits['unknown']} not acknowledged, "
        f"{'some' if edits['lost'] else 'none'} lost, {len(edits['stale'])} stale of {edits['reads']} reads",
        bar=">= 99% of warm requests; no acknowledged edit lost, no stale read",
        met=during.answered >= 0.99 and not edits["lost"] and not edits["stale"] and edits["edits"] > 50,
        edits=edits,
    )


def _failover(name: str, group_of: Callable[[Path], Any]) -> Callable[[Path, ExitStack], Result]:
    def perform(directory: Path, cleanup: ExitStack) -> Result:
        mongod = MongodServer(directory / "mongodb", cache_mb=256)
        cleanup.callback(mongod.stop)
        group = cleanup.enter_context(group_of(directory))
        running = _begin(cleanup, directory, mongod.uri, group.url)
        stop_editing = _edited(running)
        sleep(3)
        key = f"speedscale:1:product:{running.product_id}"
        master = group.master_of(key)
        running.fault(master.kill, seconds=0)
        group.await_another_master(master, key=key)
        running.over()
        running.traffic.stop()
        edits = stop_editing()
        before, during, after = running.summaries()
        errors, again = during.errors + after.errors, running.traffic.first("HIT", after=running.began + 0.5)
        hits = after.x_cache.get("HIT", 0) / max(after.requests, 1)
        return _result(
            name,
            running,
            figure=f"{errors} errors of {during.requests + after.requests}; {len(edits['stale'])} stale of "
            f"{edits['reads']} reads around {edits['edits']} edits; hits again {_seconds(again and again + 0.5)} after "
            f"the kill (new master after {running.ended - running.began:.1f} s); p99 {before.p99_ms:.0f} ms before, "
            f"{during.p99_ms:.0f} ms during",
            bar="no error, no stale read, hits again",
            met=errors == 0 and not edits["stale"] and again is not None and hits > 0.5 and edits["edits"] > 50,
            edits=edits,
        )

    return perform


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"


def _result(name: str, running: Drill, *, figure: str, bar: str, met: bool, **details: Any) -> Result:
    before, during, after = running.summaries()
    spans = {"before": asdict(before), "during": asdict(during), "after": asdict(after)}
    return Result(
        id=name.partition(":")[0],
        work=name.partition(": ")[2],
        against=f"{_RATE:.0f} requests a second",
        figure=figure,
        bar=bar,
        met=met,
        details={**spans, **details},
    )


DRILLS: dict[str, Callable[[Path, ExitStack], Result]] = {
    "redis-stopped": _redis_drill("Redis: stopped for 6 s, started again empty", _stopped),
    "redis-killed": _redis_drill("Redis: killed, started again empty", _killed),
    "redis-hung": _redis_drill("Redis: hung (SIGSTOP) for 6 s", _hung),
    "redis-full": _redis_drill("Redis: out of memory for 6 s", _full, is_bypassed=False),
    "redis-sentinel": _failover("Redis: master under Sentinels killed", SentinelGroup),
    "redis-cluster": _failover("Redis: master in a Cluster killed", ClusterGroup),
    "mongodb-stopped": _mongodb_drill("MongoDB: killed for 60 s", hang=False, seconds=60),
    "mongodb-hung": _mongodb_drill("MongoDB: hung (SIGSTOP) for 60 s", hang=True, seconds=60),
    "mongodb-primary": _primary_killed,
}
