"""How many web nodes the load needs: from how many requests are worked on at a time, and how long they take.

The number of requests in flight is the rate times the mean duration (Little's law), whichever nodes they are on. A node
works on as many at a time as it has threads. Fewer nodes are advised late and one at a time, more nodes soon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cachelayer.telemetry.histogram import middle_ms
from cachelayer.telemetry.windows import Window


@dataclass(frozen=True, slots=True)
class Load:
    """What the web nodes did in a period.

    Attributes:
        at: its end, in seconds of any clock.
        requests_per_second: finished requests.
        in_flight: mean number of requests worked on at a time, over all nodes.
        p95_ms: 95th percentile of their durations.
    """

    at: float
    requests_per_second: float
    in_flight: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules of the advice.

    Attributes:
        threads_per_node: workers times threads.
        target: share of the threads that may be busy on average; above it requests begin to wait for each other.
        p95_ms: slower than this while at least half as busy as that counts as queueing.
        minimum: fewest nodes; two survive the loss of one.
        maximum: most nodes.
        up_seconds: how long more must have been needed before it is advised.
        down_seconds: how long fewer must have sufficed, and how long after any change.
        slack: fewer nodes are advised only where they would be below this share of the target.
    """

    threads_per_node: int
    target: float = 0.6
    p95_ms: float = 250.0
    minimum: int = 2
    maximum: int = 50
    up_seconds: float = 30.0
    down_seconds: float = 300.0
    slack: float = 0.8


@dataclass(frozen=True, slots=True)
class Advice:
    """How many nodes there should be, and why."""

    nodes: int
    reason: str


def nodes_needed(load: Load, limits: Limits, *, nodes: int) -> int:
    """Return how many nodes this load needs, without regard to what was before."""
    capacity = limits.threads_per_node * limits.target
    needed = math.ceil(load.in_flight / capacity - 1e-9)
    busy = load.in_flight / (nodes * capacity)
    if load.p95_ms > limits.p95_ms and busy >= 0.5:
        needed = max(needed, nodes + 1)
    return min(max(needed, limits.minimum), limits.maximum)


class Advisor:
    """Follows the load and changes its advice neither for a moment's peak nor back and forth."""

    def __init__(self, limits: Limits, *, nodes: int) -> None:
        self._limits = limits
        self._nodes = min(max(nodes, limits.minimum), limits.maximum)
        self._changed: float | None = None
        self._more_since: float | None = None
        self._fewer_since: float | None = None

    def observe(self, load: Load) -> Advice:
        """Take the load of the last period into account and return the advice."""
        limits, nodes = self._limits, self._nodes
        needed = nodes_needed(load, limits, nodes=nodes)
        roomy = load.in_flight <= (nodes - 1) * limits.threads_per_node * limits.target * limits.slack
        self._more_since = (self._more_since or load.at) if needed > nodes else None
        self._fewer_since = (self._fewer_since or load.at) if needed < nodes and roomy else None
        if self._changed is None:
            self._changed = load.at
        if self._more_since is not None and load.at - self._more_since >= limits.up_seconds:
            return self._change(needed, load, f"{load.in_flight:.0f} requests at a time, p95 {load.p95_ms:.0f} ms")
        quiet = load.at - self._changed >= limits.down_seconds
        if self._fewer_since is not None and quiet and load.at - self._fewer_since >= limits.down_seconds:
            return self._change(nodes - 1, load, f"{load.in_flight:.1f} requests at a time need fewer")
        return Advice(nodes, "as it is")

    def keep(self, reason: str) -> Advice:
        """Return the advice while the load is not known: as it is, and what was seen before proves nothing any more."""
        self._more_since = self._fewer_since = None
        return Advice(self._nodes, reason)

    def _change(self, nodes: int, load: Load, reason: str) -> Advice:
        self._nodes, self._changed = nodes, load.at
        self._more_since = self._fewer_since = None
        return Advice(nodes, reason)


def load_of(window: Window) -> Load:
    """Return the load that the telemetry of all nodes counted in a window."""
    seconds = max(window.ended - window.started, 1.0)
    counts = window.all.counts
    total_ms = sum(count * middle_ms(bucket) for bucket, count in enumerate(counts) if count)
    return Load(window.ended, window.all.total / seconds, total_ms / 1000 / seconds, window.all.percentile(95))
