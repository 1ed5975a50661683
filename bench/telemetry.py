"""P12 and P13: what telemetry costs a request, and the dashboard after many of them."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import threading
from contextlib import ExitStack
from time import perf_counter
from urllib.parse import urlsplit

from bench.load import Load, run_load
from bench.result import Result, shown, spread
from bench.stack import ROOT, Stack, running_stack, start_gunicorn, wait_until_hot
from cachelayer.dashboard.live import KEEP_SECONDS
from speedscale.embedded.ports import free_port

_SEARCH = "/api/search?query=wireless%20mouse"
_PAGE = "/dashboard/?window=1h"
_FEW, _MANY = 10_000, 1_000_000
_UNMEASURED = 3


def run(*, full: bool = False) -> list[Result]:
    """Measure hot searches with and without telemetry in turn, then the dashboard before and after a million more."""
    rounds, seconds = (61, 1.0) if full else (31, 1.0)
    pages = 100 if full else 40
    with running_stack(products=2000) as stack:
        # The stack's own server has another past than one that begins now, and is some hundredths slower for it.
        with ExitStack() as cleanup:
            with_it, without = (_start(cleanup, stack, telemetry=telemetry) for telemetry in ("true", "false"))
            pairs = [_pair(with_it, without, seconds, without_first=bool(number % 2)) for number in range(rounds)]
        _feed(stack, _FEW)
        few = _page_times(stack, pages)
        _feed(stack, _MANY - _FEW)
        many = _page_times(stack, pages)
    return [_judge_cost(pairs), _judge_page(few, many)]


def _pair(with_it: str, without: str, seconds: float, *, without_first: bool) -> tuple[Load, Load]:
    """Load both servers in turn, each first in every other round; return the one with telemetry first."""
    first, second = (without, with_it) if without_first else (with_it, without)
    loads = [run_load(server + _SEARCH, seconds=seconds, connections=1) for server in (first, second)]
    return (loads[1], loads[0]) if without_first else (loads[0], loads[1])


def _start(cleanup: ExitStack, stack: Stack, *, telemetry: str) -> str:
    """Start another web server of the stack and warm it up; return its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**stack.environment, "PORT": str(port), "TELEMETRY": telemetry}
    start_gunicorn(cleanup, "speedscale.wsgi", url, environment, stack.directory / f"telemetry-{telemetry}" / "web.log")
    wait_until_hot(url + _SEARCH)
    run_load(url + _SEARCH, seconds=1, connections=1)
    return url


def _feed(stack: Stack, count: int) -> None:
    """Record requests in two processes, as two web workers would."""
    probes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.telemetry_probe", str(count // 2), str(seed)], cwd=ROOT, env=stack.environment
        )
        for seed in (1, 2)
    ]
    if max([probe.wait() for probe in probes]):
        raise RuntimeError("requests could not be recorded")


def _page_times(stack: Stack, count: int) -> list[float]:
    """Return how long each of ``count`` pages took, in ms, over one kept connection.

    They are asked for at a pace at which none finds the part of the page that an earlier one had made.
    """
    connection = http.client.HTTPConnection(urlsplit(stack.url).netloc, timeout=10)
    times = []
    pause = threading.Event()
    for _ in range(count + _UNMEASURED):
        began = perf_counter()
        connection.request("GET", _PAGE, headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        response.read()
        times.append((perf_counter() - began) * 1000)
        if response.status != 200:
            raise RuntimeError(f"{_PAGE}: status {response.status}")
        pause.wait(KEEP_SECONDS + 0.1)
    connection.close()
    return times[_UNMEASURED:]  # The first ones find templates and servers cold.


def _judge_cost(pairs: list[tuple[Load, Load]]) -> Result:
    ratios = [on.p50_ms / off.p50_ms for on, off in pairs]
    added = [on.p50_ms - off.p50_ms for on, off in pairs]
    return Result(
        id="P12",
        work="hot GET /api/search with telemetry, one connection",
        against="the same without telemetry (TELEMETRY=false)",
        figure=f"{shown(ratios, 'x')} p50, {statistics.median(added) * 1000:+.0f} us",
        bar="<= 1.03x p50 and <= 0.2 ms",
        met=statistics.median(ratios) <= 1.03 and statistics.median(added) <= 0.2,
        details={"ratio": spread(ratios), "added_ms": spread(added)},
    )


def _judge_page(few: list[float], many: list[float]) -> Result:
    ratio = statistics.median(many) / statistics.median(few)
    p95 = sorted(many)[int(len(many) * 0.95)]
    return Result(
        id="P13",
        work=f"dashboard, window of an hour, after {_MANY:,} requests",
        against=f"after {_FEW:,}",
        figure=f"{ratio:.2f}x the median, p95 {p95:.1f} ms",
        bar="<= 1.2x, p95 <= 50 ms",
        met=ratio <= 1.2 and p95 <= 50,
        details={"few_ms": spread(few), "many_ms": spread(many), "p95_ms": round(p95, 2)},
    )
