"""Runs inside the environment of a stack and prints what it measured as JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
from time import monotonic, perf_counter, sleep
from typing import Any

import django

LOAD_SECONDS = 0.15
"""What loading costs in the stampede: a stand-in for a slow query, the same on both sides."""
TTL_SECONDS = 1


def stampede(mode: str, threads: int, seconds: float, starts_at: float) -> dict[str, Any]:
    """Let threads read one key that expires each second; return the loads and every read's latency in ms."""
    from cachelayer.engine import get_or_load
    from cachelayer.policies import Policy

    loads: list[float] = []
    latencies: list[float] = []
    policy = Policy("stampede", soft_seconds=TTL_SECONDS, hard_seconds=60, jitter=0.0)

    def load() -> dict[str, int]:
        loads.append(monotonic())
        sleep(LOAD_SECONDS)
        return {"value": 1}

    def read() -> None:
        if mode == "engine":
            get_or_load("bench:stampede", policy, load)
        else:
            _unprotected(load)

    def work() -> None:
        while monotonic() < ends_at:
            started = perf_counter()
            read()
            latencies.append((perf_counter() - started) * 1000)
            sleep(0.05)  # A reader's pause: 200 readers then ask 4,000 times a second, which two cores can answer.

    read()
    loads.clear()
    ends_at = starts_at + seconds
    while monotonic() < starts_at:
        sleep(0.005)
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"loads": len(loads), "latencies_ms": [round(value, 3) for value in latencies]}


def _unprotected(load: Any) -> Any:
    from django.core.cache import cache

    value = cache.get("bench:unprotected")
    if value is None:
        value = load()
        cache.set("bench:unprotected", value, TTL_SECONDS)
    return value


def levels(rounds: int) -> dict[str, Any]:
    """Read one page of results from L1, from Redis and from MongoDB in turn; return the times in ms.

    Beside them a bare redis-py ``GET`` of the same bytes with orjson's decoding, which is the least that a hit costs.
    """
    import orjson
    from django_redis import get_redis_connection

    from cachelayer import engine
    from cachelayer.server.door import namespaced
    from catalog.search.request import SearchRequest
    from catalog.services.search import search_products

    request = SearchRequest(query="wireless mouse")
    client: Any = get_redis_connection("default")
    times: dict[str, list[float]] = {"cold": [], "l1": [], "redis": [], "bare": []}

    def timed(name: str, read: Any) -> None:
        started = perf_counter()
        read()
        times[name].append((perf_counter() - started) * 1000)

    def search() -> Any:
        return search_products(request=request).value

    payload = search_products(request=request).payload
    client.set("bench:bare", payload)
    for _ in range(rounds):
        engine.invalidate(request.cache_key())
        timed("cold", search)
        engine.clear_local()
        timed("redis", search)
        timed("l1", search)
        timed("bare", lambda: orjson.loads(client.get("bench:bare")))
    return {"times_ms": times, "stored_bytes": client.strlen(namespaced(request.cache_key())), "bytes": len(payload)}


def main() -> None:
    """Run one mode in this process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "speedscale.settings")
    django.setup()
    mode, *arguments = sys.argv[1:]
    if mode == "levels":
        report = levels(int(arguments[0]))
    else:
        report = stampede(mode, int(arguments[0]), float(arguments[1]), monotonic() + float(arguments[2]))
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
