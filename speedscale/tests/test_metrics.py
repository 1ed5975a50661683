"""``/metrics``: counters of all workers of a node, whichever is asked, with labels that no visitor can add to."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from cachelayer.telemetry import recorder
from cachelayer.telemetry.node import DIRECTORY_VARIABLE, node_state, publish
from cachelayer.telemetry.tally import Tally, Totals
from cachelayer.tests.finished import finished
from speedscale.tests.browser.site import running_site
from speedscale.tests.statics import give_static_files
from speedscale.tests.waiting import wait_for

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures_of(text: str) -> Figures:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float | None:
    return figures.get((f"speedscale_{name}", frozenset(labels.items())))


@pytest.fixture
def fresh_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "totals", Totals())


def test_requests_are_counted_by_route_source_and_outcome(client: Client, products_db: Any, fresh_totals: None) -> None:
    recorder.flush()
    for _ in range(3):
        client.get("/api/search?query=metrics")
    recorder.flush()
    figures = figures_of(client.get("/metrics").content.decode())
    assert figure(figures, "requests_total", route="api:search", status="200") == 3
    assert figure(figures, "cached_reads_total", outcome="miss") == 1
    assert figure(figures, "cached_reads_total", outcome="l1_hit") == 2
    assert figure(figures, "cache_hits_total", kind="search") == 2
    assert figure(figures, "request_seconds_count", route="api:search", source="L1_CACHE") == 2
    assert figure(figures, "request_seconds_bucket", route="api:search", source="L1_CACHE", le="+Inf") == 2
    assert figure(figures, "mongodb_commands_total") is not None
    assert figure(figures, "server_up", server="mongodb") == 1
    assert figure(figures, "breaker_open", server="redis") == 0
    assert (figure(figures, "pool_size", server="mongodb") or 0) >= 1
    assert (figure(figures, "l1_entries") or 0) >= 1


def test_a_histogram_is_cumulative_and_sums_what_it_counted(fresh_totals: None, client: Client) -> None:
    batch = [finished(value) for value in (0.4, 0.5, 0.6, 30.0, 9000.0)]
    recorder.totals.add(batch, Tally().add(batch))
    figures = figures_of(client.get("/metrics").content.decode())
    labels = {"route": "catalog:search", "source": "REDIS_CACHE"}
    counted = [
        figure(figures, "request_seconds_bucket", le=le, **labels) for le in ("0.0005", "0.001", "0.05", "5.0", "+Inf")
    ]
    assert counted == [2, 3, 4, 4, 5]
    assert figure(figures, "request_seconds_sum", **labels) == pytest.approx(9.0315)


def test_what_a_visitor_types_adds_no_label(client: Client, products_db: Any, fresh_totals: None) -> None:
    recorder.flush()
    client.get("/api/search?query=one")
    recorder.flush()
    before = set(figures_of(client.get("/metrics").content.decode()))
    for number in range(20):
        client.get(f"/api/search?query=other{number}&brand=b{number}")
        client.get(f"/nowhere/{number}")
        client.get(f"/products/{number:024x}/")
    recorder.flush()
    added = set(figures_of(client.get("/metrics").content.decode())) - before
    labels = {value for _, pairs in added for name, value in pairs if name in {"route", "kind"}}
    assert labels <= {"unmatched", "catalog:product", "api:search", "product", "search"}


def test_files_of_other_processes_are_added_and_the_dead_keep_their_counts_but_no_gauges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    monkeypatch.setattr("cachelayer.telemetry.node._last_published", 0.0)
    batch = [finished(1.0)] * 5
    totals = Totals()
    totals.add(batch, Tally().add(batch))
    publish(totals)
    [own] = tmp_path.glob("*.json")
    (tmp_path / "1-1.json").write_bytes(own.read_bytes())
    (tmp_path / "2-1.json").write_bytes(re.sub(rb'"at":[\d.]+', b'"at":1.0', own.read_bytes()))
    (tmp_path / "3-1.json").write_bytes(b'{"at":')
    state = node_state(totals)
    assert state.totals.requests == {"catalog:search|200": 15}
    assert state.totals.sums["outcome|redis_hit"] == 15
    assert len(state.gauges["alive"]) == 2


def test_metrics_want_their_token_where_one_is_set(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer right"}).status_code == 200


def test_two_workers_of_a_real_server_are_one_sum_whichever_answers(tmp_path: Path) -> None:
    give_static_files(tmp_path)
    with running_site(tmp_path, tmp_path / "web.log", WEB_CONCURRENCY="2", WEB_THREADS="2") as site:

        def fetch(path: str) -> str:
            with urllib.request.urlopen(site.url + path, timeout=10) as response:  # noqa: S310  (our own site)
                return str(response.read().decode())

        def seen() -> tuple[float | None, float | None]:
            figures = figures_of(fetch("/metrics"))
            return figure(figures, "requests_total", route="api:trending", status="200"), figure(figures, "workers")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(fetch, ["/api/trending"] * 80))
        wait_for(lambda: seen() == (80, 2))
        assert {seen() for _ in range(10)} == {(80, 2)}


_RECORDING = """
import json, sys
import django
django.setup()
from cachelayer.telemetry import Recorder
from cachelayer.telemetry.node import node_state
from cachelayer.tests.finished import finished
recorder = Recorder()
recorder._start_thread = lambda: None
for milliseconds in json.load(sys.stdin):
    recorder.record(finished(milliseconds))
recorder.flush()
print(sum(node_state(recorder.totals).totals.requests.values()))
"""
_READING = """
import json
import django
django.setup()
from cachelayer.telemetry import read_window
window = read_window("15m")
told = window.series["catalog:search", "REDIS_CACHE"]
print(json.dumps([window.covers_all, told.total, {percent: told.percentile(percent) for percent in (50, 90, 95, 99)}]))
"""


def process_of(node: Path, program: str, *, stdin: str = "") -> str:
    """Run a program in a process of the node whose directory this is, and return what it prints."""
    node.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "speedscale.settings", DIRECTORY_VARIABLE: str(node)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_processes_of_two_nodes_merge_in_redis_to_the_percentiles_of_all_their_requests(tmp_path: Path) -> None:
    chance = random.Random(11)
    # The nodes differ, so that neither's percentiles, nor the mean of both, would do.
    durations = {
        "first": [chance.lognormvariate(0.5, 0.8) for _ in range(1500)],
        "second": [chance.lognormvariate(3.0, 1.0) for _ in range(500)],
    }
    with ThreadPoolExecutor() as pool:
        told = pool.map(
            lambda name: process_of(tmp_path / name, _RECORDING, stdin=json.dumps(durations[name])), durations
        )
        assert list(told) == ["1500", "500"], "each node tells its own on /metrics"
    covers_all, total, percentiles = json.loads(process_of(tmp_path / "third", _READING))
    assert (covers_all, total) == (True, 2000)
    union = sorted([*durations["first"], *durations["second"]])
    for percent, estimate in percentiles.items():
        exact = union[math.ceil(len(union) * int(percent) / 100) - 1]
        assert abs(estimate / exact - 1) <= 0.02, percent
