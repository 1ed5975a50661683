"""A failover drill: load from a process of its own, faults from here, and an account of what they cost."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speedscale.embedded.faults import FaultySet
from speedscale.embedded.mongo_sets import MongoReplicaSet
from speedscale.embedded.process import ServerError
from speedscale.embedded.redis import RedisServer

FAULTS = ("kill", "pause", "stepdown")
_WORDS = {
    "kill": "primary killed (SIGKILL)",
    "pause": "primary silent (SIGSTOP, as if its network were gone)",
    "stepdown": "primary stepped down",
}
_QUIET_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FaultReport:
    """What one fault cost: the longest times without a success, and how long until all members were back.

    Attributes:
        outcomes: cached reads by outcome from the fault until all members were back.
    """

    fault: str
    write_gap_seconds: float
    read_gap_seconds: float
    cached_read_gap_seconds: float
    complete_after_seconds: float
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DrillReport:
    """The account of a drill.

    Attributes:
        lost: writes that were acknowledged and are not there: it must be 0.
        retried_writes: writes that succeeded at the driver's second attempt, as far as the driver tells: an attempt
            that found no server or connection is not told. ``retried_reads``: the same of reads of MongoDB.
        outcomes: cached reads by outcome, over the whole drill.
    """

    election_timeout_seconds: float
    faults: tuple[FaultReport, ...]
    acknowledged: int
    lost: int
    retried_writes: int
    retried_reads: int
    failed_writes: int
    failed_reads: int
    failed_cached_reads: int
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.lost == 0 and self.acknowledged > 0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}

    def lines(self) -> Iterator[str]:
        """Yield the report as a table for people, which is also Markdown."""
        yield "| fault | no write for | no read from MongoDB for | no cached read for | all members back after |"
        yield "|---|---|---|---|---|"
        for one in self.faults:
            yield (
                f"| {_WORDS[one.fault]} | {_gap(one.write_gap_seconds)} | {_gap(one.read_gap_seconds)} | "
                f"{_gap(one.cached_read_gap_seconds)} | {one.complete_after_seconds:.1f} s |"
            )
        yield ""
        yield (
            f"{self.acknowledged:,} acknowledged writes, {self.lost} lost. At the driver's second attempt succeeded "
            f"{self.retried_writes} writes and {self.retried_reads} reads of MongoDB (attempts that found no server "
            f"are not counted). Failed: {self.failed_writes} writes, {self.failed_reads} reads of MongoDB, "
            f"{self.failed_cached_reads} cached reads."
        )
        yield f"Cached reads: {_counted(self.outcomes)}."
        for one in self.faults:
            yield f"Cached reads from {one.fault} until all members were back: {_counted(one.outcomes)}."
        yield f"electionTimeoutMillis was {self.election_timeout_seconds * 1000:.0f}."


def _counted(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(outcomes.items())) or "none"


def _gap(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else "less than 0.2 s"


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers of a drill: addresses for the load, and the set whose primary suffers."""

    mongo_uri: str
    redis_url: str
    faulty: FaultySet


@contextmanager
def own_stage(directory: Path, *, election_timeout_ms: int) -> Iterator[Stage]:
    """Start a replica set of three and a Redis for the drill alone."""
    with MongoReplicaSet(directory / "mongodb", election_timeout_ms=election_timeout_ms) as group:

        def revive(port: int) -> None:
            node = next(node for node in group.nodes if node.port == port)
            node.wait()
            group.revive(node)

        redis = RedisServer(directory / "redis", maxmemory_mb=64)
        try:
            yield Stage(group.uri, redis.url, FaultySet(group.uri, revive))
        finally:
            redis.stop()


def run_drill(
    stage: Stage, *, faults: Sequence[str], base_dir: Path, environment: Mapping[str, str], say: Callable[[str], None]
) -> DrillReport:
    """Load the servers, let the faults happen one after the other, and return the account.

    Raises:
        ServerError: the load could not be run, or the set did not recover.
    """
    election_timeout = stage.faulty.election_timeout_seconds()
    spans: list[tuple[str, float, float]] = []
    with _load(base_dir, environment, stage) as load:
        time.sleep(_QUIET_SECONDS)
        for fault in faults:
            say(f"{_WORDS[fault]} …")
            began = time.monotonic()
            _inflict(stage.faulty, fault, pause_seconds=2 * election_timeout)
            stage.faulty.await_complete()
            spans.append((fault, began, time.monotonic()))
            time.sleep(_QUIET_SECONDS)
        account = _end(load)
    return _report(account, spans, election_timeout)


def _inflict(faulty: FaultySet, fault: str, *, pause_seconds: float) -> None:
    match fault:
        case "kill":
            faulty.kill_primary()
        case "pause":
            faulty.pause_primary(pause_seconds)
        case _:
            faulty.step_down_primary()


@contextmanager
def _load(base_dir: Path, environment: Mapping[str, str], stage: Stage) -> Iterator[subprocess.Popen[str]]:
    """Run the load in a process that reads its settings as a web worker does; it begins before this returns."""
    servers = {"MONGO_URI": stage.mongo_uri, "REDIS_URL": stage.redis_url, "HTTPS": "false"}
    process = subprocess.Popen(
        [sys.executable, str(base_dir / "manage.py"), "cluster_drill", "--load"],
        env={**os.environ, **environment, **servers},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None or process.stdout.readline().strip() != "loading":
            raise ServerError("the load could not be started")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _end(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate("\n", timeout=60)
    if process.returncode:
        raise ServerError("the load failed")
    account: dict[str, Any] = json.loads(output)
    return account


def _report(account: dict[str, Any], spans: list[tuple[str, float, float]], election_timeout: float) -> DrillReport:
    def longest(kind: str, began: float, ended: float) -> float:
        gaps = account[kind]["gaps"]
        return max((seconds for start, seconds in gaps if start < ended and start + seconds > began), default=0.0)

    def outcomes(began: float, ended: float) -> dict[str, int]:
        found: Counter[str] = Counter()
        for at, name, count in account["outcomes"]:
            if began <= at <= ended:
                found[name] += count
        return dict(found)

    return DrillReport(
        election_timeout_seconds=election_timeout,
        faults=tuple(
            FaultReport(
                fault,
                longest("writes", began, ended),
                longest("reads", began, ended),
                longest("cached_reads", began, ended),
                ended - began,
                outcomes(began, ended),
            )
            for fault, began, ended in spans
        ),
        acknowledged=account["acknowledged"],
        lost=account["lost"],
        retried_writes=account["retried_writes"],
        retried_reads=account["retried_reads"],
        failed_writes=account["writes"]["failed"],
        failed_reads=account["reads"]["failed"],
        failed_cached_reads=account["cached_reads"]["failed"],
        outcomes=outcomes(0.0, math.inf),
    )
