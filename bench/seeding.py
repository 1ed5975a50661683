"""P9: seeding a million products, against one-by-one generation with a fake-data library.

Both sides fill an empty collection with the validator and without secondary indexes, on one throwaway MongoDB, in
turns. Ours is the whole load of ``manage.py seed`` with the start of its processes; the reference is one process that
makes a product at a time with ``faker`` and inserts 400 at once, of two kinds:

- *same document*: what our side stores, so also attributes, search terms and sort keys (the bar is against this one);
- *plain document*: name, brand, category, description, price, image, rating, stock and times alone.

Run it with ``python -m bench.seeding [--full]``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from bson import ObjectId
from faker import Faker
from pymongo import MongoClient
from pymongo.database import Database
from rich.console import Console
from rich.table import Table

from bench.result import Result, spread
from catalog.documents import ProductDraft, to_document, validated
from catalog.indexes import PRODUCTS, ensure_collections
from catalog.progress import Progress
from catalog.seeding.batches import BatchResult
from catalog.seeding.index_builds import build_missing_indexes
from catalog.seeding.workers import SeedPlan, run_workers
from speedscale.embedded.mongod import MongodServer

BAR = 20.0
REFERENCE_BATCH = 400
WORKERS = 2
CATEGORIES = ("Electronics", "Computers", "Accessories", "Home Office", "Audio", "Gaming")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Documents = Database[dict[str, Any]]


def plain_document(fake: Faker) -> dict[str, Any]:
    """Return a product as a demonstration would invent it."""
    return {
        "_id": ObjectId(),
        "sku": fake.ean13(),
        "name": fake.catch_phrase(),
        "brand": fake.company(),
        "category": fake.random_element(CATEGORIES),
        "description": fake.text(max_nb_chars=200),
        "price": fake.random_int(500, 200_000),
        "currency": "EUR",
        "image_url": fake.image_url(),
        "stock": fake.random_int(0, 400),
        "rating": fake.random_int(10, 50) / 10,
        "created_at": fake.date_time_between(_EPOCH - timedelta(days=3000), _EPOCH, tzinfo=UTC),
        "updated_at": _EPOCH,
    }


def same_document(fake: Faker) -> dict[str, Any]:
    """Return a product with everything that this catalogue stores, built by the code that stores imports."""
    plain = plain_document(fake)
    draft = ProductDraft(
        sku=plain["sku"],
        name=plain["name"],
        brand=plain["brand"],
        category_path=(plain["category"], fake.word().title()),
        product_type=fake.word().title(),
        description=plain["description"],
        price=plain["price"],
        currency=plain["currency"],
        stock=plain["stock"],
        rating=plain["rating"],
        rating_count=fake.random_int(0, 10_000),
        popularity=fake.random_int(0, 2**30 - 1),
        image_url=plain["image_url"],
        created_at=plain["created_at"],
        attributes={
            "Colour": fake.color_name(),
            "Material": fake.word(),
            "Connection": fake.word(),
            "Weight": f"{fake.random_int(50, 5000)} g",
            "Warranty": f"{fake.random_int(1, 5)} years",
            "Wireless": fake.boolean(),
        },
    )
    return dict(to_document(validated(draft), now=_EPOCH))


def run(full: bool) -> list[Result]:
    """Measure P9: the median of the ratios of rounds in which both sides take turns.

    Args:
        full: 2 rounds of a million products against 20,000, instead of 2 rounds of half a million against 10,000.
    """
    ours, reference, rounds = (1_000_000, 20_000, 2) if full else (500_000, 10_000, 2)
    rates: dict[str, list[float]] = {"ours": [], "same": [], "plain": []}
    memory: list[float] = []
    with tempfile.TemporaryDirectory(prefix="speedscale-bench-") as folder:
        server = MongodServer(Path(folder) / "mongodb", cache_mb=1024)
        try:
            with MongoClient[dict[str, Any]](server.uri) as client:
                database = client["bench_seeding"]
                for _ in range(rounds):
                    for kind, make in (("plain", plain_document), ("same", same_document)):
                        rates[kind].append(_reference_rate(_emptied(client, database), make, reference))
                    rate, peak = _our_rate(_emptied(client, database), server.uri, ours)
                    rates["ours"].append(rate)
                    memory.append(peak)
                started = time.perf_counter()
                build_missing_indexes(database, Progress())
                index_seconds = time.perf_counter() - started
        finally:
            server.stop()
    ratios = [a / b for a, b in zip(rates["ours"], rates["same"], strict=True)]
    to_plain = [a / b for a, b in zip(rates["ours"], rates["plain"], strict=True)]
    ratio = statistics.median(ratios)
    return [
        Result(
            id="P9",
            work=f"seeding {ours:,} products, {WORKERS} processes: {statistics.median(rates['ours']):,.0f} a second",
            against=f"one by one with faker, 400 an insert: {statistics.median(rates['same']):,.0f} a second",
            figure=f"{ratio:.1f}x ({min(ratios):.1f} to {max(ratios):.1f})",
            bar=f">= {BAR:.0f}x",
            met=ratio >= BAR,
            details={
                "products_a_second": spread(rates["ours"]),
                "faker_same_document": spread(rates["same"]),
                "faker_plain_document": spread(rates["plain"]),
                "ratio_to_same_document": spread(ratios),
                "ratio_to_plain_document": spread(to_plain),
                "peak_memory_mib": spread(memory),
                "index_build_seconds": round(index_seconds, 1),
                "reference_products": reference,
            },
        )
    ]


def _emptied(client: MongoClient[dict[str, Any]], database: Documents) -> Documents:
    client.drop_database(database.name)
    ensure_collections(database)
    return database


def _reference_rate(database: Documents, make: Callable[[Faker], dict[str, Any]], count: int) -> float:
    fake = Faker()
    fake.seed_instance(1)
    if make is plain_document:
        # These documents are not products of this catalogue, so its validator must not see them.
        database.command("collMod", PRODUCTS, validator={})
    started = time.perf_counter()
    for _ in range(0, count, REFERENCE_BATCH):
        database[PRODUCTS].insert_many([make(fake) for _ in range(REFERENCE_BATCH)])
    elapsed = time.perf_counter() - started
    return database[PRODUCTS].estimated_document_count() / elapsed


def _our_rate(database: Documents, uri: str, count: int) -> tuple[float, float]:
    """Return the products a second, and the largest memory of all our processes together (MiB)."""
    peak = 0.0
    process = psutil.Process()

    def watch(result: BatchResult) -> None:
        nonlocal peak
        del result
        family = [process, *(child for child in process.children() if "mongod" not in child.name())]
        peak = max(peak, sum(one.memory_info().rss for one in family if one.is_running()) / 2**20)

    plan = SeedPlan(uri=uri, database=database.name, seed=1, count=count, look_first=False)
    started = time.perf_counter()
    run_workers(plan, workers=WORKERS, on_result=watch)
    elapsed = time.perf_counter() - started
    stored = database[PRODUCTS].estimated_document_count()
    if stored != count:
        raise RuntimeError(f"{stored:,} of {count:,} products were stored")
    return count / elapsed, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="a million products")
    console = Console()
    for result in run(parser.parse_args().full):
        table = Table(title=f"{result.id}: {result.figure}, required {result.bar}")
        for heading in ("", "median", "lowest", "highest"):
            table.add_column(heading, justify="left" if not heading else "right")
        for name, value in result.details.items():
            row = [value["median"], value["min"], value["max"]] if isinstance(value, dict) else [value, "", ""]
            table.add_row(name.replace("_", " "), *(f"{cell:,}" if cell != "" else "" for cell in row))
        console.print(table)


if __name__ == "__main__":
    main()
