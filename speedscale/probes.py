"""Health for people and orchestrators, and metrics for Prometheus."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cachelayer.health import Health, Status, check_health
from cachelayer.telemetry import totals
from cachelayer.watch_state import read_watch_state


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Tell what is up and what is down; 503 when the service cannot do its work."""
    del request
    report = check_health()
    return _json(_health_json(report), status=503 if report.status is Status.UNHEALTHY else 200)


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Tell that this process answers; asks no server, so that their failure restarts nothing."""
    del request
    return _json({"status": "alive"}, status=200)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Tell whether to send requests here: not while MongoDB is away, though warm answers would still be given."""
    del request
    report = check_health()
    ready = report.status is not Status.UNHEALTHY
    return _json({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Export counters and health for Prometheus; needs ``Authorization: Bearer <METRICS_TOKEN>`` where that is set."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
            return HttpResponse("unauthorized\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Totals())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Totals(Collector):
    """Counters over all workers, kept in Redis by the telemetry; they fall to zero when Redis is emptied."""

    def collect(self) -> Iterable[Metric]:
        counted = totals()
        requests = CounterMetricFamily("speedscale_requests", "Requests answered", labels=["route", "status"])
        for (route, status), count in counted.requests.items():
            requests.add_metric([route, status], count)
        seconds = CounterMetricFamily("speedscale_request_seconds", "Time spent answering", labels=["route"])
        for route, total_ms in counted.elapsed_ms.items():
            seconds.add_metric([route], total_ms / 1000)
        reads = CounterMetricFamily("speedscale_cached_reads", "Requests by outcome of the cache", labels=["outcome"])
        for outcome, count in counted.outcomes.items():
            reads.add_metric([outcome], count)
        up = GaugeMetricFamily("speedscale_server_up", "Whether a server answers", labels=["server"])
        for server in check_health().servers:
            up.add_metric([server.name], float(server.up))
        lag = GaugeMetricFamily("speedscale_invalidation_lag_seconds", "Worst lag of the watcher in the last minute")
        state = read_watch_state()
        if state is not None and state.supported:
            lag.add_metric([], state.worst_lag_ms / 1000)
        return [requests, seconds, reads, up, lag]


def _health_json(report: Health) -> dict[str, Any]:
    return {
        "invalidation": _invalidation_json(),
        "status": report.status.value,
        "timestamp": report.at.isoformat(),
        "connections": {server.name: server.up for server in report.servers},
        "servers": {
            server.name: {
                "up": server.up,
                "reason": server.reason,
                "since": server.since.isoformat(),
                "ping_ms": server.ping_ms,
            }
            for server in report.servers
        },
    }


def _invalidation_json() -> dict[str, Any]:
    """Tell how writes by others reach the caches."""
    state = read_watch_state()
    if state is None:
        return {"watcher": "absent", "meaning": "writes by others reach the caches only as their values expire"}
    if not state.supported:
        return {"watcher": "unsupported", "meaning": "MongoDB is no replica set and has no change streams"}
    return {"watcher": "running", "lag_ms": state.lag_ms, "worst_lag_ms": state.worst_lag_ms, "events": state.events}


def _json(body: dict[str, Any], *, status: int) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(body), status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
