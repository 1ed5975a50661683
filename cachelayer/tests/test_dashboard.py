"""The dashboard: figures that can be checked by hand, what it says when servers are away, page and fragment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from cachelayer.dashboard.charts import decades_of, height_percent, latency_chart, scale_lines
from cachelayer.dashboard.heatmap import BANDS, band_of, build_heatmap
from cachelayer.dashboard.overview import Overview, build_overview
from cachelayer.dashboard.topology import Gateway, Topology, build_topology
from cachelayer.health import Health, ServerHealth, Status, since_any_worker_knows
from cachelayer.telemetry import Finished, Recorder, Sample, Window, read_window, recorder
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


GATEWAY = Gateway(workers=2, threads=8, l1_entries=3, l1_bytes="1.0 KiB", pid=7)


def overview(*samples: Sample, window: Window | None = None, **up: bool) -> Overview:
    return build_overview(
        samples=samples, window=window or read_window("1m"), health=health(**up), gateway=GATEWAY, descriptions={}
    )


def topology_of(*samples: Sample, **up: bool) -> Topology:
    return build_topology(samples, health(**up), GATEWAY, {}, None)


# --- Figures -----------------------------------------------------------------------------------------------


def window_of(*batch: Finished, name: str = "1m") -> Window:
    taken = Recorder()
    taken._start_thread = lambda: None  # type: ignore[method-assign]
    for one in batch:
        taken.record(one)
    taken.flush()
    return read_window(name)


def test_routes_and_sources_are_told_apart_with_rate_and_percentiles() -> None:
    window = window_of(
        *(finished(float(value), outcome="miss", source="MONGODB") for value in (10, 20, 30)),
        *(finished(float(value)) for value in (1, 2)),
        finished(0.5, outcome="", route="catalog:home"),
    )
    rows = overview(window=window).series
    assert [(row.route, row.source, row.count) for row in rows] == [
        ("catalog:home", "No cached read", "1"),
        ("catalog:search", "Redis cache", "2"),
        ("catalog:search", "MongoDB", "3"),
    ]
    assert abs(float(rows[2].p50.split()[0]) / 20 - 1) < 0.021
    assert rows[2].href == "route=catalog:search&source=MONGODB"


def test_the_hit_ratio_comes_with_the_counts_behind_it() -> None:
    window = window_of(
        *(finished(outcome="l1_hit", source="L1_CACHE") for _ in range(6)),
        *(finished() for _ in range(3)),
        finished(outcome="miss", source="MONGODB"),
    )
    ratio = overview(window=window).ratio
    assert (ratio.percent, ratio.counts) == ("90.0", "9 of 10 requests with a cached read")
    assert [(label, count) for label, _, count in ratio.parts] == [
        ("Process memory", "6"),
        ("Redis", "3"),
        ("Miss", "1"),
    ]


def test_a_bypass_counts_as_no_hit_and_nothing_counted_is_no_ratio() -> None:
    empty = overview(window=read_window("1h")).ratio
    assert (empty.percent, empty.counts) == ("–", "Nothing counted")
    window = window_of(*(finished(outcome="bypass", source="MONGODB") for _ in range(3)), finished(outcome="stale"))
    assert overview(window=window).ratio.percent == "25.0"


def test_saved_loading_is_the_sum_of_what_the_hits_had_cost() -> None:
    window = window_of(finished(load_ms=400.0), finished(load_ms=350.0), finished(outcome="miss", load_ms=100.0))
    [saved] = [figure for figure in overview(window=window).figures if figure.label == "Loading saved"]
    assert (saved.value, saved.unit) == ("750", "ms")


# --- Heatmap -----------------------------------------------------------------------------------------------


def test_a_cell_of_the_heatmap_leads_to_its_requests(client: Client) -> None:
    recorder.record(finished(5.0, path="/search?q=in-the-cell"))
    recorder.record(finished(900.0, path="/search?q=elsewhere"))
    recorder.flush()
    drawn = str(build_heatmap(read_window("1m")).cells)
    cells = re.findall(r'href="([^"]+)"[^>]*><title>([^<]+)', drawn)
    [href] = [href for href, label in cells if "3.98 ms to 6.31 ms" in label]
    page = client.get(unescape(href)).content.decode()
    assert "q=in-the-cell" in page
    assert "q=elsewhere" not in page


@pytest.mark.parametrize(("latency", "band"), [(0.0, 0), (0.1, 0), (1.0, 5), (9.99, 9), (1e9, BANDS - 1)])
def test_bands_are_five_to_a_power_of_ten(latency: float, band: int) -> None:
    assert band_of(latency) == band


def test_shades_grow_with_the_logarithm_of_the_count() -> None:
    many = build_heatmap(window_of(*(finished(1.0) for _ in range(100)), finished(50.0)))
    assert many.shades == ("1", "3", "7", "16", "40")
    assert str(many.cells).count("heat--4") >= 1
    assert str(many.cells).count("heat--0") == 1


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
        ({"outcome": "l1_hit", "source": "L1_CACHE"}, ["passed", "answered", "idle", "idle"]),
        ({}, ["passed", "passed", "answered", "idle"]),
        (MISS, ["passed", "passed", "passed", "answered"]),
        ({**MISS, "outcome": "bypass"}, ["passed", "passed", "skipped", "answered"]),
    ],
)
def test_the_way_shows_who_was_asked_and_who_answered(fields: dict[str, Any], roles: list[str]) -> None:
    topology = topology_of(sample(outcome="", source=""), sample(**fields))
    assert [station.role for station in topology.stations] == roles


def test_the_way_names_the_time_spent_at_each_server() -> None:
    _, _, redis, mongodb = topology_of(sample(**MISS)).stations
    assert redis.note == "had nothing, 0.30 ms"
    assert mongodb.note == "answered, 7.00 ms"


def test_an_answer_that_failed_is_not_shown_as_a_way() -> None:
    topology = topology_of(sample(status=503, **MISS), mongodb=False)
    assert topology.request == "No cached read yet"
    assert [station.up for station in topology.stations] == [True, True, True, False]


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
    assert re.search(r'<a class="bar bar--cold"[^>]*><title>[^<]*\(miss\)', page)
    assert re.search(r'<a class="bar bar--hot"[^>]*><title>[^<]*\(hit\)', page)
    assert '<pattern id="hatch"' in page
    assert 'role="group" aria-label="Bar chart' in page


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


def test_a_server_that_is_down_looks_down_with_since_when_and_why() -> None:
    live = overview(sample(), redis=False)
    assert live.verdict == "Working, but not with everything"
    _, _, redis, mongodb = live.topology.stations
    assert (redis.up, redis.state, redis.kind) == (False, "down since 11:56:00 UTC", "ConnectionError: refused")
    assert (mongodb.up, mongodb.state) == (True, "up since 11:56:00 UTC, ping 0.40 ms")


def test_of_several_workers_the_one_that_knew_first_tells_since_when() -> None:
    told = [
        {"redis": (False, (AT - timedelta(minutes=9)).timestamp())},
        {"redis": (True, (AT - timedelta(hours=9)).timestamp())},
    ]
    redis, mongodb = since_any_worker_knows(health(redis=False), told).servers
    assert redis.since == AT - timedelta(minutes=9)
    assert mongodb.since == AT - timedelta(minutes=4)


def test_the_topology_names_the_real_servers(client: Client, products_db: Any) -> None:
    page = client.get("/dashboard/").content.decode()
    assert re.search(r"replica set \w+, version 6\.0", page)
    assert re.search(r"<code>127\.0\.0\.1:\d+</code> primary", page)
    assert re.search(r"one server, version \d", page)
    assert "Products" in page
