"""Metrics for Prometheus: those of all workers of this node, whichever of them is asked.

Sum over the nodes for the whole service. Labels are bounded: routes, sources, outcomes, kinds of values and servers are
named in the code, never by a visitor.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import accumulate

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from cachelayer.health import check_health
from cachelayer.invalidation.watch_state import read_watch_state
from cachelayer.telemetry import recorder
from cachelayer.telemetry.node import NodeState, node_state
from cachelayer.telemetry.tally import SECONDS_BOUNDS, Totals
from catalog.errors import CatalogUnavailable
from recommender.repository import live_manifest

_BOUNDS = [*(str(bound) for bound in SECONDS_BOUNDS), "+Inf"]
_SUMS = (
    # Name, help, group of the sums, label, and what one unit of the sum is.
    ("cached_reads", "Requests by the outcome of their cached reads", "outcome", "outcome", 1.0),
    ("cache_hits", "Reads that a cache answered", "hits", "kind", 1.0),
    ("cache_loads", "Reads that had to be loaded or waited for", "loads", "kind", 1.0),
    ("cache_saved_seconds", "Loading time that hits have saved", "saved_us", "kind", 1e-6),
    ("cache_load_seconds", "Time that loads have cost", "load_us", "kind", 1e-6),
)
_MONGODB = (
    ("mongodb_commands", "Commands sent while answering requests", "mongodb|commands", 1.0),
    ("mongodb_seconds", "Time that requests waited for MongoDB", "mongodb|us", 1e-6),
    ("mongodb_documents", "Documents that MongoDB returned to requests", "mongodb|documents", 1.0),
)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Export counters and health for Prometheus; needs ``Authorization: Bearer <METRICS_TOKEN>`` where that is set."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
            return HttpResponse("unauthorized\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Node())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Node(Collector):
    """The workers of this node, and the servers as this worker sees them."""

    def collect(self) -> Iterable[Metric]:
        state = node_state(recorder.totals)
        yield from _requests(state.totals)
        yield from _sums(state.totals)
        yield from _gauges(state)
        yield from _servers()


def _requests(totals: Totals) -> Iterator[Metric]:
    requests = CounterMetricFamily("speedscale_requests", "Requests answered", labels=["route", "status"])
    for label, count in totals.requests.items():
        requests.add_metric(label.split("|"), count)
    yield requests
    seconds = HistogramMetricFamily(
        "speedscale_request_seconds", "Time from the first middleware to the response", labels=["route", "source"]
    )
    for label, row in totals.buckets.items():
        buckets = list(zip(_BOUNDS, (float(count) for count in accumulate(row)), strict=True))
        seconds.add_metric(label.split("|"), buckets, sum_value=totals.seconds[label])
    yield seconds


def _sums(totals: Totals) -> Iterator[Metric]:
    for name, meaning, group, label, unit in _SUMS:
        family = CounterMetricFamily(f"speedscale_{name}", meaning, labels=[label])
        for key, amount in totals.sums.items():
            if key.startswith(f"{group}|"):
                family.add_metric([key.partition("|")[2]], amount * unit)
        yield family
    for name, meaning, key, unit in _MONGODB:
        yield CounterMetricFamily(f"speedscale_{name}", meaning, value=totals.sums.get(key, 0) * unit)


def _gauges(state: NodeState) -> Iterator[Metric]:
    yield GaugeMetricFamily("speedscale_workers", "Processes that report", value=len(state.gauges.get("alive", ())))
    for name, values in state.gauges.items():
        if name == "alive":
            continue
        label, _, server = name.partition("|")
        family = GaugeMetricFamily(
            f"speedscale_{label}", "Sum over the workers of this node", labels=["server"] if server else []
        )
        family.add_metric([server] if server else [], sum(values))
        yield family


def _servers() -> Iterator[Metric]:
    up = GaugeMetricFamily("speedscale_server_up", "Whether a server answers", labels=["server"])
    down_for = GaugeMetricFamily("speedscale_server_down_seconds", "For how long it does not", labels=["server"])
    health = check_health()
    for server in health.servers:
        up.add_metric([server.name], float(server.up))
        down_for.add_metric([server.name], 0.0 if server.up else (health.at - server.since).total_seconds())
    yield up
    yield down_for
    lag = GaugeMetricFamily("speedscale_invalidation_lag_seconds", "Worst lag of the watcher in the last minute")
    watching = GaugeMetricFamily("speedscale_watcher_up", "Whether a watcher tells the caches of others' writes")
    watch = read_watch_state()
    watching.add_metric([], float(watch is not None and watch.supported))
    if watch is not None and watch.supported:
        lag.add_metric([], watch.worst_lag_ms / 1000)
    yield watching
    yield lag
    yield from _model()


def _model() -> Iterator[Metric]:
    """Yield the age of the live recommendation model; nothing where there is none, or MongoDB is away."""
    try:
        live = live_manifest()
    except CatalogUnavailable:
        return
    if live is not None:
        age = (datetime.now(UTC) - live[1].created_at).total_seconds()
        yield GaugeMetricFamily("speedscale_model_age_seconds", "Age of the live recommendation model", value=age)
