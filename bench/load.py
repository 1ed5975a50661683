"""A closed-loop load from ``wrk``: throughput, and latency as a client with 16 connections sees it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class LoadError(RuntimeError):
    """The load could not be run, or an answer was not the one expected."""


@dataclass(frozen=True, slots=True)
class Load:
    """What ``wrk`` saw.

    Attributes:
        requests_per_second: finished requests.
        p50_ms: median latency. Closed loop: a slow answer delays the requests behind it, which then are not measured.
        p99_ms: 99th percentile.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def run_load(url: str, *, seconds: float, connections: int = 16) -> Load:
    """Load ``url`` for some seconds from one thread; raise :class:`LoadError` if any answer was not 2xx."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadError("wrk was not found: install Debian's package wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", url]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    output = finished.stdout
    if finished.returncode:
        raise LoadError(f"wrk {url}: {output}{finished.stderr}")
    if "Non-2xx" in output or "Socket errors" in output:
        raise LoadError(output)
    return Load(
        requests_per_second=float(_find(r"Requests/sec:\s+([\d.]+)", output)),
        p50_ms=_milliseconds(_find(r"^\s+50%\s+(\S+)", output)),
        p99_ms=_milliseconds(_find(r"^\s+99%\s+(\S+)", output)),
    )


def _find(pattern: str, output: str) -> str:
    match = re.search(pattern, output, re.MULTILINE)
    if match is None:
        raise LoadError(output)
    return match[1]


def _milliseconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    if match is None:
        raise LoadError(f"unknown duration {text}")
    return float(match[1]) * _UNITS[match[2]]
