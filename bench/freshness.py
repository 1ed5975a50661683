"""How long after an acknowledged edit another process still shows the old state."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.result import Result, spread
from bench.stack import ROOT, fetch, running_stack
from speedscale.embedded.process import ServerProcess

_BAR_MS = 250.0
_START_SECONDS = 30.0


def run(*, full: bool = False) -> list[Result]:
    """Measure product, API, page and search, in series of a hundred edits: our own, then those of another client."""
    return measure(series=5 if full else 3)


def measure(*, series: int, edits: int = 100, products: int = 2000) -> list[Result]:
    """Measure ``series`` times ``edits`` edits of each kind."""
    with running_stack(products=products) as stack, ExitStack() as cleanup:
        environment = {**stack.environment, "DJANGO_SETTINGS_MODULE": "speedscale.settings"}

        def measured(kind: str) -> dict[str, list[float]]:
            command = [sys.executable, "-m", "bench.freshness", kind, str(series), str(edits)]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
            found: dict[str, list[float]] = json.loads(done.stdout)
            return found

        own = _result("freshness", "an edit in one process, read in another", measured("own"))
        command = [sys.executable, str(ROOT / "manage.py"), "watch_catalog"]
        watcher = ServerProcess("watcher", command, log=stack.directory / "watcher.log", env=environment)
        cleanup.callback(watcher.stop)
        watcher.wait_until(lambda: _watches(stack.url), timeout_seconds=_START_SECONDS)
        work = "a write by another client (update_one), told by watch_catalog, read in another process"
        return [own, _result("freshness by change stream", work, measured("foreign"))]


def _watches(url: str) -> bool:
    return bool(json.loads(fetch(f"{url}/health")[0])["invalidation"]["watcher"] == "running")


def _result(name: str, work: str, measured: dict[str, list[float]]) -> Result:
    worst = max(statistics.median(values) for values in measured.values())
    figures = ", ".join(f"{reader} {statistics.median(values):.0f} ms" for reader, values in measured.items())
    return Result(
        id=name,
        work=f"{work}: p99 of how long the old state is seen",
        against="-",
        figure=figures,
        bar=f"<= {_BAR_MS:.0f} ms",
        met=worst <= _BAR_MS,
        details={f"{reader}_p99_ms": spread(values) for reader, values in measured.items()},
    )


def _probe(kind: str, series: int, edits: int) -> dict[str, list[float]]:
    """Return the p99 (ms) of each series, by what was read. Runs inside the environment of a stack."""
    import django

    django.setup()
    from django.core.management import call_command

    from catalog.tests.edit_freshness import FIRST_STOCK, by_another_client, by_our_own_means, measure_staleness
    from catalog.tests.factories import draft, store

    edit = by_our_own_means if kind == "own" else by_another_client
    measured: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="speedscale-bench-") as folder:
        words = [f"freshness{kind}{number}" for number in range(series)]
        products: list[Any] = [draft(word.upper(), name=f"Silent {word} Mouse", stock=FIRST_STOCK) for word in words]
        identifiers = store(*products)
        call_command("reindex_search", stdout=sys.stderr)  # A word that was never counted finds nothing.
        for number, (identifier, word) in enumerate(zip(identifiers, words, strict=True)):
            report = Path(folder) / f"seen-{number}"
            seen = measure_staleness(identifier, word, edits=edits, report=report, edit=edit)
            for name, values in seen.items():
                measured.setdefault(name, []).append(values[int(len(values) * 0.99)])
    return measured


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_probe(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
