"""Health, probes and metrics."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from cachelayer.invalidation.watch_state import WatchState, publish_watch_state


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


@pytest.mark.parametrize(
    ("state", "watcher"),
    [
        (None, "absent"),
        (WatchState(supported=False), "unsupported"),
        (WatchState(lag_ms=3.5, worst_lag_ms=80.0, events=7), "running"),
    ],
)
def test_health_tells_how_writes_by_others_reach_the_caches(
    client: Client, state: WatchState | None, watcher: str
) -> None:
    if state is not None:
        publish_watch_state(state)
    told = client.get("/health").json()["invalidation"]
    assert told["watcher"] == watcher
    if watcher == "running":
        assert (told["lag_ms"], told["worst_lag_ms"], told["events"]) == (3.5, 80.0, 7)
    else:
        assert told["meaning"]


def test_probes_answer_and_are_never_stored(client: Client) -> None:
    for path in ("/health", "/livez", "/readyz"):
        response = client.get(path)
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"
