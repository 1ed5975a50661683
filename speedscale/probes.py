"""Health for people and orchestrators."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from cachelayer.health import Health, Status, check_health
from cachelayer.invalidation.watch_state import read_watch_state


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
