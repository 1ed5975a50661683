"""P7 and P8: what the cache engine saves when a key expires under load, and what each of its levels costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any

from bench.cache_probe import LOAD_SECONDS, TTL_SECONDS
from bench.result import Result, shown, spread
from bench.stack import ROOT, Stack, running_stack

_PROCESSES = 4
_THREADS = 50
_START_SECONDS = 3.0


def run(*, full: bool = False) -> list[Result]:
    """Measure the stampede, with and without protection in turn, and the three levels of a search."""
    rounds, seconds = (5, 12.0) if full else (2, 6.0)
    with running_stack(products=2000) as stack:
        pairs = [(_stampede(stack, "engine", seconds), _stampede(stack, "unprotected", seconds)) for _ in range(rounds)]
        levels = _probe(stack, "levels", str(2000 if full else 400))
    return [_judge_stampede(pairs, seconds), _judge_levels(levels)]


def _stampede(stack: Stack, mode: str, seconds: float) -> dict[str, Any]:
    """Run the readers in several processes at once and merge what they saw."""
    command = [sys.executable, "-m", "bench.cache_probe", mode, str(_THREADS), str(seconds), str(_START_SECONDS)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=subprocess.PIPE, text=True)
        for _ in range(_PROCESSES)
    ]
    reports = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    latencies = sorted(latency for report in reports for latency in report["latencies_ms"])
    return {
        "loads": sum(report["loads"] for report in reports),
        "reads": len(latencies),
        "p50_ms": latencies[len(latencies) // 2],
        "p999_ms": latencies[int(len(latencies) * 0.999)],
    }


def _probe(stack: Stack, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.cache_probe", *arguments]
    finished = subprocess.run(command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(finished.stdout)
    return report


def _judge_stampede(pairs: list[tuple[dict[str, Any], dict[str, Any]]], seconds: float) -> Result:
    expiries = seconds / TTL_SECONDS
    loads = [engine["loads"] / expiries for engine, _ in pairs]
    gain = [bare["p999_ms"] / engine["p999_ms"] for engine, bare in pairs]
    return Result(
        id="P7",
        work=f"one key expiring each {TTL_SECONDS} s, {LOAD_SECONDS * 1000:.0f} ms to load, "
        f"{_PROCESSES * _THREADS} threads in {_PROCESSES} processes",
        against="get, load, set without protection",
        figure=f"{shown(loads)} loads an expiry; p99.9 {shown(gain, 'x')} better",
        bar="<= 1.5 loads an expiry, p99.9 >= 10x better",
        met=statistics.median(loads) <= 1.5 and statistics.median(gain) >= 10,
        details={"loads_an_expiry": spread(loads), "p999_gain": spread(gain), "rounds": pairs},
    )


def _judge_levels(levels: dict[str, Any]) -> Result:
    times = levels["times_ms"]
    medians = {name: statistics.median(values) for name, values in times.items()}
    l1_gain, redis_gain = medians["redis"] / medians["l1"], medians["cold"] / medians["redis"]
    return Result(
        id="P8",
        work="a search from L1, from Redis and from MongoDB, in turn",
        against="each other",
        figure=f"L1 {l1_gain:.1f}x faster than Redis, Redis {redis_gain:.1f}x faster than cold "
        f"({', '.join(f'{name} {value:.3f} ms' for name, value in medians.items())})",
        bar="L1 >= 4x faster than Redis, Redis >= 3x faster than cold",
        met=l1_gain >= 4 and redis_gain >= 3,
        details={
            "medians_ms": medians,
            "hit_against_bare_get": round(medians["redis"] / medians["bare"], 2),
            "bytes": levels["bytes"],
            "stored_bytes": levels["stored_bytes"],
        },
    )
