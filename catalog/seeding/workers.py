"""Several processes that fill one collection, each with its share of the batches."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from catalog.indexes import PRODUCTS
from catalog.seeding.batches import BATCH, BatchResult, reason_of, store_batch
from catalog.seeding.generator import ProductGenerator

_STOP_SECONDS = 15.0


class SeedFailed(Exception):
    """The seed could not go on; the message is one line for a terminal. What is stored stays and is right."""


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """What to store where.

    Attributes:
        uri: connection string of MongoDB.
        database: name of the database.
        count: products 1 to ``count`` shall exist.
        look_first: whether products may be there already.
        batch: how many products are made and stored at once.
        answer_ms: how long worker processes wait for the server to answer.
    """

    uri: str
    database: str
    seed: int
    count: int
    look_first: bool
    batch: int = BATCH
    answer_ms: int = 5000

    def batches(self, worker: int, workers: int) -> Iterator[range]:
        """Yield the numbers of the products that ``worker`` of ``workers`` looks after, batch by batch."""
        for start in range(1 + worker * self.batch, self.count + 1, workers * self.batch):
            yield range(start, min(start + self.batch, self.count + 1))


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str


def run_workers(plan: SeedPlan, *, workers: int, on_result: Callable[[BatchResult], None]) -> None:
    """Carry out ``plan`` in ``workers`` processes.

    However it ends, by an error or by Ctrl-C, no process stays behind and batches under way are finished.

    Raises:
        SeedFailed: a worker met an error or ended unexpectedly.
    """
    # A forked process would inherit locks and sockets of the driver in an unknown state.
    context = get_context("spawn")
    running: dict[Connection, BaseProcess] = {}
    try:
        with _interrupt_held_back():
            for worker in range(workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(plan, worker, workers, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = process
        while running:
            _receive(running, on_result, timeout_seconds=None)
    finally:
        _stop(running, on_result)


def _work(plan: SeedPlan, worker: int, workers: int, parent: Connection) -> None:
    generator = ProductGenerator(plan.seed)
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            plan.uri, appname="speedscale-seed", serverSelectionTimeoutMS=plan.answer_ms
        )
        with client:
            collection = client[plan.database][PRODUCTS]
            for numbers in plan.batches(worker, workers):
                if parent.poll():
                    return  # Told to stop, or the parent has gone.
                parent.send(store_batch(collection, generator, numbers, look_first=plan.look_first))
    except PyMongoError as error:
        parent.send(_Failure(reason_of(error)))
    except (BrokenPipeError, ConnectionResetError):
        return  # The parent has gone, and nobody waits for the rest.


def _receive(
    running: dict[Connection, BaseProcess],
    on_result: Callable[[BatchResult], None],
    *,
    timeout_seconds: float | None,
) -> None:
    """Take what the workers have to say; forget those that are done."""
    for ready in wait(list(running), timeout_seconds):
        connection = cast("Connection", ready)
        try:
            message = connection.recv()
        except (EOFError, ConnectionResetError):
            process = running.pop(connection)
            connection.close()
            process.join()
            if process.exitcode:
                raise SeedFailed(f"A worker process ended unexpectedly (status {process.exitcode}).") from None
            continue
        if isinstance(message, _Failure):
            raise SeedFailed(message.reason)
        on_result(message)


def _stop(running: dict[Connection, BaseProcess], on_result: Callable[[BatchResult], None]) -> None:
    for connection in running:
        try:
            connection.send("stop")
        except OSError:
            continue  # It has ended by itself.
    deadline = time.monotonic() + _STOP_SECONDS
    while running and time.monotonic() < deadline:
        try:
            _receive(running, on_result, timeout_seconds=max(0.0, deadline - time.monotonic()))
        except SeedFailed:
            continue  # The first failure is the one that is reported.
    for connection, process in running.items():
        process.terminate()
        process.join()
        connection.close()


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Start processes that a terminal's Ctrl-C does not reach: they inherit the blocked signal."""
    # It would be started with the first worker, and unblocks the signal when it is.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
