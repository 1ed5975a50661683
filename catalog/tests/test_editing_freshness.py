"""An edit in one process is seen in another: as soon as it is told of it, long before anything expires."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from catalog.tests.edit_freshness import FIRST_STOCK, measure_staleness
from catalog.tests.factories import draft, store

EDITS = 30
LONG_BEFORE_EXPIRY_MS = 5_000
"""Searches are fresh for a minute. How fast it really is, on a machine that has time, is measured by the benchmark."""


def test_another_process_shows_an_edit_long_before_anything_expires(
    products_db: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    # Without invalidation, the other process would show its L1's old values for a minute as well.
    monkeypatch.setenv("CACHE_L1_SECONDS", "60")
    [mouse] = store(draft("MOUSE", name="Silent Wireless Mouse", stock=FIRST_STOCK))
    staleness = measure_staleness(mouse, "mouse", edits=EDITS, report=tmp_path / "seen")
    assert set(staleness) == {"product", "api", "page", "search"}
    assert all(len(values) == EDITS for values in staleness.values())
    assert max(values[-1] for values in staleness.values()) < LONG_BEFORE_EXPIRY_MS, staleness
