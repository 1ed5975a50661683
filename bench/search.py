"""P3 to P6 and P14: cold search against regular expressions and a full-text library, at growing catalogues.

One MongoDB grows from size to size. A process of its own (``bench.search_probe``) runs a log of queries past all
caches; the reference on the same server is one ``$or`` of regular expressions over name, brand and category, the
library is tantivy over the same products, which answers the same log in turn (``bench.library_probe``).
Latencies are a closed loop, one query after the other.

Run it with ``python -m bench.search [--full] [--sizes 30000 1000000] [--data DIR]``; what is in ``DIR`` is kept, and
a later run at the size that it has measures at once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench.result import Result
from bench.stack import ROOT
from catalog.vocabulary.postings import LISTS, postings_state
from speedscale.embedded.mongod import MongodServer

_SIZES, _FULL_SIZES = (30_000, 300_000), (30_000, 300_000, 3_000_000)
_QUERIES, _SEED = 1_000, 1


def run(*, full: bool = False, sizes: Sequence[int] = (), data: Path | None = None) -> list[Result]:
    """Measure at each size; bars are judged at the largest, growth between neighbouring sizes.

    Progress goes to the standard error output. The data take about 5 GB for each million products while it runs.

    Args:
        data: where the catalogue is kept, and found again; a temporary folder without it.
    """
    sizes = sizes or (_FULL_SIZES if full else _SIZES)
    measured: list[dict[str, Any]] = []
    library: dict[str, Any] = {}
    with nullcontext(str(data)) if data else tempfile.TemporaryDirectory(prefix="speedscale-bench-") as folder:
        server = MongodServer(Path(folder) / "mongodb", cache_mb=6_000 if max(sizes) > 500_000 else 2_000)
        environment = {
            **os.environ,
            "MONGO_URI": server.uri,
            "DATA_DIR": str(Path(folder) / "data"),
            "SECRET_KEY": "benchmark-" + "x" * 50,
            "HTTPS": "false",
            "SEARCH_BUDGET_MS": "500",
        }
        try:
            for size in sizes:
                built = 0.0 if _has(server.uri, size) else _build(environment, size)
                _tell(f"running the log of {_QUERIES:,} queries")
                is_last = size == sizes[-1]
                probe = ["-m", "bench.search_probe", str(_QUERIES), str(_SEED), *(["regex"] if is_last else [])]
                measured.append({**json.loads(_manage(environment, *probe)), "seed_and_count_seconds": round(built, 1)})
                if is_last:
                    _tell("the same in turn with tantivy")
                    with tempfile.TemporaryDirectory(prefix="speedscale-bench-") as beside:
                        index = str(Path(beside) / "tantivy")
                        probe = ["-m", "bench.library_probe", str(_QUERIES), str(_SEED), index]
                        library = json.loads(_manage(environment, *probe))
        finally:
            server.stop()
    return [*_judge_cold(measured[-1]), _judge_library(library), *_judge_growth(measured)]


def _has(uri: str, size: int) -> bool:
    """Tell whether an earlier run has built exactly this catalogue, to its end."""
    with MongoClient[dict[str, Any]](uri) as client:
        database = client["speedscale"]
        vocabulary = database["search_state"].find_one({"_id": "vocabulary"}) or {}
        lists = postings_state(vocabulary.get(LISTS))
        return lists is not None and lists.products == size == database["products"].estimated_document_count()


def _build(environment: dict[str, str], size: int) -> float:
    """Let the catalogue grow to ``size`` products; return the seconds that took."""
    started = time.perf_counter()
    _tell(f"seeding up to {size:,} products, building indexes, counting words")
    _manage(environment, "manage.py", "seed", "--count", str(size), "--rebuild-indexes", told=True)
    built = time.perf_counter() - started
    _tell(f"took {built:,.0f} s")
    return built


def _tell(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def _manage(environment: dict[str, str], *arguments: str, told: bool = False) -> str:
    """Run a command and return its output; ``told`` shows that as progress instead."""
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=sys.stderr if told else subprocess.PIPE,
        stderr=None if told else subprocess.PIPE,
        text=True,
        check=False,
    )
    if finished.returncode:
        output = f"{finished.stdout or ''}"[-2000:] + f"{finished.stderr or ''}"[-2000:]
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{output}")
    return finished.stdout or ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _judge_cold(at: dict[str, Any]) -> list[Result]:
    cold = [row[0] for row in at["searches"]]
    ours, reference = percentile(cold, 0.95), percentile(at["regex"], 0.95)
    times = reference / percentile(at["ours_of_regex"], 0.95)
    p99, worst = percentile(cold, 0.99), max(cold)
    deep = at["deep"]
    results = [
        Result(
            id="P3",
            work=f"cold search with facets, {at['products']:,} products, {len(cold):,} mixed queries",
            against="one regular expression over name, brand and category",
            figure=f"p95 {ours:.1f} ms, {times:.0f}x faster; p50 {statistics.median(cold):.1f} ms, "
            f"p99 {p99:.1f} ms, max {worst:.1f} ms",
            bar="p95 >= 100x faster, p99 <= 20 ms, none above 50 ms",
            met=times >= 100 and p99 <= 20 and worst <= 50,
            details={
                "slowest": sorted(at["searches"], reverse=True)[:20],
                "incomplete": sum(not row[4] for row in at["searches"]),
                "regex_p95_ms": reference,
                "by_kind_median_ms": _by_kind(at["searches"]),
                "indexes_mib": at["indexes_mib"],
                "lists_mib": at["lists_mib"],
                "without_facets": {
                    name: round(percentile(at["without_facets"], share), 1)
                    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
                },
                "seed_and_count_seconds": at["seed_and_count_seconds"],
            },
        )
    ]
    if deep:
        ratio = deep["deep"] / deep["first"]
        results.append(
            Result(
                id="P6",
                work=f"page 500 by cursor: {deep['deep']:.1f} ms",
                against=f"page 1 of the same queries: {deep['first']:.1f} ms",
                figure=f"{ratio:.2f}x",
                bar="<= 1.5x",
                met=ratio <= 1.5,
                details=deep,
            )
        )
    return results


def _judge_library(library: dict[str, Any]) -> Result:
    """Judge the median of the rounds."""
    pairs = [(percentile(ours, 0.95), percentile(theirs, 0.95)) for ours, theirs in library["rounds"]]
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(ratios)
    return Result(
        id="P4",
        work=f"cold search, first 20 and total: p95 {ours:.2f} ms",
        against=f"tantivy, first 20 and total: p95 {theirs:.2f} ms",
        figure=f"{ratio:.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
        bar="<= 3x",
        met=ratio <= 3,
        details={
            "ours_median_ms": statistics.median([ms for round_ in library["rounds"] for ms in round_[0]]),
            "theirs_median_ms": statistics.median([ms for round_ in library["rounds"] for ms in round_[1]]),
            "theirs_build_seconds_with_reading": library["build_seconds"],
        },
    )


def _judge_growth(measured: list[dict[str, Any]]) -> list[Result]:
    p95 = [percentile([row[0] for row in at["searches"]], 0.95) for at in measured]
    steps = [later / earlier for earlier, later in pairwise(p95)]
    memory = [at["worker_mib"] for at in measured]
    sizes = ", ".join(f"{at['products']:,}" for at in measured)
    return [
        Result(
            id="P5",
            work=f"p95 of cold search at {sizes} products",
            against="each other",
            figure=", ".join(f"{value:.1f} ms" for value in p95),
            bar="less than 2x for each 10x of products",
            met=all(step < 2 for step in steps),
            details={"steps": steps},
        ),
        Result(
            id="P14",
            work=f"memory of a process that has run the log, at {sizes} products",
            against="each other",
            figure=", ".join(f"{value:.0f} MiB" for value in memory),
            bar="<= 1.2x and < 200 MiB",
            met=max(memory) <= 1.2 * memory[0] and max(memory) < 200,
        ),
    ]


def _by_kind(rows: Sequence[Sequence[Any]]) -> dict[str, float]:
    kinds = sorted({row[1] for row in rows})
    return {kind: round(statistics.median([row[0] for row in rows if row[1] == kind]), 2) for kind in kinds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.search")
    parser.add_argument("--full", action="store_true", help="up to 3 million products")
    parser.add_argument("--sizes", nargs="+", type=int, default=[], help="numbers of products, ascending")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the catalogue there, and find it there again")
    chosen = parser.parse_args()
    for result in run(full=chosen.full, sizes=chosen.sizes, data=chosen.data):
        print(f"{result.id}: {result.figure} ({result.work}; required {result.bar})", json.dumps(result.details)[:2500])
