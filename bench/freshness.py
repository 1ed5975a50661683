"""How long after an acknowledged edit another process still shows the old state."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.result import Result, spread
from bench.stack import ROOT, running_stack

_BAR_MS = 250.0


def run(*, full: bool = False) -> list[Result]:
    """Measure product, API, page and search, in series of a hundred edits."""
    series = 5 if full else 3
    with running_stack(products=2000) as stack:
        command = [sys.executable, "-m", "bench.freshness", str(series)]
        environment = {**stack.environment, "DJANGO_SETTINGS_MODULE": "speedscale.settings"}
        finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    measured: dict[str, list[float]] = json.loads(finished.stdout)
    worst = max(statistics.median(values) for values in measured.values())
    figures = ", ".join(f"{name} {statistics.median(values):.0f} ms" for name, values in measured.items())
    return [
        Result(
            id="freshness",
            work="an edit in one process, read in another: p99 of how long the old state is seen",
            against="-",
            figure=figures,
            bar=f"<= {_BAR_MS:.0f} ms",
            met=worst <= _BAR_MS,
            details={f"{name}_p99_ms": spread(values) for name, values in measured.items()},
        )
    ]


def _probe(series: int) -> dict[str, list[float]]:
    """Return the p99 (ms) of each series, by what was read. Runs inside the environment of a stack."""
    import django

    django.setup()
    from catalog.tests.edit_freshness import FIRST_STOCK, measure_staleness
    from catalog.tests.factories import draft, store

    measured: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="speedscale-bench-") as folder:
        for number in range(series):
            word = f"freshness{number}"
            product: Any = draft(f"FRESH-{number}", name=f"Silent {word} Mouse", stock=FIRST_STOCK)
            [identifier] = store(product)
            report = Path(folder) / f"seen-{number}"
            for name, values in measure_staleness(identifier, word, edits=100, report=report).items():
                measured.setdefault(name, []).append(values[int(len(values) * 0.99)])
    return measured


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_probe(int(sys.argv[1]))))
