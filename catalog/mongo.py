"""The connection to MongoDB: one client a process, bounded waits, every command in the trace.

Pages must fail fast, so :func:`database` bounds each operation. Commands that load or build for minutes use
:func:`command_database`, which bounds only the wait for a server.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any

import pymongo
from bson.codec_options import CodecOptions
from django.conf import settings
from pymongo import MongoClient, monitoring
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from cachelayer.health import ProbeFailed
from cachelayer.server.breaker import CircuitBreaker
from cachelayer.trace import Trace, current_trace
from catalog import commands
from catalog.errors import CatalogUnavailable
from catalog.pool_use import PoolUse

Documents = Database[dict[str, Any]]

_INDEX_MISSING = frozenset({2, 27})


class OutOfTime(Exception):
    """An operation exceeded the time that its answer is worth."""


class Purpose(Enum):
    """What a client is for, which decides how long its operations may take."""

    PAGE = "speedscale"
    SEARCH = "speedscale-search"
    COMMAND = "speedscale-command"


breaker = CircuitBreaker(failure_threshold=2, retry_seconds=1.0)
_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_HEARTBEAT_MS = 2000
"""How often the driver looks after each server. One that has fallen silent counts as gone within this and the time to
connect, and reads go to the others; with the driver's default of 10 s that would last until they elect a primary."""
_clients: dict[tuple[int, Purpose], MongoClient[dict[str, Any]]] = {}
_lock = threading.Lock()


class _CommandSpans(monitoring.CommandListener):
    """Adds each MongoDB command of a request to its trace, with the time that the driver measured."""

    def __init__(self) -> None:
        self._running = threading.local()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self._running.command = event.command

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        trace = current_trace()
        if trace is not None:
            documents = _documents_in(event.reply)
            self._add(trace, event, documents=documents)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        trace = current_trace()
        if trace is not None:
            self._add(trace, event, documents=-1)

    def _add(
        self,
        trace: Trace,
        event: monitoring.CommandSucceededEvent | monitoring.CommandFailedEvent,
        *,
        documents: int,
    ) -> None:
        command = self._running.command
        collection = command.get(event.command_name)
        detail = f"{event.command_name} {collection}" if isinstance(collection, str) else event.command_name
        text = partial(commands.text_of, command) if event.command_name in commands.EXPLAINABLE else None
        trace.add_finished("mongodb", event.duration_micros / 1000, detail, documents=documents, command=text)


pool = PoolUse()


def _documents_in(reply: Mapping[str, Any]) -> int:
    """Return how many documents a reply carries or counts; -1 where that is not known."""
    cursor = reply.get("cursor")
    if cursor is not None:
        return len(cursor.get("firstBatch", cursor.get("nextBatch", ())))
    number = reply.get("n")
    return number if isinstance(number, int) else -1


def _client(purpose: Purpose) -> MongoClient[dict[str, Any]]:
    # A client must not be carried across fork(): its threads and locks would stay behind.
    key = (os.getpid(), purpose)
    client = _clients.get(key)
    if client is None:
        with _lock:
            client = _clients.get(key)
            if client is None:
                client = _clients[key] = _connect(purpose)
    return client


def _connect(purpose: Purpose) -> MongoClient[dict[str, Any]]:
    if not settings.MONGO_URI:
        raise CatalogUnavailable(
            "No MongoDB is known: run `manage.py up` in another terminal, or set MONGO_URI (and REDIS_URL)."
        )
    if purpose is Purpose.PAGE:
        return connect_for_requests([_CommandSpans(), pool])
    if purpose is Purpose.SEARCH:
        return _connect_for_search([_CommandSpans(), pool])
    return MongoClient(
        settings.MONGO_URI,
        appname=purpose.value,
        serverSelectionTimeoutMS=5000,
        waitQueueTimeoutMS=5000,
        w=_write_concern(),
    )


def _connect_for_search(listeners: Sequence[Any]) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        settings.MONGO_URI,
        appname=Purpose.SEARCH.value,
        event_listeners=listeners,
        serverSelectionTimeoutMS=settings.MONGO_TIMEOUT_MS,
        waitQueueTimeoutMS=settings.MONGO_TIMEOUT_MS,
        # No timeoutMS: it would overwrite the maxTimeMS of each operation, by which MongoDB itself ends it in time.
        # A read is tried twice, so each try gets half of the time.
        socketTimeoutMS=settings.MONGO_TIMEOUT_MS // 2,
        connectTimeoutMS=settings.MONGO_TIMEOUT_MS,
        heartbeatFrequencyMS=_HEARTBEAT_MS,
        **_choices(),
    )


def connect_for_requests(listeners: Sequence[Any]) -> MongoClient[dict[str, Any]]:
    """Return a new client with the bounds that requests have; the caller closes it."""
    return MongoClient(
        settings.MONGO_URI,
        appname=Purpose.PAGE.value,
        event_listeners=listeners,
        serverSelectionTimeoutMS=settings.MONGO_TIMEOUT_MS,
        # Without a limit, threads would queue up for a free connection for as long as MongoDB hangs.
        waitQueueTimeoutMS=settings.MONGO_TIMEOUT_MS,
        timeoutMS=settings.MONGO_TIMEOUT_MS,
        connectTimeoutMS=settings.MONGO_TIMEOUT_MS,
        heartbeatFrequencyMS=_HEARTBEAT_MS,
        **_choices(),
    )


def _choices() -> dict[str, Any]:
    """Return what an operator may choose about requests (docs/data-model.md)."""
    return {
        "maxPoolSize": settings.MONGO_POOL_SIZE,
        "readPreference": settings.MONGO_READ_PREFERENCE,
        "w": _write_concern(),
        "retryReads": settings.MONGO_RETRY,
        "retryWrites": settings.MONGO_RETRY,
    }


def _write_concern() -> int | str:
    told = settings.MONGO_WRITE_CONCERN
    return int(told) if told.isdigit() else told


def database() -> Documents:
    """Return the database for requests: each operation ends within ``MONGO_TIMEOUT_MS``."""
    return _client(Purpose.PAGE).get_database(settings.MONGO_DB, codec_options=_CODEC)


def command_database() -> Documents:
    """Return the database for management commands, whose operations may take long."""
    return _client(Purpose.COMMAND).get_database(settings.MONGO_DB, codec_options=_CODEC)


def close() -> None:
    """Close this process's clients; the next use opens new ones."""
    with _lock:
        for key in [key for key in _clients if key[0] == os.getpid()]:
            _clients.pop(key).close()


@contextmanager
def reading(purpose: Purpose = Purpose.PAGE) -> Iterator[Documents]:
    """Give the database for a request's reads; driver errors become :class:`~catalog.errors.CatalogUnavailable`.

    After repeated failures of the server the circuit opens, and requests fail at once instead of piling up in threads.
    A query that was too expensive is no failure of the server.
    """
    if not breaker.allows():
        raise CatalogUnavailable(breaker.reason)
    try:
        yield _client(purpose).get_database(settings.MONGO_DB, codec_options=_CODEC)
    except (ConnectionFailure, ServerSelectionTimeoutError, AutoReconnect, NetworkTimeout) as error:
        breaker.record_failure(_reason(error))
        raise CatalogUnavailable(_reason(error)) from error
    except ExecutionTimeout as error:
        raise CatalogUnavailable(_reason(error)) from error
    except OperationFailure as error:
        if error.code in _INDEX_MISSING and "hint" in str(error):
            # The indexes are being built, as after a large seed.
            raise CatalogUnavailable(_reason(error)) from error
        raise  # The server is well and our query is wrong: a bug, to be seen as one.
    except PyMongoError as error:
        raise CatalogUnavailable(_reason(error)) from error
    else:
        breaker.record_success()


@contextmanager
def searching() -> Iterator[Documents]:
    """Give the database for reads that state their own ``max_time_ms``.

    An operation that MongoDB ends for that raises :class:`OutOfTime`; other errors are as in :func:`reading`.
    """
    with reading(Purpose.SEARCH) as database:
        try:
            yield database
        except ExecutionTimeout as error:
            raise OutOfTime(_reason(error)) from error


@contextmanager
def within(budget_ms: int) -> Iterator[None]:
    """Bound the operations of the block; one that takes longer raises :class:`OutOfTime` and disturbs nothing else.

    A ``maxTimeMS`` would be overwritten by the client's own limit.
    """
    try:
        with pymongo.timeout(budget_ms / 1000):
            yield
    except PyMongoError as error:
        if error.timeout:
            raise OutOfTime(_reason(error)) from error
        raise


@contextmanager
def commanding() -> Iterator[Documents]:
    """Give the database for a management command; driver errors become :class:`~catalog.errors.CatalogUnavailable`."""
    try:
        yield command_database()
    except PyMongoError as error:
        raise CatalogUnavailable(_reason(error)) from error


def probe(*purposes: Purpose) -> None:
    """Ask MongoDB for a sign of life, past the circuit breaker, and close the circuit when there is one.

    Args:
        purposes: of the clients to ask with, each of which has to find a server for itself; by default that of pages.
    """
    try:
        for purpose in purposes or (Purpose.PAGE,):
            _client(purpose).get_database(settings.MONGO_DB).command("ping")
    except (PyMongoError, CatalogUnavailable) as error:
        raise ProbeFailed(_reason(error)) from error
    breaker.record_success()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition(", Timeout:")[0][:200]
