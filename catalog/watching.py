"""Follow what happens to products in MongoDB, whoever does it, and tell the caches.

MongoDB's change stream reports each write. The place reached is kept in MongoDB, so a watcher that was stopped goes on
where it ended. It moves on only once Redis has heard of all changes before it: what Redis could not be told is known to
this process alone. Where the watcher was away for longer than MongoDB remembers, nothing that was cached before can be
trusted.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from pymongo.change_stream import ChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from cachelayer.engine import is_everything_told
from cachelayer.invalidation.watch_state import WatchState, publish_watch_state
from catalog import mongo
from catalog.changes import (
    announce_changes,
    announce_unknown_changes,
    tags_of_difference,
    tags_of_repricing,
)
from catalog.errors import CatalogUnavailable
from catalog.indexes import PRODUCTS
from catalog.vocabulary.learning import learn_products

logger = logging.getLogger(__name__)

PLACES = "watchers"
PLACE = "catalog"
_BATCH = 500
_IDLE_SECONDS = 0.5
_RECONNECT_SECONDS = 0.5
_SAVE_SECONDS = 1.0
_REPEAT_SECONDS = 5.0
_WORST_OF_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 15.0
_GIVE_UP_AFTER = 5
"""So many refusals in a row end the place: an event that MongoDB cannot deliver would be met by every attempt."""
_HISTORY_LOST = frozenset({136, 260, 280, 286})
_NOT_A_REPLICA_SET = 40573
_ENDS_THE_COLLECTION = frozenset({"drop", "rename", "dropDatabase", "invalidate"})
_PIPELINE: list[dict[str, Any]] = [
    {
        "$project": {
            "operationType": 1,
            "documentKey": 1,
            "wallTime": 1,
            "fullDocument.category_path": 1,
            "fullDocument.terms": 1,
            "fullDocument.words": 1,
            "updateDescription.updatedFields": 1,
        }
    }
]
Stream = ChangeStream[dict[str, Any]]


@dataclass(slots=True)
class Batch:
    """Changes told together.

    Attributes:
        worded: of ``product_ids``, those whose words, filters or order may have changed.
        unplaced: whether a product may have been in a category that the stream does not name.
        searches: tags of the searches that a product may have entered.
        everything: whether the whole collection was dropped or renamed.
        written_at: when MongoDB took the oldest of the writes; ``None`` before MongoDB 6.0, which does not say.
        token: where to go on after these.
    """

    product_ids: list[str] = field(default_factory=list)
    worded: list[str] = field(default_factory=list)
    category_paths: set[tuple[str, ...]] = field(default_factory=set)
    unplaced: bool = False
    searches: set[str] = field(default_factory=set)
    everything: bool = False
    written_at: datetime | None = None
    token: Mapping[str, Any] | None = None

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the change stream."""
        self.token = event["_id"]
        self.written_at = self.written_at or event.get("wallTime")
        kind = event["operationType"]
        if kind in _ENDS_THE_COLLECTION:
            self.everything = True
            return
        product_id = str(event["documentKey"]["_id"])
        self.product_ids.append(product_id)
        document = event.get("fullDocument") or {}
        path = document.get("category_path")
        if path:
            self.category_paths.add(tuple(path))
        updated = {name.partition(".")[0] for name in event.get("updateDescription", {}).get("updatedFields", {})}
        if kind != "update" or not updated.isdisjoint({"terms", "words", "order", "attributes"}):
            self.worded.append(product_id)
        if kind != "update" or not updated.isdisjoint({"terms", "words"}):
            # Which words are new is not told, so all of them may be.
            self.searches |= tags_of_difference(None, document)
        elif "order" in updated:
            self.searches |= tags_of_repricing(document)
        moved = "category_path" in updated
        # Of deleted, replaced and moved products the stream does not tell where they were before.
        if not path or kind == "replace" or moved:
            self.unplaced = True

    def tell(self) -> None:
        """Tell the caches."""
        if self.everything:
            announce_unknown_changes()
        if self.product_ids:
            # First, because a search that is loaded in between would go without the product and stay cached.
            self._learn()
            announce_changes(self.product_ids, self.category_paths, unplaced=self.unplaced, searches=self.searches)

    def _learn(self) -> None:
        try:
            learn_products(self.worded)
        except CatalogUnavailable as error:
            logger.warning("Search does not know the words of %d products yet (%s).", len(self.worded), error)

    def lag_ms(self) -> float:
        """Return the milliseconds since the oldest write."""
        return (datetime.now(UTC) - self.written_at).total_seconds() * 1000 if self.written_at else 0.0


def watch(stopping: threading.Event) -> None:
    """Follow the catalogue until ``stopping`` is set; where MongoDB has no change streams, only say so."""
    watcher = _Watcher(stopping)
    failures = 0
    while not stopping.is_set():
        told_before = watcher.told
        try:
            watcher.follow()
            failures = 0
        except PyMongoError as error:
            if _code(error) == _NOT_A_REPLICA_SET:
                logger.warning("This MongoDB is no replica set, so it does not tell of changes made by others.")
                _say_unsupported(stopping)
                return
            failures = 1 if watcher.told > told_before else failures + 1
            if _code(error) in _HISTORY_LOST:
                logger.warning("MongoDB has forgotten what changed since the watcher was here: all caches are old.")
                announce_unknown_changes()
                watcher.forget_place()
            else:
                logger.warning("MongoDB does not tell the watcher of changes (%s); it goes on trying.", _told(error))
                if isinstance(error, OperationFailure) and failures == _GIVE_UP_AFTER:
                    watcher.forget_place()  # Whoever starts without a place tells that all caches are old.
            stopping.wait(min(_RECONNECT_SECONDS * 2 ** max(failures - 1, 0), _LONGEST_PAUSE_SECONDS))


def _code(error: PyMongoError) -> int | None:
    return error.code if isinstance(error, OperationFailure) else None


def _told(error: PyMongoError) -> str:
    return f"{type(error).__name__}: {error}".partition(", full error:")[0].partition(", Timeout:")[0][:200]


def _say_unsupported(stopping: threading.Event) -> None:
    publish_watch_state(WatchState(supported=False))
    while not stopping.wait(_REPEAT_SECONDS):
        publish_watch_state(WatchState(supported=False))


class _Watcher:
    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._events = 0
        self._worst_ms = 0.0
        self._worst_since = monotonic()

    def follow(self) -> None:
        """Follow one stream until it ends or fails."""
        place = mongo.command_database()[PLACES].find_one({"_id": PLACE})
        with mongo.command_database()[PRODUCTS].watch(
            _PIPELINE, full_document="updateLookup", resume_after=place["token"] if place else None, batch_size=_BATCH
        ) as stream:
            if place is None:
                announce_unknown_changes()  # Nobody has seen what happened before.
                self._save_place(stream.resume_token)
            self._publish(0.0)
            arrivals: queue.Queue[Mapping[str, Any] | PyMongoError | None] = queue.Queue(maxsize=10 * _BATCH)
            reader = threading.Thread(target=_read, args=(stream, arrivals), name="change-stream", daemon=True)
            reader.start()
            self._tell_arrivals(stream, arrivals)
        reader.join(timeout=2)

    @property
    def told(self) -> int:
        """How many changes have been told so far."""
        return self._events

    def forget_place(self) -> None:
        """Start from now next time."""
        try:
            mongo.command_database()[PLACES].delete_one({"_id": PLACE})
        except PyMongoError as error:
            logger.warning("The watcher's place cannot be forgotten yet (%s).", _told(error))

    def _tell_arrivals(self, stream: Stream, arrivals: queue.Queue[Mapping[str, Any] | PyMongoError | None]) -> None:
        token: Mapping[str, Any] | None = None
        saved_at = monotonic()
        while not self._stopping.is_set():
            # Asked before the wait, so that no event up to there is still on its way from the reader.
            reached = stream.resume_token
            batch = _next_batch(arrivals)
            if batch is None:
                break
            if batch.token is not None:
                batch.tell()
                token = batch.token
                self._events += len(batch.product_ids)
                self._publish(batch.lag_ms())
            else:
                token = reached or token
                self._publish(0.0)
            if token is not None and monotonic() - saved_at > _SAVE_SECONDS:
                self._save_place(token)
                saved_at = monotonic()
        if token is not None:
            self._save_place(token)

    def _publish(self, lag_ms: float) -> None:
        if monotonic() - self._worst_since > _WORST_OF_SECONDS:
            self._worst_ms, self._worst_since = 0.0, monotonic()
        self._worst_ms = max(self._worst_ms, lag_ms)
        publish_watch_state(WatchState(round(lag_ms, 1), round(self._worst_ms, 1), self._events))

    @staticmethod
    def _save_place(token: Mapping[str, Any] | None) -> None:
        if token is not None and is_everything_told():
            place = {"$set": {"token": token, "at": datetime.now(UTC)}}
            mongo.command_database()[PLACES].update_one({"_id": PLACE}, place, upsert=True)


def _read(stream: Stream, arrivals: queue.Queue[Mapping[str, Any] | PyMongoError | None]) -> None:
    try:
        for event in stream:
            arrivals.put(event)
    except PyMongoError as error:
        arrivals.put(error)
    else:
        arrivals.put(None)


def _next_batch(arrivals: queue.Queue[Mapping[str, Any] | PyMongoError | None]) -> Batch | None:
    """Return what has arrived, an empty batch where nothing has for a while, ``None`` where the stream has ended."""
    batch = Batch()
    try:
        arrival = arrivals.get(timeout=_IDLE_SECONDS)
        while True:
            if arrival is None:
                return batch if batch.token is not None else None
            if isinstance(arrival, PyMongoError):
                raise arrival
            batch.add(arrival)
            if len(batch.product_ids) >= _BATCH:
                return batch
            arrival = arrivals.get_nowait()
    except queue.Empty:
        return batch
