"""An edit in one process, read in another: how long the old state is seen there after the edit was acknowledged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

from django.conf import settings

from catalog.services.editing import change_product
from catalog.tests.factories import draft, store

EDITS = 100
FIRST_STOCK = 1000
P99_MS = 250


def test_another_process_shows_an_edit_within_a_quarter_of_a_second(products_db: Any, tmp_path: Path) -> None:
    # A busy machine lets processes wait for longer than that, so the best of three series counts.
    for series in range(3):
        [mouse] = store(draft(f"MOUSE-{series}", name=f"Silent Wireless Mouse {series}", stock=FIRST_STOCK))
        staleness = measured(mouse, f"mouse {series}", tmp_path / f"seen-{series}")
        assert set(staleness) == {"product", "api", "page", "search"}
        p99_ms = {name: values[int(len(values) * 0.99)] for name, values in staleness.items()}
        for name, values in staleness.items():
            p50_ms = values[len(values) // 2]
            sys.stdout.write(f"\n{name}: old for p50 {p50_ms:.1f} ms, p99 {p99_ms[name]:.1f} ms after {EDITS} edits")
        if max(p99_ms.values()) <= P99_MS:
            return
    raise AssertionError(p99_ms)


def measured(product_id: str, query: str, report: Path) -> dict[str, list[float]]:
    """Edit here while another process reads; return how long each edit was not seen there, in milliseconds."""
    last = FIRST_STOCK + EDITS
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "speedscale.settings", "DEBUG": "true"}
    command = [sys.executable, "-m", "catalog.tests.edit_freshness", product_id, query, str(last), str(report)]
    reader = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
    try:
        wait_for(report.with_suffix(".begun").exists)
        acknowledged: dict[int, float] = {}
        for version in range(1, EDITS + 1):
            stock = FIRST_STOCK + version
            change_product(product_id=product_id, expected_version=version, changes={"stock": stock})
            acknowledged[stock] = time()
            sleep(0.04)
        assert reader.wait(timeout=30) == 0
    finally:
        reader.kill()
        reader.wait()
    return stale_ms(report.read_text(), acknowledged)


def stale_ms(report: str, acknowledged: dict[int, float]) -> dict[str, list[float]]:
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


def wait_for(condition: Any) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "the other process does not read"
        sleep(0.01)
