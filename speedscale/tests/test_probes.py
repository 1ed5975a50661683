"""Health, probes and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.test import Client
from pytest_django import Settings

from cachelayer.telemetry import recorder


def test_health_names_servers_with_state_reason_and_since(client: Client) -> None:
    body = client.get("/health").json()
    assert body["status"] == "healthy"
    assert body["connections"] == {"mongodb": True, "redis": True}
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    for server in body["servers"].values():
        assert server["up"] is True
        assert server["reason"] == ""
        assert datetime.fromisoformat(server["since"]) <= datetime.fromisoformat(body["timestamp"])
        assert server["ping_ms"] > 0


def test_since_stays_while_the_state_stays(client: Client) -> None:
    first, second = (client.get("/health").json()["servers"]["mongodb"]["since"] for _ in range(2))
    assert first == second


def test_probes_answer_and_are_never_stored(client: Client) -> None:
    for path in ("/health", "/livez", "/readyz"):
        response = client.get(path)
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"


def test_metrics_count_requests_by_route_and_outcome(client: Client, products_db: Any) -> None:
    for _ in range(3):
        client.get("/api/search?query=metrics")
    recorder.flush()
    text = client.get("/metrics").content.decode()
    assert 'speedscale_requests_total{route="api:search",status="200"} 3.0' in text
    assert 'speedscale_cached_reads_total{outcome="miss"} 1.0' in text
    assert 'speedscale_cached_reads_total{outcome="l1_hit"} 2.0' in text
    assert 'speedscale_server_up{server="mongodb"} 1.0' in text


def test_metrics_want_their_token_where_one_is_set(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer right"}).status_code == 200
