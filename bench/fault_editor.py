"""Edits one product again and again through the catalogue's services, and asks the web server what it shows.

Runs inside the environment of a stack until a line arrives on its input; prints what it saw as JSON. A read is stale
if it began more than the lag after an edit was acknowledged, and shows the state before.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.error
import urllib.request
from time import monotonic, sleep
from typing import Any

import django

LAG_SECONDS = 0.25
_PAUSE_SECONDS = 0.05


class Editor:
    """Raises the stock of a product by one with every edit."""

    def __init__(self, product_id: str, url: str) -> None:
        self._product_id = product_id
        self._address = f"{url}/api/products/{product_id}"
        self._acknowledged: list[tuple[float, int]] = []
        self.stopping = threading.Event()
        self.report: dict[str, Any] = {"edits": 0, "unknown": 0, "reads": 0, "failed_reads": 0, "stale": []}

    def edit(self) -> None:
        from catalog import repository
        from catalog.errors import CatalogUnavailable, EditConflict
        from catalog.services.editing import change_product

        longest, last = 0.0, monotonic()
        while not self.stopping.is_set():
            try:
                stored = repository.get_stored_product(self._product_id)
                wanted = stored.stock + 1
                change_product(product_id=self._product_id, expected_version=stored.version, changes={"stock": wanted})
            except (CatalogUnavailable, EditConflict):
                self.report["unknown"] += 1
            else:
                now = monotonic()
                longest, last = max(longest, now - last), now
                self._acknowledged.append((now, wanted))
                self.report["edits"] += 1
            sleep(_PAUSE_SECONDS)
        self.report["longest_gap_seconds"] = round(longest, 2)
        self.report["lost"] = self._lost()

    def _lost(self) -> bool:
        from catalog import repository

        last = self._acknowledged[-1][1] if self._acknowledged else 0
        return repository.get_stored_product(self._product_id).stock < last

    def read(self) -> None:
        while not self.stopping.is_set():
            began = monotonic()
            try:
                with urllib.request.urlopen(self._address, timeout=10) as response:  # noqa: S310
                    body, x_cache = json.load(response), response.headers["X-Cache"]
            except (OSError, urllib.error.URLError):
                self.report["failed_reads"] += 1
                sleep(_PAUSE_SECONDS)
                continue
            self.report["reads"] += 1
            due = max((stock for at, stock in list(self._acknowledged) if at <= began - LAG_SECONDS), default=0)
            if body["data"]["stock"] < due:
                self.report["stale"].append([round(began, 3), x_cache, due - body["data"]["stock"]])
            sleep(_PAUSE_SECONDS / 5)


def main() -> None:
    """Edit and read until told to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
    django.setup()
    editor = Editor(*sys.argv[1:3])
    threads = [threading.Thread(target=editor.edit), *(threading.Thread(target=editor.read) for _ in range(3))]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    editor.stopping.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(editor.report))


if __name__ == "__main__":
    main()
