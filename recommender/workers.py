"""Forked processes that share the memory of their parent, each with its part of the work.

Forked, because the vectors of a large catalogue should be in memory once. A process opens its own connection to
MongoDB, ends at the next piece of work when its parent has gone, and is stopped before its parent goes on after an
error, so that nothing is written behind the parent's back.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar, cast

Item = TypeVar("Item")
Done = TypeVar("Done")
_STOP_SECONDS = 10.0


class WorkerFailed(RuntimeError):
    """A process has died, as when memory has run out; the message says how."""


def run_forked(work: Callable[[Item], Done], items: Sequence[Item], *, processes: int) -> Iterator[Done]:
    """Yield the results of ``work`` on each item, as they come.

    Raises:
        WorkerFailed: a process ended before its work did.
        Exception: what ``work`` raised in a process.
    """
    context = get_context("fork")
    running: dict[Connection, BaseProcess] = {}
    try:
        for number in range(processes):
            ours, theirs = context.Pipe(duplex=False)
            part = items[number::processes]
            process = context.Process(target=_work, args=(work, part, theirs, [ours, *running]), daemon=True)
            process.start()
            theirs.close()
            running[ours] = process
        while running:
            yield from _received(running)
    finally:
        for connection, worker in running.items():
            worker.terminate()
            worker.join(_STOP_SECONDS)
            if worker.is_alive():
                worker.kill()
                worker.join()
            connection.close()


def _work(
    work: Callable[[Item], Done], items: Sequence[Item], result: Connection, inherited: Sequence[Connection]
) -> None:
    # Ctrl-C reaches all processes of a terminal; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in inherited:
        connection.close()
    parent = os.getppid()
    # A parent that has gone leaves a broken pipe, and nobody to tell.
    with suppress(BrokenPipeError):
        for item in items:
            if os.getppid() != parent:
                return
            try:
                done: Done | Exception = work(item)
            except Exception as error:  # noqa: BLE001  (the edge of this process: the parent raises it)
                done = error
            result.send(done)
            if isinstance(done, Exception):
                return


def _received(running: dict[Connection, BaseProcess]) -> Iterator[Done]:
    for ready in wait(list(running)):
        connection = cast("Connection", ready)
        try:
            message = connection.recv()
        except EOFError:
            process = running.pop(connection)
            connection.close()
            process.join()
            if process.exitcode:
                raise WorkerFailed(f"A process that writes neighbours ended with status {process.exitcode}.") from None
            continue
        if isinstance(message, Exception):
            raise message
        yield message
