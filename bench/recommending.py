"""P10 and P11: training against exact search, and a cold list of similar products against a query by scikit-learn."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import psutil
from pymongo import MongoClient

from bench.result import Result
from bench.stack import ROOT, Stack, running_stack

_SIZES, _FULL_SIZES = (10_000, 100_000), (10_000, 100_000, 300_000, 1_000_000)
_COLD_AT, _FULL_COLD_AT = 100_000, 300_000
_GIB = 2**30
_CACHE_MB = 2048
"""Of MongoDB: 300,000 products with their neighbours and indexes fit, so that nothing is read from the disk."""
_OVERLAP, _MEMORY_GIB, _SPEEDUP = 0.95, 8.0, 50.0
_ASKED, _QUERIES = 600, 150


@dataclass(frozen=True, slots=True)
class Training:
    """One training: wall time, and the largest memory of all its processes, shared pages counted once."""

    products: int
    seconds: float
    peak_gib: float
    overlap: float
    method: str
    steps: dict[str, float]


def run(*, full: bool = False) -> list[Result]:
    """Seed and train at growing sizes on one stack; measure cold answers at one of them."""
    sizes, cold_at = (_FULL_SIZES, _FULL_COLD_AT) if full else (_SIZES, _COLD_AT)
    trainings: list[Training] = []
    cold: dict[str, Any] = {}
    with running_stack(products=sizes[0], cache_mb=_CACHE_MB) as stack:
        for size in sizes:
            if size != sizes[0]:
                stack.manage("seed", "--count", str(size), "--rebuild-indexes")
            trainings.append(_train(stack, size))
            if size == cold_at:
                cold = _cold(stack)
    return [_judge_training(trainings), _judge_cold(cold, full=full)]


def _train(stack: Stack, size: int) -> Training:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "train_recommender", "--force", "--verbosity", "0"],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = _Peak(process.pid)
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"train_recommender failed:\n{output}")
    manifest = _manifest(stack)
    return Training(
        products=size,
        seconds=round(seconds, 2),
        peak_gib=round(peak.stop() / _GIB, 3),
        overlap=manifest["metrics"]["model"]["overlap_at_10"],
        method=manifest["parameters"]["method"],
        steps=manifest["seconds"],
    )


class _Peak:
    """Watches the memory of a process and its children until :meth:`stop`."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._end = threading.Event()
        self._bytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return the largest number of bytes seen."""
        self._end.set()
        self._thread.join()
        return self._bytes

    def _watch(self) -> None:
        while not self._end.wait(0.5):
            self._bytes = max(self._bytes, sum(_proportional_sizes(self._process)))


def _proportional_sizes(process: psutil.Process) -> Iterator[int]:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            yield member.memory_full_info().pss
        except psutil.Error:
            continue


def _manifest(stack: Stack) -> dict[str, Any]:
    with MongoClient[dict[str, Any]](stack.environment["MONGO_URI"]) as client:
        models = client[stack.environment.get("MONGO_DB", "speedscale")]["models"]
        active: Any = models.find_one({"_id": "active"})
        document: Any = models.find_one({"_id": active["version"]})
    return dict(document)


def _cold(stack: Stack) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, "-m", "bench.recommending_probe", str(_ASKED), str(_QUERIES)],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(finished.stderr)
    measured: dict[str, Any] = json.loads(finished.stdout)
    measured["http_ms"] = _over_http(stack)
    return measured


def _over_http(stack: Stack) -> list[float]:
    """Return the times of answers that no cache holds, from the client's side of the web server."""
    with MongoClient[dict[str, Any]](stack.environment["MONGO_URI"]) as client:
        products = client[stack.environment.get("MONGO_DB", "speedscale")]["products"]
        ids = [str(row["_id"]) for row in products.aggregate([{"$sample": {"size": 200}}, {"$project": {"_id": 1}}])]
    random.Random(13).shuffle(ids)
    times = []
    for identifier in ids:
        started = time.perf_counter()
        with urllib.request.urlopen(f"{stack.url}/api/products/{identifier}/similar", timeout=10) as response:  # noqa: S310
            response.read()
        times.append((time.perf_counter() - started) * 1000)
    return times[20:]


def _judge_training(trainings: list[Training]) -> Result:
    first, last = trainings[0], trainings[-1]
    allowed = last.products * math.log(last.products) / (first.products * math.log(first.products))
    growth = last.seconds / first.seconds
    overlap = min(training.overlap for training in trainings)
    peak = max(training.peak_gib for training in trainings)
    timings = ", ".join(f"{t.products:,}: {t.seconds:.0f} s" for t in trainings)
    return Result(
        id="P10",
        work=f"train and materialise {last.products:,} products",
        against="exact brute force for recall; N log N from the smallest size for time",
        figure=f"overlap@10 {overlap:.3f}; {timings} = {growth:.1f}x for {allowed:.1f}x; {peak:.2f} GiB",
        bar=f">= {_OVERLAP} overlap, <= N log N, < {_MEMORY_GIB:.0f} GiB",
        met=overlap >= _OVERLAP and growth <= allowed and peak < _MEMORY_GIB,
        details={"trainings": [asdict(training) for training in trainings]},
    )


def _judge_cold(cold: dict[str, Any], *, full: bool) -> Result:
    ours, theirs = _p95(cold["ours_ms"]), _p95(cold["theirs_ms"])
    # A brute-force query takes time in proportion to the catalogue, and the bar is set for 300,000 products.
    bar = _SPEEDUP if full else _SPEEDUP * _COLD_AT / _FULL_COLD_AT
    return Result(
        id="P11",
        work=f"cold similar products of {cold['products']:,}, service without HTTP",
        against="NearestNeighbors(brute, cosine).kneighbors on the same vectors, ids alone",
        figure=(
            f"p95 {ours:.2f} ms for {theirs:.1f} ms = {theirs / ours:.0f}x "
            f"(p50 {statistics.median(cold['ours_ms']):.2f} ms; over HTTP p95 {_p95(cold['http_ms']):.2f} ms)"
        ),
        bar=f"p95 >= {bar:.0f}x faster",
        met=theirs / ours >= bar,
        details={name: [round(value, 3) for value in cold[name]] for name in ("ours_ms", "theirs_ms", "http_ms")},
    )


def _p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
