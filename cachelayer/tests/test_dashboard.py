"""The dashboard: figures that can be checked by hand, what it says when servers are away, page and fragment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from cachelayer.dashboard.charts import decades_of, height_percent, latency_chart, scale_lines
from cachelayer.dashboard.contexts import build_dashboard, percentile
from cachelayer.dashboard.topology import build_topology
from cachelayer.health import Health, ServerHealth, Status
from cachelayer.telemetry import Sample, recorder
from cachelayer.tests.finished import finished

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def sample(**fields: Any) -> Sample:
    defaults: dict[str, Any] = {
        "at": AT.timestamp(),
        "route": "catalog:search",
        "method": "GET",
        "path": "/search?q=mouse",
        "status": 200,
        "elapsed_ms": 1.0,
        "outcome": "redis_hit",
        "source": "REDIS_CACHE",
        "key": "search:mouse",
        "spans": {"redis": 0.4},
    }
    return Sample(**{**defaults, **fields})


MISS = {"outcome": "miss", "source": "MONGODB", "spans": {"redis": 0.3, "mongodb": 7.0}}


def health(*, redis: bool = True, mongodb: bool = True) -> Health:
    def server(name: str, up: bool) -> ServerHealth:
        return ServerHealth(
            name=name,
            up=up,
            reason="" if up else "ConnectionError: refused",
            since=AT - timedelta(minutes=4),
            ping_ms=0.4 if up else None,
            required=name == "mongodb",
        )

    status = Status.HEALTHY if redis and mongodb else Status.DEGRADED if mongodb else Status.UNHEALTHY
    return Health(status=status, servers=(server("redis", redis), server("mongodb", mongodb)), at=AT)


def dashboard(*samples: Sample, covers_all: bool = True, five: Any = None, hour: Any = None, **up: bool) -> Any:
    return build_dashboard(
        samples=samples, covers_all=covers_all, five_minutes=five or {}, one_hour=hour or {}, health=health(**up)
    )


# --- Figures -----------------------------------------------------------------------------------------------


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [float(value) for value in range(1, 21)]
    assert percentile(values, 50) == 10
    assert percentile(values, 95) == 19
    assert percentile([7.0], 95) == 7
    assert percentile([1.0, 2.0], 50) == 1


def test_sources_are_told_apart_with_their_own_percentiles_and_the_quickest_first() -> None:
    rows = dashboard(
        *(sample(elapsed_ms=float(value), **MISS) for value in (10, 20, 30)),
        *(sample(elapsed_ms=float(value)) for value in (1, 2)),
        sample(elapsed_ms=0.5, outcome="", source="", key=""),
    ).sources
    assert [(row.label, row.count, row.p50, row.slowest) for row in rows] == [
        ("No cached read", 1, "0.50 ms", "0.50 ms"),
        ("Redis cache", 2, "1.00 ms", "2.00 ms"),
        ("MongoDB", 3, "20.0 ms", "30.0 ms"),
    ]


def test_the_hit_ratio_comes_with_the_counts_behind_it() -> None:
    five, hour = dashboard(five={"l1_hit": 6, "redis_hit": 3, "miss": 1}, hour={}).ratios
    assert (five.percent, five.counts) == ("90.0", "9 of 10 requests with a cached read")
    assert [(label, count) for label, _, count in five.parts] == [
        ("Process memory", "6"),
        ("Redis", "3"),
        ("Miss", "1"),
    ]
    assert (hour.percent, hour.counts) == ("–", "Nothing counted")


def test_a_bypass_counts_as_no_hit() -> None:
    [ratio, _] = dashboard(five={"bypass": 3, "stale": 1}).ratios
    assert ratio.percent == "25.0"


# --- Chart -------------------------------------------------------------------------------------------------


def test_bars_stand_on_a_logarithmic_scale_with_the_newest_at_the_right() -> None:
    chart = latency_chart([sample(elapsed_ms=100.0, **MISS), sample(elapsed_ms=1.0)], now=AT.timestamp() + 5)
    assert [line.label for line in chart.lines] == ["0.1 ms", "1 ms", "10 ms", "100 ms"]
    older, newest = chart.bars
    assert (older.heat, newest.heat) == ("hot", "cold")
    assert older.height == "33.333%"
    assert newest.height == "100%"
    assert newest.slot_x == "98%"
    assert newest.title == ("100 ms from MongoDB (miss): GET /search?q=mouse, key search:mouse, 5 s ago")


def test_extreme_latencies_stay_inside_the_chart() -> None:
    chart = latency_chart([sample(elapsed_ms=value) for value in (0.0, 0.00001, 123_456.0)])
    heights = [float(bar.height.rstrip("%")) for bar in chart.bars]
    assert all(0 < height <= 100 for height in heights)
    assert chart.lines[-1].label == "1000 s"


def test_the_scale_always_spans_three_powers_of_ten_and_all_values() -> None:
    assert decades_of([]) == 3
    assert decades_of([0.2]) == 3
    assert decades_of([101.0]) == 4
    assert [line.x for line in scale_lines(4)] == ["0%", "25%", "50%", "75%", "100%"]
    assert height_percent(10.0, 4) == pytest.approx(50)


def test_only_the_newest_fifty_are_drawn() -> None:
    chart = latency_chart([sample(path=f"/search?q={number}") for number in range(80)])
    assert len(chart.bars) == 50
    assert "q=0," in chart.bars[-1].title
    assert "q=49," in chart.bars[0].title


# --- The way of the last read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "roles"),
    [
        ({"outcome": "l1_hit", "source": "L1_CACHE"}, ["answered", "idle", "idle"]),
        ({}, ["passed", "answered", "idle"]),
        (MISS, ["passed", "passed", "answered"]),
        ({**MISS, "outcome": "bypass"}, ["passed", "skipped", "answered"]),
    ],
)
def test_the_way_shows_who_was_asked_and_who_answered(fields: dict[str, Any], roles: list[str]) -> None:
    topology = build_topology([sample(outcome="", source=""), sample(**fields)], health())
    assert [station.role for station in topology.stations] == roles


def test_the_way_names_the_time_spent_at_each_server() -> None:
    _, redis, mongodb = build_topology([sample(**MISS)], health()).stations
    assert redis.note == "had nothing, 0.30 ms"
    assert mongodb.note == "answered, 7.00 ms"


def test_an_answer_that_failed_is_not_shown_as_a_way() -> None:
    topology = build_topology([sample(status=503, **MISS)], health(mongodb=False))
    assert topology.request == "No cached read yet"
    assert [station.up for station in topology.stations] == [True, True, False]


# --- Pages -------------------------------------------------------------------------------------------------


def test_the_dashboard_before_the_first_request_is_empty_and_whole(client: Client) -> None:
    response = client.get("/dashboard/")
    assert response.status_code == 200
    assert "No request has been recorded yet" in response.content.decode()


def test_requests_show_with_source_and_key_and_the_dashboard_does_not_show_itself(client: Client) -> None:
    recorder.record(finished())
    recorder.flush()
    client.get("/dashboard/")
    recorder.flush()
    page = client.get("/dashboard/").content.decode()
    assert '<code title="search:mouse">search:mouse</code>' in page
    assert "GET /search?q=mouse" in page
    assert "GET /dashboard/" not in page
    assert "Requests of all workers" in page


def test_htmx_gets_the_live_part_alone_under_the_id_that_it_replaces(client: Client) -> None:
    page = client.get("/dashboard/")
    part = client.get("/dashboard/", headers={"hx-request": "true"})
    assert "<html" not in part.content.decode()
    assert part.content.decode().lstrip().startswith('<div id="dashboard-live"')
    assert page.content.decode().count('id="dashboard-live"') == 1
    assert "HX-Request" in part["Vary"]
    assert part["Cache-Control"] == "no-store"


def test_bars_differ_by_more_than_their_colour(client: Client) -> None:
    recorder.record(finished())
    recorder.record(finished(outcome="miss", source="MONGODB"))
    recorder.flush()
    page = client.get("/dashboard/").content.decode()
    assert re.search(r'<g class="bar bar--cold"><title>[^<]*\(miss\)', page)
    assert re.search(r'<g class="bar bar--hot"><title>[^<]*\(hit\)', page)
    assert '<pattern id="hatch"' in page
    assert 'role="img" aria-label="Bar chart' in page


def test_hostile_paths_and_keys_are_shown_as_text(client: Client) -> None:
    recorder.record(finished(path='/search?q="><script>alert(1)</script>', key="search:<img src=x>"))
    recorder.flush()
    page = client.get("/dashboard/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "&lt;script&gt;" in page


def test_without_redis_it_says_that_only_this_worker_is_shown(client: Client, settings: Settings) -> None:
    recorder.record(finished(path="/search?q=alone"))
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    page = client.get("/dashboard/").content.decode()
    assert "<strong>Redis is away.</strong> Only the requests of this one worker are shown" in page
    assert "GET /search?q=alone" in page
    assert "way__station--down" in page


def test_health_is_told_with_its_reason_and_since_when() -> None:
    live = dashboard(sample(), redis=False)
    assert live.verdict == "Working, but not with everything"
    redis, mongodb = live.servers
    assert (redis.state, redis.detail, redis.since) == (
        "Down",
        "ConnectionError: refused",
        "since 11:56:00 UTC",
    )
    assert (mongodb.state, mongodb.detail) == ("Up", "ping 0.40 ms")
