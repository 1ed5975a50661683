"""A steady load of reads and acknowledged writes, which keeps account of what a failover does to it.

It uses the clients, timeouts and cache that requests use, on documents of its own.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymongo import monitoring
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from cachelayer.engine import get_or_load
from cachelayer.policies import Policy
from catalog import mongo
from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS

COLLECTION = "failover_drill"
_READABLE = 100
_GAP_SECONDS = 0.2
_PAUSE_SECONDS = 0.004
_SLOTS_PER_SECOND = 10
_POLICY = Policy("drill", soft_seconds=0.5, hard_seconds=120, local_seconds=0, early=0.0)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a success: when it began (seconds of the machine's monotonic clock), and how long it took."""

    began: float
    seconds: float


@dataclass(slots=True)
class Tally:
    """Successes and failures of one kind of operation, and the gaps between successes."""

    succeeded: int = 0
    failed: int = 0
    gaps: list[Gap] = field(default_factory=list)
    last: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def success(self) -> None:
        with self.lock:
            now = time.monotonic()
            if now - self.last > _GAP_SECONDS:
                self.gaps.append(Gap(self.last, now - self.last))
            self.last = now
            self.succeeded += 1

    def failure(self) -> None:
        with self.lock:
            self.failed += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "succeeded": self.succeeded,
            "failed": self.failed,
            "gaps": [[gap.began, gap.seconds] for gap in self.gaps],
        }


class Load:
    """Two writers, two readers of MongoDB and two readers of the cache, until :meth:`stop`."""

    def __init__(self) -> None:
        self.written, self.read, self.cached = Tally(), Tally(), Tally()
        self.outcomes: Counter[tuple[int, str]] = Counter()
        """Cached reads by the tenth of a second (of the monotonic clock) that they ended in, and outcome."""
        self._outcomes_lock = threading.Lock()
        self._acknowledged: set[str] = set()
        self._unknown: set[str] = set()
        self._retries = _Retries()
        self._client = mongo.connect_for_requests([self._retries])
        database = self._client[mongo.command_database().name]
        self._documents = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Store the documents that are read, and begin."""
        collection = mongo.command_database().get_collection(COLLECTION, write_concern=WriteConcern("majority"))
        collection.drop()
        collection.insert_many([{"_id": f"read:{number}", "n": number} for number in range(_READABLE)])
        for tally in (self.written, self.read, self.cached):
            tally.last = time.monotonic()
        for work in (self._write, self._write, self._read, self._read, self._read_cached, self._read_cached):
            thread = threading.Thread(target=self._repeat, args=(work,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> dict[str, Any]:
        """End the load, look for every acknowledged write, and return the account."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        collection = mongo.command_database().get_collection(COLLECTION, read_concern=ReadConcern("majority"))
        present = {row["_id"] for row in collection.find({"_id": {"$regex": "^write:"}}, {"_id": 1})}
        lost = self._acknowledged - present
        collection.drop()
        self._client.close()
        return {
            "writes": self.written.as_json(),
            "reads": self.read.as_json(),
            "cached_reads": self.cached.as_json(),
            "acknowledged": len(self._acknowledged),
            "lost": len(lost),
            "unknown_but_stored": len(self._unknown & present),
            "retried_writes": self._retries.rescued["insert"],
            "retried_reads": self._retries.rescued["find"],
            "outcomes": [[slot / _SLOTS_PER_SECOND, name, count] for (slot, name), count in self.outcomes.items()],
        }

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            work()
            # A load that is steady rather than as much as the machine gives.
            self._stopping.wait(_PAUSE_SECONDS)

    def _write(self) -> None:
        name = f"write:{os.getpid()}:{next(self._numbers)}"
        try:
            self._documents.insert_one({"_id": name})
        except PyMongoError:
            # It may have been stored all the same; what counts is that nobody was told so.
            self._unknown.add(name)
            self.written.failure()
        else:
            self._acknowledged.add(name)
            self.written.success()

    def _read(self) -> None:
        try:
            found = self._documents.find_one({"_id": f"read:{next(self._numbers) % _READABLE}"})
        except PyMongoError:
            self.read.failure()
        else:
            self.read.success() if found else self.read.failure()

    def _read_cached(self) -> None:
        number = next(self._numbers) % _READABLE
        try:
            answer = get_or_load(f"drill:{number}", _POLICY, lambda: _load(number))
        except CatalogUnavailable:
            self.cached.failure()
        else:
            with self._outcomes_lock:
                self.outcomes[int(time.monotonic() * _SLOTS_PER_SECOND), answer.outcome.value] += 1
            self.cached.success()


def _load(number: int) -> int:
    with mongo.reading() as database:
        found = database[COLLECTION].find_one({"_id": f"read:{number}"})
    if found is None:
        raise CatalogUnavailable("the drill's documents are gone")
    return int(found["n"])


class _Retries(monitoring.CommandListener):
    """Counts, by command, operations that succeeded at the driver's second attempt.

    The driver gives all attempts of an operation one ``operation_id``. An attempt that did not get as far as a command,
    because no server or connection was to be had, is not told to listeners, and the next one then counts as the first.
    """

    def __init__(self) -> None:
        self._failed: set[int] = set()
        self._lock = threading.Lock()
        self.rescued: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Nothing is counted before an end is known."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        with self._lock:
            if event.operation_id in self._failed:
                self._failed.discard(event.operation_id)
                self.rescued[event.command_name] += 1

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        if event.operation_id is not None:
            with self._lock:
                self._failed.add(event.operation_id)


def product_paths(limit: int) -> list[str]:
    """Return the API's addresses of up to ``limit`` products."""
    rows = mongo.command_database()[PRODUCTS].find({"active": True}, {"_id": 1}).limit(limit)
    return [f"/api/products/{row['_id']}" for row in rows]
