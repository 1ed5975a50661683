"""How much of what is asked for a small cache holds: a replay of visits to products, of which few are loved by all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from bench.result import Result
from bench.stack import ROOT, running_stack

PRODUCTS = 50_000
_PROCESSES = 2
_BAR = 0.85


def run(*, full: bool = False) -> list[Result]:
    """Replay visits from cold caches with the default policies; the misses of the beginning count."""
    visits = 400_000 if full else 150_000
    with running_stack(products=PRODUCTS) as stack:
        commands = [
            [sys.executable, "-m", "bench.hit_ratio_probe", str(PRODUCTS), str(visits), str(seed)]
            for seed in range(_PROCESSES)
        ]
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=subprocess.PIPE, text=True)
            for command in commands
        ]
        reports: list[dict[str, Any]] = [json.loads(process.communicate(timeout=600)[0]) for process in processes]
    outcomes: Counter[str] = Counter()
    for report in reports:
        outcomes.update(report["outcomes"])
    total = outcomes.total()
    ratio = 1 - outcomes["miss"] / total
    late = sum(report["late_hits"] for report in reports) / sum(report["late"] for report in reports)
    seconds = max(report["seconds"] for report in reports)
    levels = ", ".join(f"{name} {count / total:.1%}" for name, count in outcomes.most_common())
    return [
        Result(
            id="hit ratio",
            work=f"{total:,} visits to {PRODUCTS:,} products, Zipf(1.0), default policies, {_PROCESSES} processes",
            against="all visits, from cold caches",
            figure=f"{ratio:.1%} answered by a cache ({levels}); {late:.1%} in the last fifth; "
            f"{total / seconds:,.0f} visits a second",
            bar=f">= {_BAR:.0%}",
            met=ratio >= _BAR,
            details={"outcomes": dict(outcomes), "ratio": ratio, "ratio_of_last_fifth": late, "seconds": seconds},
        )
    ]
