"""Seeding as a whole: from an order for N products to a catalogue that can be searched."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from catalog.derived import catch_up, is_behind, mark_behind
from catalog.indexes import PRODUCTS, ensure_collections
from catalog.progress import Progress
from catalog.seeding.batches import BATCH, BatchResult, reason_of, store_batch
from catalog.seeding.generator import DEFAULT_SEED, ProductGenerator
from catalog.seeding.index_builds import build_missing_indexes, drop_product_indexes
from catalog.seeding.workers import SeedFailed, SeedPlan, run_workers

MAX_COUNT = 99_999_999
ONE_PROCESS = 20_000
"""Up to this many products, starting processes takes longer than making the products."""
BULK = 5_000
"""From this many products on, indexes are built after the load where that disturbs nobody."""
WORTH_A_HINT = 50_000
"""So many products to add take long enough to mention the faster way."""


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What a seed did.

    Attributes:
        created: products stored.
        present: products that were there already.
        deleted: products removed by a reset.
        load_seconds: duration of making and storing.
        indexes: names of the indexes built.
        index_seconds: duration of building them.
        categories: categories of the catalogue, of all products.
    """

    created: int
    present: int
    deleted: int
    load_seconds: float
    indexes: tuple[str, ...]
    index_seconds: float
    categories: int


def seed_catalogue(
    *,
    database: Database[dict[str, Any]],
    uri: str,
    count: int,
    seed: int = DEFAULT_SEED,
    reset: bool = False,
    rebuild_indexes: bool = False,
    progress: Progress | None = None,
    processes: int | None = None,
) -> SeedReport:
    """Make sure that products 1 to ``count`` of the seeded catalogue ``seed`` exist, with indexes and categories.

    Products that exist stay as they are, whoever stored them, so an interrupted seed goes on where it stopped.

    Args:
        database: where to, with unbounded operations.
        uri: connection string of the same server, for worker processes.
        reset: delete all products first.
        rebuild_indexes: build the indexes after the load even if the catalogue holds products, which cannot be
            searched meanwhile. An empty catalogue is always filled this way.
        processes: how many to load with; as many as there are processors if left out.

    Raises:
        SeedFailed: MongoDB or a worker failed; the message is one line. Running it again goes on.
        catalog.indexes.IndexConflict: an index of the same name has other keys.
    """
    progress = progress or Progress()
    try:
        ensure_collections(database)
        left_behind = is_behind(database)
        mark_behind(database, recount=True)
        deleted = _delete_products(database, progress) if reset else 0
        empty = database[PRODUCTS].find_one({}, {"_id": 1}) is None
        if rebuild_indexes or (empty and count >= BULK):
            # Kept up to date during the load they would take several times as long as the load itself.
            drop_product_indexes(database)
        elif not empty and count - database[PRODUCTS].estimated_document_count() >= WORTH_A_HINT:
            progress.say("The catalogue can be searched meanwhile; with --rebuild-indexes this would be much faster.")
        started = time.perf_counter()
        plan = SeedPlan(uri=uri, database=database.name, seed=seed, count=count, look_first=not empty, batch=BATCH)
        loaded = _load(database, plan, processes or os.cpu_count() or 1, progress)
        load_seconds = time.perf_counter() - started
        started = time.perf_counter()
        indexes = build_missing_indexes(database, progress)
        index_seconds = time.perf_counter() - started
        recount = left_behind or loaded.created > 0 or deleted > 0
        categories = catch_up(database, progress, recount=recount)
    except PyMongoError as error:
        raise SeedFailed(reason_of(error)) from error
    finally:
        progress.end()
    return SeedReport(
        created=loaded.created,
        present=loaded.present,
        deleted=deleted,
        load_seconds=load_seconds,
        indexes=tuple(indexes),
        index_seconds=index_seconds,
        categories=categories,
    )


def _delete_products(database: Database[dict[str, Any]], progress: Progress) -> int:
    """Delete all products and nothing else.

    The collection itself stays: dropping it would end change streams and, on a cluster, undo its sharding.
    """
    total = database[PRODUCTS].estimated_document_count()
    if total >= BULK:
        drop_product_indexes(database)
    progress.begin(f"Deleting {total:,} products", 1, shows_rate=False)
    deleted = database[PRODUCTS].delete_many({}).deleted_count
    progress.end()
    return deleted


def _load(database: Database[dict[str, Any]], plan: SeedPlan, processes: int, progress: Progress) -> BatchResult:
    created = present = 0

    def on_result(result: BatchResult) -> None:
        nonlocal created, present
        created += result.created
        present += result.present
        progress.update(created + present)

    progress.begin("Products", plan.count, shows_rate=True)
    if plan.count <= ONE_PROCESS or processes == 1:
        generator = ProductGenerator(plan.seed)
        for numbers in plan.batches(0, 1):
            on_result(store_batch(database[PRODUCTS], generator, numbers, look_first=plan.look_first))
    else:
        run_workers(plan, workers=processes, on_result=on_result)
    progress.end()
    return BatchResult(created=created, present=present)
