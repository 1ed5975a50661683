"""P1 and P2: hot answers of the API against a bare Django view that returns the same bytes."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import asdict

import orjson

from bench.load import Load, run_load
from bench.result import Result, shown, spread
from bench.stack import Stack, running_stack, start_gunicorn, wait_until_hot
from speedscale.embedded.ports import free_port


def run(*, full: bool = False) -> list[Result]:
    """Measure hot search and hot product, round by round beside the bare view."""
    rounds, seconds = (41, 2.0) if full else (21, 1.0)
    with ExitStack() as cleanup, running_stack(products=2000) as stack:
        search = "/api/search?query=wireless%20mouse"
        search_body = wait_until_hot(stack.url + search)
        product = f"/api/products/{orjson.loads(search_body)['data'][0]['_id']}"
        product_body = wait_until_hot(stack.url + product)
        bare = _start_bare(cleanup, stack, search_body, product_body)
        pairs = {path: _interleave(stack.url + path, bare + path, rounds, seconds) for path in (search, product)}
    return [
        _judge("P1", "hot GET /api/search", pairs[search], bar=0.6, p99_bar=1.5),
        _judge("P2", "hot GET /api/products/<id>", pairs[product], bar=0.7, p99_bar=None),
    ]


def _start_bare(cleanup: ExitStack, stack: Stack, search_body: bytes, product_body: bytes) -> str:
    (stack.directory / "search.json").write_bytes(search_body)
    (stack.directory / "product.json").write_bytes(product_body)
    port = free_port()
    environment = {
        **stack.environment,
        "PORT": str(port),
        "BENCH_SEARCH_BODY": str(stack.directory / "search.json"),
        "BENCH_PRODUCT_BODY": str(stack.directory / "product.json"),
    }
    url = f"http://127.0.0.1:{port}"
    start_gunicorn(cleanup, "bench.bare", url, environment, stack.directory / "bare.log")
    return url


def _interleave(ours: str, reference: str, rounds: int, seconds: float) -> list[tuple[Load, Load]]:
    for url in (ours, reference):
        run_load(url, seconds=1)
    pairs = []
    for number in range(rounds):
        # Each goes first in every other round: a machine that slows down must not hit the same side every time.
        order = (ours, reference) if number % 2 else (reference, ours)
        loads = {url: run_load(url, seconds=seconds) for url in order}
        pairs.append((loads[ours], loads[reference]))
    return pairs


def _judge(name: str, work: str, pairs: list[tuple[Load, Load]], *, bar: float, p99_bar: float | None) -> Result:
    throughput = [ours.requests_per_second / bare.requests_per_second for ours, bare in pairs]
    p99 = [ours.p99_ms / bare.p99_ms for ours, bare in pairs]
    met = statistics.median(throughput) >= bar and (p99_bar is None or statistics.median(p99) <= p99_bar)
    return Result(
        id=name,
        work=work,
        against="a bare Django view, no middleware, same bytes, same server",
        figure=f"{shown(throughput, 'x')} throughput, {shown(p99, 'x')} p99",
        bar=f">= {bar}x throughput" + (f", <= {p99_bar}x p99" if p99_bar else ""),
        met=met,
        details={
            "throughput_ratio": spread(throughput),
            "p99_ratio": spread(p99),
            "rounds": [{"ours": asdict(ours), "bare": asdict(bare)} for ours, bare in pairs],
        },
    )
