"""An edit in one process, read in another: how long the old state is seen there after the edit was acknowledged.

Run as a program, this is the other process: it keeps reading a product, its API answer, its page and a search. Every
line that it writes is what was read, the stock that it showed, and when the last read began that showed it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import django

FIRST_STOCK = 1000
_PAUSE_SECONDS = 0.04


Edit = Callable[[str, int, int], None]
"""Gives a product another stock: its id, the version that is stored, the stock."""


def by_our_own_means(product_id: str, version: int, stock: int) -> None:
    """Edit as staff does, which announces the change."""
    from catalog.services.editing import change_product

    change_product(product_id=product_id, expected_version=version, changes={"stock": stock})


def by_another_client(product_id: str, version: int, stock: int) -> None:
    """Write into MongoDB as another tool would; only the change stream tells of it."""
    from bson import ObjectId

    from catalog import mongo
    from catalog.indexes import PRODUCTS

    changed = mongo.command_database()[PRODUCTS].update_one(
        {"_id": ObjectId(product_id), "version": version}, {"$set": {"stock": stock}, "$inc": {"version": 1}}
    )
    if changed.modified_count != 1:
        raise RuntimeError(f"{product_id} is not of version {version}")


def measure_staleness(
    product_id: str, query: str, *, edits: int, report: Path, edit: Edit = by_our_own_means
) -> dict[str, list[float]]:
    """Edit here while another process reads; return how long each edit was not seen there (ms, ascending), by reader.

    Args:
        product_id: a product of version 1 with :data:`FIRST_STOCK` pieces.
        query: finds that product first.
        report: a file for what the other process has to say.
        edit: makes an edit and returns once it is acknowledged.
    """
    from django.conf import settings

    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "speedscale.settings", "DEBUG": "true"}
    arguments = [product_id, query, str(FIRST_STOCK + edits), str(report)]
    command = [sys.executable, "-m", "catalog.tests.edit_freshness", *arguments]
    reader = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    try:
        _wait_for(report.with_suffix(".begun").exists)
        acknowledged: dict[int, float] = {}
        for version in range(1, edits + 1):
            stock = FIRST_STOCK + version
            edit(product_id, version, stock)
            acknowledged[stock] = time()
            sleep(_PAUSE_SECONDS)
        status = reader.wait(timeout=60)
        if status:
            raise RuntimeError(f"the reading process ended with status {status}")
    finally:
        reader.kill()
        reader.wait()
    return _stale_ms(report.read_text(), acknowledged)


def _stale_ms(report: str, acknowledged: dict[int, float]) -> dict[str, list[float]]:
    """Return, for what was read, how long after each edit's acknowledgement a read began that showed an older state."""
    shown: dict[str, list[tuple[int, float]]] = {}
    for line in report.splitlines():
        name, stock, began_at = line.split()
        shown.setdefault(name, []).append((int(stock), float(began_at)))
    return {
        name: sorted(
            max(0.0, *(1000 * (began_at - moment) for older, began_at in reads if older < stock))
            for stock, moment in acknowledged.items()
        )
        for name, reads in shown.items()
    }


def _wait_for(condition: Callable[[], Any]) -> None:
    deadline = monotonic() + 60
    while not condition():
        if monotonic() > deadline:
            raise RuntimeError("the other process does not read")
        sleep(0.01)


def main(product_id: str, query: str, last_stock: int, report: Path) -> None:
    """Read until everything shows ``last_stock``, or for a minute."""
    django.setup()
    from django.test import Client

    from catalog.search.request import SearchRequest
    from catalog.services.products import read_product
    from catalog.services.search import search_products

    client = Client(headers={"host": "localhost"})
    search = SearchRequest(query=query)

    def page() -> int:
        text = client.get(f"/products/{product_id}/").content.decode()
        return int(text.split(" on hand")[0].rsplit(">", 1)[1].replace(",", ""))

    reads: dict[str, Callable[[], int]] = {
        "product": lambda: int(read_product(product_id=product_id).value["stock"]),
        "api": lambda: int(client.get(f"/api/products/{product_id}").json()["data"]["stock"]),
        "page": page,
        "search": lambda: int(search_products(request=search).value["data"][0]["stock"]),
    }
    last_shown: dict[tuple[str, int], float] = {}
    deadline = time() + 60
    while time() < deadline and not all((name, last_stock) in last_shown for name in reads):
        for name, read in reads.items():
            began_at = time()
            last_shown[name, read()] = began_at
        report.with_suffix(".begun").touch()
        sleep(0.002)  # Refreshes behind the scenes need this process too.
    report.write_text("".join(f"{name} {stock} {at}\n" for (name, stock), at in last_shown.items()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
