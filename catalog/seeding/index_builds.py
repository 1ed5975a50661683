"""Indexes around a large load: out of the way before it, built side by side after it."""

from __future__ import annotations

import threading
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from catalog.indexes import INDEXES, PRODUCTS, Index, ensure_indexes
from catalog.progress import Progress

PARALLEL = 2
"""Builds at a time: one keeps one core busy, and each sorts within 200 MB of the server's memory."""
_POLL_SECONDS = 0.5
_PHASES = 2  # MongoDB first scans the collection and sorts, then inserts the keys.


def drop_product_indexes(database: Database[dict[str, Any]]) -> None:
    """Drop the project's indexes of ``products``; those that others made stay."""
    present = database[PRODUCTS].index_information()
    for index in _product_indexes():
        if index.name in present:
            database[PRODUCTS].drop_index(index.name)


def build_missing_indexes(database: Database[dict[str, Any]], progress: Progress) -> list[str]:
    """Build the indexes of ``products`` that are missing, then ensure all others; return the names of the built.

    Raises:
        catalog.indexes.IndexConflict: an index of the same name has other keys.
        PyMongoError: MongoDB failed.
    """
    present = database[PRODUCTS].index_information()
    missing = [index for index in _product_indexes() if index.name not in present]
    waiting, finished, errors = list(missing), list[str](), list[PyMongoError]()

    def build() -> None:
        while waiting and not errors:
            index = waiting.pop()
            try:
                database[PRODUCTS].create_indexes([index.model()])
            except PyMongoError as error:
                errors.append(error)
            else:
                finished.append(index.name)

    # Daemons, so that Ctrl-C need not wait for MongoDB; a build that goes on there is found by the next run.
    progress.begin(f"{len(missing)} indexes", len(missing), shows_rate=False)
    threads = [threading.Thread(target=build, daemon=True) for _ in range(min(PARALLEL, len(missing)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            progress.update(len(finished) + _work_under_way(database))
    progress.end()
    if errors and not isinstance(errors[0], OperationFailure):
        raise errors[0]
    # Also says in plain words what is wrong with an index that could not be built.
    ensure_indexes(database)
    return finished


def _product_indexes() -> list[Index]:
    return [index for index in INDEXES if index.collection == PRODUCTS]


def _work_under_way(database: Database[dict[str, Any]]) -> float:
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {}},
        {
            "$match": {
                "ns": f"{database.name}.{PRODUCTS}",
                "msg": {"$regex": "^Index Build"},
                "progress.total": {"$gt": 0},
            }
        },
    ]
    try:
        running = list(database.client.admin.aggregate(pipeline))
    except PyMongoError:
        return 0.0  # Progress is a courtesy: some accounts may not see it, and a lost server is met by the builds.
    done = 0.0
    for operation in running:
        share = min(1.0, operation["progress"]["done"] / operation["progress"]["total"])
        phase = 0 if "scanning" in operation["msg"] else 1
        done += (phase + share) / _PHASES
    return done
