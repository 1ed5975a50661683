"""``python -m bench``: run the benchmarks, print a table, write ``bench/results/latest.json``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.result import Result

_MODULES = {
    "serving": ("P1", "P2"),
    "cache": ("P7", "P8"),
    "freshness": ("freshness",),
    "hit_ratio": ("hit ratio",),
    "suggest": ("suggestions",),
    "seeding": ("P9",),
    "search": ("P3", "P4", "P5", "P6", "P14"),
    "recommending": ("P10", "P11"),
    "telemetry": ("P12", "P13"),
    "browser": ("P15",),
}
_DRILLS = {"faults": ("what visitors see of faults",)}
"""Run only when asked for: they take minutes and measure no speed."""
_RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    """Run what was asked for; the exit status is 0 when every bar is met."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="larger and longer runs (make bench-full)")
    parser.add_argument("--only", nargs="+", choices=sorted({**_MODULES, **_DRILLS}), help="run these alone")
    arguments = parser.parse_args()
    console = Console()
    results: list[Result] = []
    for module in arguments.only or _MODULES:
        console.print(f"[dim]measuring {', '.join({**_MODULES, **_DRILLS}[module])} ({module}) …[/dim]")
        results += importlib.import_module(f"bench.{module}").run(full=arguments.full)
    _write(results, full=arguments.full)
    console.print(_table(results))
    return 0 if all(result.met for result in results) else 1


def _write(results: list[Result], *, full: bool) -> None:
    _RESULTS.mkdir(exist_ok=True)
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "full": full,
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "load_average_1min": os.getloadavg()[0],
        },
        "results": [asdict(result) for result in results],
    }
    (_RESULTS / "latest.json").write_text(json.dumps(report, indent=2) + "\n")


def _table(results: list[Result]) -> Table:
    table = Table(title="SpeedScale benchmark: median (lowest to highest round)")
    for heading in ("bar", "work", "against", "measured", "required", "met"):
        table.add_column(heading, overflow="fold")
    for result in results:
        met = "[green]yes[/green]" if result.met else "[red]no[/red]"
        table.add_row(result.id, result.work, result.against, result.figure, result.bar, met)
    return table


if __name__ == "__main__":
    sys.exit(main())
