"""Generated visitors: searches and product pages over HTTP, as skewed as real ones, and marked as generated."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from urllib.parse import quote, urlsplit

from cachelayer.web.middleware import GENERATED_NAME
from catalog.services.products import popular_products
from speedscale.lab.querylogs import generated_log

THREADS = 8


def paths_of_visitors(*, seed: int, count: int = 2000) -> list[str]:
    """Return what visitors ask for, in order; the same catalogue and seed give the same."""
    chance = random.Random(seed)
    products = [product["_id"] for product in popular_products(limit=50).value]
    paths = []
    for query in generated_log(count, seed=seed):
        kind = chance.random()
        if kind < 0.55:
            paths.append(f"/api/search?query={quote(query)}")
        elif kind < 0.75:
            paths.append(f"/search?q={quote(query)}")
        elif kind < 0.97 and products:
            paths.append(f"/api/products/{chance.choice(products)}")
        else:
            paths.append("/")
    return paths


def send_open_loop(
    url: str, paths: Sequence[str], *, rate: float, seconds: float, stop: Callable[[], bool] = lambda: False
) -> Counter[str]:
    """Ask for the paths in turn, ``rate`` a second, and count the answers by status; errors count as such."""
    counts: Counter[str] = Counter()
    began = monotonic()
    lock = threading.Lock()
    place = 0

    def visitor() -> None:
        nonlocal place
        connection = _Connection(url)
        while not stop():
            with lock:
                mine, place = place, place + 1
            due = began + mine / rate
            if due - began > seconds:
                return
            threading.Event().wait(max(due - monotonic(), 0))
            status = connection.get(paths[mine % len(paths)])
            with lock:
                counts[status] += 1

    _run_together(visitor)
    return counts


def flood(url: str, path: str, *, seconds: float, threads: int = 32) -> Counter[str]:
    """Ask for one path from many threads as fast as they are answered, each at least once; count by ``X-Cache``."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()
    until = monotonic() + seconds

    def visitor() -> None:
        connection = _Connection(url)
        while True:
            connection.get(path)
            with lock:
                counts[connection.cache] += 1
            if monotonic() >= until:
                return

    _run_together(visitor, threads)
    return counts


def _run_together(work: Callable[[], None], threads: int = THREADS) -> None:
    running = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


class _Connection:
    """A kept connection that is made anew after an error."""

    def __init__(self, url: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._http: http.client.HTTPConnection | None = None
        self.cache = ""

    def get(self, path: str) -> str:
        """Return the status, or the kind of error."""
        self.cache = "error"
        try:
            if self._http is None:
                self._http = http.client.HTTPConnection(self._netloc, timeout=5)
            self._http.request("GET", path, headers={GENERATED_NAME: "1", "Accept": "application/json, text/html"})
            response = self._http.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            if self._http is not None:
                self._http.close()
            self._http = None
            threading.Event().wait(0.05)
            return type(error).__name__
        self.cache = response.headers.get("X-Cache", "") or str(response.status)
        return str(response.status)
