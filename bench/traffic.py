"""Visitors at a constant rate, for as long as a fault lasts: what each of them was told, and when.

The rate does not depend on the answers (an open loop): a request that is due while all visitors wait is late, and its
latency counts from when it was due.
"""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 15.0
_NO_ANSWER = 599


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visitor was told; ``status`` is 599 where nothing came."""

    at: float
    path: str
    status: int
    x_cache: str
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Answers within a span of time.

    Attributes:
        answered: share of requests with a status below 500.
        failed: the others by path, status, and seconds since the beginning.
    """

    requests: int
    errors: int
    answered: float
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    x_cache: dict[str, int]
    failed: tuple[tuple[str, int, float], ...]


class Traffic:
    """Asks for ``paths`` in random order from daemon threads until it is stopped.

    Args:
        url: scheme, host and port of the server.
        rate: requests a second, in all.
    """

    def __init__(self, url: str, paths: Sequence[str], *, rate: float, visitors: int = 16) -> None:
        self._address = urlsplit(url).netloc
        self._paths = paths
        self._pause = visitors / rate
        self._stopping = threading.Event()
        self._answers: list[Answer] = []
        self._threads = [
            threading.Thread(target=self._visit, args=(number / rate,), daemon=True) for number in range(visitors)
        ]

    def start(self) -> Traffic:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End, and wait for the last answers."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=2 * _TIMEOUT_SECONDS)

    def between(self, begin: float, end: float, *, x_cache: str = "") -> Summary:
        """Sum up the requests that were due between two moments of the monotonic clock, or those of one ``X-Cache``."""
        answers = [
            answer
            for answer in list(self._answers)
            if begin <= answer.at < end and (not x_cache or answer.x_cache == x_cache)
        ]
        latencies = sorted(answer.elapsed_ms for answer in answers) or [0.0]
        errors = sum(answer.status >= 500 for answer in answers)
        return Summary(
            requests=len(answers),
            errors=errors,
            answered=1 - errors / max(len(answers), 1),
            p50_ms=round(latencies[len(latencies) // 2], 2),
            p99_ms=round(latencies[int(len(latencies) * 0.99)], 2),
            slowest_ms=round(latencies[-1], 1),
            x_cache=dict(Counter(answer.x_cache for answer in answers)),
            failed=tuple((each.path, each.status, round(each.at - begin, 1)) for each in answers if each.status >= 500),
        )

    def first(self, x_cache: str, *, after: float, share: float = 0.9, window: float = 0.5) -> float | None:
        """Return the seconds from ``after`` until ``share`` of the answers in a window of time said ``x_cache``."""
        answers = sorted((answer for answer in list(self._answers) if answer.at >= after), key=lambda each: each.at)
        for begin in answers:
            group = [answer for answer in answers if begin.at <= answer.at < begin.at + window]
            if sum(answer.x_cache == x_cache for answer in group) >= share * len(group):
                return begin.at - after
        return None

    def _visit(self, delay: float) -> None:
        chance = random.Random(delay)
        connection = self._connect()
        due = monotonic() + delay
        while not self._stopping.is_set():
            sleep(max(due - monotonic(), 0))
            path = chance.choice(self._paths)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                status, x_cache = response.status, response.headers.get("X-Cache", "")
            except (OSError, http.client.HTTPException):
                status, x_cache = _NO_ANSWER, ""
                connection.close()
                connection = self._connect()
            self._answers.append(Answer(due, path, status, x_cache, (monotonic() - due) * 1000))
            due += self._pause
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=_TIMEOUT_SECONDS)
