"""The drill for Redis: a web server under load, and the master of a group under Sentinels killed."""

from __future__ import annotations

import http.client
import itertools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.ports import free_port
from speedscale.embedded.process import ServerError, ServerProcess
from speedscale.embedded.redis_sets import SentinelGroup
from speedscale.running.web import WebServer

_THREADS = 4
_PRODUCTS = 200
_LOG_LINES = 40


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the web server: when it came, its status and its ``X-Cache``."""

    at: float
    status: int
    cache: str


@dataclass(frozen=True, slots=True)
class RedisDrillReport:
    """The account. Hit ratios are over the two seconds before the fault and the last two.

    ``log`` holds the last lines that the web server wrote, where not all went well.
    """

    requests: int
    statuses: dict[int, int]
    outcomes: dict[str, int]
    hit_ratio_before: float
    hit_ratio_after: float
    recovered_after_seconds: float
    new_master_after_seconds: float
    by_second: list[dict[str, int]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return set(self.statuses) == {200} and self.hit_ratio_after >= 0.9 * self.hit_ratio_before

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}

    def lines(self) -> Iterator[str]:
        """Yield the report as sentences."""
        statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(self.statuses.items()))
        outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(self.outcomes.items()))
        yield f"{self.requests:,} requests, by status {statuses}; X-Cache: {outcomes}."
        yield (
            f"Hit ratio before {self.hit_ratio_before:.1%}, at the end {self.hit_ratio_after:.1%}; "
            f"another master after {self.new_master_after_seconds:.1f} s, "
            f"hits as before after {self.recovered_after_seconds:.1f} s."
        )
        yield from self.log


class _Visitors:
    """Threads that ask for products until they are stopped; a failure counts as status 0."""

    def __init__(self, port: int, paths: Sequence[str]) -> None:
        self._port, self._paths = port, paths
        self._numbers = itertools.count()
        self.answers: list[Answer] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Answer]:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return sorted(self.answers, key=lambda answer: answer.at)

    def _visit(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stopping.wait(0.005):
            path = self._paths[next(self._numbers) % len(self._paths)]
            try:
                connection.request("GET", path)
                reply = connection.getresponse()
                reply.read()
            except (OSError, http.client.HTTPException):
                self.answers.append(Answer(time.monotonic(), 0, ""))
                connection.close()
            else:
                self.answers.append(Answer(time.monotonic(), reply.status, reply.headers.get("X-Cache", "")))


def run_redis_drill(
    directory: Path, *, base_dir: Path, environment: Mapping[str, str], say: Callable[[str], None]
) -> RedisDrillReport:
    """Start MongoDB, Redis under Sentinels and a web server, kill the master under load, return the account."""
    mongod = MongodServer(directory / "mongodb", cache_mb=256)
    try:
        with SentinelGroup(directory / "redis") as group:
            env = _environment(directory, mongod.uri, group.url, environment)
            paths = _prepare(base_dir, env, directory)
            web = WebServer(
                base_dir,
                host="127.0.0.1",
                port=int(env["PORT"]),
                allowed_hosts=["localhost"],
                log=directory / "web.log",
                env=env,
            )
            try:
                report = _drill(group, int(env["PORT"]), paths, say)
            finally:
                web.stop()
            lines = (directory / "web.log").read_text(errors="replace").splitlines()
            return report if report.ok else replace(report, log=lines[-_LOG_LINES:])
    finally:
        mongod.stop()


def _environment(directory: Path, mongo_uri: str, redis_url: str, environment: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **environment,
        "MONGO_URI": mongo_uri,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(directory / "data"),
        "SECRET_KEY": "only-for-a-drill-" + "x" * 40,
        "HTTPS": "false",
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "WEB_CONCURRENCY": "2",
        # Answers of the process's own memory would hide what happens to Redis.
        "CACHE_L1_SECONDS": "0",
    }


def _prepare(base_dir: Path, env: Mapping[str, str], directory: Path) -> list[str]:
    """Seed products, collect static files, and return the addresses of the products."""
    manage = base_dir / "manage.py"
    script = f"from catalog.cluster.load import product_paths; print('\\n'.join(product_paths({_PRODUCTS})))"
    for arguments in (["collectstatic", "--noinput"], ["seed", "--count", str(_PRODUCTS)], ["shell", "-c", script]):
        log = directory / f"{arguments[0]}.log"
        step = ServerProcess(arguments[0], [sys.executable, manage, *arguments], log=log, env=env)
        if step.wait():
            raise ServerError(step.explain_end())
    return [line for line in log.read_text().splitlines() if line.startswith("/api/")]


def _drill(group: SentinelGroup, port: int, paths: list[str], say: Callable[[str], None]) -> RedisDrillReport:
    visitors = _Visitors(port, paths)
    time.sleep(5)
    say("Redis master killed (SIGKILL) …")
    killed = time.monotonic()
    former = group.master()
    former.kill()
    group.await_another_master(former)
    replaced = time.monotonic()
    time.sleep(6)
    answers = visitors.stop()
    return summarise(answers, killed=killed, replaced=replaced)


def summarise(answers: Sequence[Answer], *, killed: float, replaced: float) -> RedisDrillReport:
    """Return the account of answers in the order in which they came."""
    first, last = answers[0].at, answers[-1].at
    before = [answer for answer in answers if killed - 2 <= answer.at < killed]
    after = [answer for answer in answers if answer.at > last - 2]
    by_second = [Counter[str]() for _ in range(int(last - first) + 1)]
    for answer in answers:
        by_second[int(answer.at - first)][answer.cache or str(answer.status)] += 1
    ratio = _hit_ratio(before)
    recovered = last
    for second in range(int(last - killed) + 1):
        slot = [answer for answer in answers if killed + second <= answer.at < killed + second + 1]
        if second and slot and _hit_ratio(slot) >= 0.9 * ratio:
            recovered = killed + second
            break
    return RedisDrillReport(
        requests=len(answers),
        statuses=dict(Counter(answer.status for answer in answers)),
        outcomes=dict(Counter(answer.cache for answer in answers)),
        hit_ratio_before=ratio,
        hit_ratio_after=_hit_ratio(after),
        recovered_after_seconds=recovered - killed,
        new_master_after_seconds=replaced - killed,
        by_second=[dict(slot) for slot in by_second],
    )


def _hit_ratio(answers: Sequence[Answer]) -> float:
    return sum(answer.cache in {"HIT", "STALE"} for answer in answers) / len(answers) if answers else 0.0
