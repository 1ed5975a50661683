"""Asks each query of a log cold and hot, open-loop, and measures both.

The application is called in this process, with all of its middleware, its caches and its servers, without a network
and without gunicorn: what differs between cold and hot is what the figures show. A request is due at a set moment
whether or not earlier ones have been answered, and its latency counts from then.
"""

from __future__ import annotations

import platform
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic, perf_counter, time
from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.test import RequestFactory

from cachelayer import runtime
from cachelayer.engine import invalidate
from cachelayer.health import ProbeFailed
from cachelayer.trace import Trace
from cachelayer.web.middleware import GENERATED_NAME
from catalog import mongo
from speedscale.lab import runs
from speedscale.lab.querylogs import hash_of
from speedscale.lab.runs import Pair, Run
from speedscale.lab.summary import ratio_of

THREADS = 16
_SAVE_SECONDS = 0.5
_MONGODB_BLOCKS = 5
_TWIN_SECONDS = 5.0
_HOT = {"l1": frozenset({"l1_hit"}), "redis": frozenset({"redis_hit"})}


@dataclass(frozen=True, slots=True)
class Asked:
    """One answer: how it was found, how long the whole application took, and how long by its own trace."""

    outcome: str
    took_ms: float
    service_ms: float
    keys: tuple[str, ...]


class Application:
    """The project as one process serves it; its requests are shown as generated."""

    def __init__(self) -> None:
        self._handler = BaseHandler()
        self._handler.load_middleware()
        host = settings.ALLOWED_HOSTS[0].lstrip(".") or "localhost"
        self._factory = RequestFactory(headers={"host": host, GENERATED_NAME: "1"})
        runtime.bus.ensure_started()
        runtime.bus.wait_until_connected(2)

    def ask(self, query: str) -> Asked:
        """Search for ``query``; raise :class:`RuntimeError` for an answer other than 200."""
        request = self._factory.get("/api/search", {"query": query}, secure=bool(settings.SECURE_SSL_REDIRECT))
        began = perf_counter()
        response = self._handler.get_response(request)
        took_ms = (perf_counter() - began) * 1000
        trace: Trace = request.trace  # type: ignore[attr-defined]
        if response.status_code != 200:
            raise RuntimeError(f"status {response.status_code}")
        outcome = trace.outcome.value if trace.outcome else ""
        keys = tuple(dict.fromkeys(lookup.key for lookup in trace.lookups))
        spent_ms = sum(trace.self_ms_by_name().values())
        return Asked(outcome, took_ms, spent_ms, keys)


def replay(run: Run, queries: Sequence[str], *, restart_mongodb: Callable[[], None] | None = None) -> None:
    """Measure all queries and store the run as it grows; it ends early when asked to, or out of time.

    Args:
        restart_mongodb: empties MongoDB's cache by a restart, for runs whose cold says so.
    """
    plan = run.plan
    run.total, run.log_hash = len(queries), hash_of(queries)
    run.machine = f"{platform.machine()}, Python {platform.python_version()}"
    runs.save(run)
    measuring = _Measuring(run, queries)
    deadline = monotonic() + plan.limit_seconds
    try:
        measuring.learn_keys(deadline)
        blocks = _MONGODB_BLOCKS if restart_mongodb else 1
        size = max(-(-len(queries) // blocks), 1)
        for start in range(0, len(queries), size):
            if restart_mongodb:
                restart_mongodb()
                _wait_for_mongodb(deadline)
            if not measuring.run_block(range(start, min(start + size, len(queries))), deadline):
                break
        else:
            run.state = "done"
    finally:
        run.ended = time()
        if run.state == "running":
            run.state = "stopped" if runs.is_asked_to_stop(run.id) else "out of time"
        run.ratio = ratio_of(run)
        runs.forget_stop(run.id)
        runs.save(run)


def _wait_for_mongodb(deadline: float) -> None:
    """Return once this process has found MongoDB again: looking for it is no part of a cold answer."""
    pause = threading.Event()
    while monotonic() < deadline:
        try:
            mongo.probe(mongo.Purpose.PAGE, mongo.Purpose.SEARCH)
        except ProbeFailed:
            pause.wait(0.05)
        else:
            return


class _Measuring:
    def __init__(self, run: Run, queries: Sequence[str]) -> None:
        self._run = run
        self._queries = queries
        self._application = Application()
        self._keys: dict[str, tuple[str, ...]] = {}
        self._locks: dict[str, threading.Lock] = {query: threading.Lock() for query in queries}
        self._result_lock = threading.Lock()
        chance = random.Random(run.plan.seed)
        self._cold_first = [chance.random() < 0.5 for _ in queries]

    def learn_keys(self, deadline: float) -> None:
        """Ask each query once, unmeasured: this fills the caches and tells which keys an answer reads."""
        for query in dict.fromkeys(self._queries):
            if self._is_over(deadline):
                return
            try:
                asked = self._application.ask(query)
                # The first answer's own reads; a second one may be shorter.
                self._keys[query] = asked.keys
            except RuntimeError as error:
                self._discard(f"could not be asked: {error}", finished=False)

    def run_block(self, places: range, deadline: float) -> bool:
        """Measure some pairs; tell whether it came to their end."""
        rate = self._run.plan.rate
        started = perf_counter() + 0.05
        saved = monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            pending: set[Any] = set()
            for number, place in enumerate(places):
                due = started + number / rate
                while (left := due - perf_counter()) > 0:
                    if self._is_over(deadline):
                        break
                    threading.Event().wait(min(left, 0.2))
                if self._is_over(deadline):
                    break
                pending.add(pool.submit(self._pair, place, due))
                if monotonic() - saved > _SAVE_SECONDS:
                    saved = monotonic()
                    self._save()
            wait(pending, timeout=30)
            for future in pending:
                future.result()
        self._save()
        return not self._is_over(deadline)

    def _pair(self, place: int, due: float) -> None:
        query = self._queries[place]
        lock = self._locks[query]
        # What a request waits for a free thread is its latency; what it waits for its twin is not, because the twin
        # would take the key away between cold and hot.
        late_ms = max(perf_counter() - due, 0.0) * 1000
        if not lock.acquire(timeout=_TWIN_SECONDS):
            self._discard("the same query was being asked for too long")
            return
        try:
            self._measure(place, query, late_ms)
        except RuntimeError as error:
            self._discard(str(error))
        finally:
            lock.release()

    def _measure(self, place: int, query: str, late_ms: float) -> None:
        cold_first = self._cold_first[place]
        if not cold_first:
            self._application.ask(query)  # Unmeasured: makes sure that there is something to hit.
        first = self._ask(query, cold=cold_first)
        second = self._ask(query, cold=not cold_first)
        first_ms, second_ms = first.took_ms + late_ms, second.took_ms
        cold, hot = (first, second) if cold_first else (second, first)
        cold_ms, hot_ms = (first_ms, second_ms) if cold_first else (second_ms, first_ms)
        if cold.outcome != "miss":
            self._discard(f"cold was {cold.outcome or 'not cached'}")
        elif hot.outcome not in _HOT[self._run.plan.hot]:
            self._discard(f"hot was {hot.outcome or 'not cached'}")
        else:
            times = [round(ms, 3) for ms in (cold_ms, hot_ms, cold.service_ms, hot.service_ms)]
            pair = Pair(query, times[0], times[1], times[2], times[3], cold_first, round(late_ms, 3))
            with self._result_lock:
                self._run.pairs.append(pair)
                self._run.finished += 1

    def _ask(self, query: str, *, cold: bool) -> Asked:
        keys = self._keys.get(query, ())
        if cold:
            invalidate(*keys)
        elif self._run.plan.hot == "redis":
            runtime.local.discard(*keys)
        return self._application.ask(query)

    def _discard(self, reason: str, *, finished: bool = True) -> None:
        with self._result_lock:
            self._run.discarded[reason] = self._run.discarded.get(reason, 0) + 1
            self._run.finished += finished

    def _is_over(self, deadline: float) -> bool:
        return monotonic() > deadline or runs.is_asked_to_stop(self._run.id)

    def _save(self) -> None:
        with self._result_lock:
            runs.save(self._run)
