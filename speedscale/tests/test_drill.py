"""The failover drill: a short one in the suite, ten in a row and at MongoDB's own timeouts with ``make drill``."""

from __future__ import annotations

import json
import os
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from pymongo import MongoClient

from catalog.cluster.load import _Retries
from speedscale.cluster.drill import _report
from speedscale.cluster.redis_drill import Answer, summarise
from speedscale.embedded.mongod import MongodServer
from speedscale.tests.commands import environment

pytestmark = pytest.mark.timeout(180)


def drill(*arguments: str) -> dict[str, Any]:
    """Run the command in this process, which spares it the start of Django; its load is a process all the same."""
    output, status = StringIO(), 0
    with mock.patch.dict(os.environ, environment(), clear=True):
        try:
            call_command("cluster_drill", "--json", *arguments, stdout=output, stderr=StringIO())
        except SystemExit as end:
            status = int(end.code or 0)
    told: dict[str, Any] = json.loads(output.getvalue())
    assert (status == 0) == told["ok"]
    return told


def test_a_primary_that_is_killed_costs_time_but_no_acknowledged_write() -> None:
    told = drill("--fault", "kill", "--election-timeout-ms", "2000")
    assert told["lost"] == 0
    assert told["acknowledged"] > 100
    (fault,) = told["faults"]
    # The gap is seen at all, so writes were under way, and it ends.
    assert 0.2 < fault["write_gap_seconds"] < 15
    assert told["outcomes"]["redis_hit"] > 0
    assert sum(fault["outcomes"].values()) > 100, "they went on meanwhile"
    assert all(count <= told["outcomes"][name] for name, count in fault["outcomes"].items())
    assert {"retried_writes", "retried_reads"} <= told.keys()


@pytest.mark.drill
def test_operations_that_a_second_attempt_saved_are_counted_by_command(tmp_path: Path) -> None:
    retries = _Retries()
    mongod = MongodServer(tmp_path, cache_mb=256, test_commands=True)
    try:
        with MongoClient[dict[str, Any]](mongod.uri, event_listeners=[retries]) as client:
            things = client.drill.things
            things.insert_one({"_id": 0})
            assert not retries.rescued
            for command, operation in (("insert", things.insert_one), ("find", things.find_one)):
                fails = {"failCommands": [command], "errorCode": 11600, "errorLabels": ["RetryableWriteError"]}
                client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fails})
                operation({"_id": 1})
    finally:
        mongod.stop()
    assert dict(retries.rescued) == {"insert": 1, "find": 1}


def test_the_report_tells_what_the_caches_answered_during_each_fault() -> None:
    quiet = {"gaps": [], "failed": 0}
    account = {
        **{"writes": quiet, "reads": quiet, "cached_reads": quiet, "acknowledged": 9, "lost": 0},
        **{"retried_writes": 2, "retried_reads": 1},
        "outcomes": [[9.9, "redis_hit", 5], [10.0, "stale", 7], [12.0, "redis_hit", 1], [12.1, "miss", 3]],
    }
    report = _report(account, [("kill", 10.0, 12.05)], 2.0)
    assert report.faults[0].outcomes == {"stale": 7, "redis_hit": 1}
    assert report.outcomes == {"redis_hit": 6, "stale": 7, "miss": 3}
    lines = "\n".join(report.lines())
    assert "second attempt succeeded 2 writes and 1 reads" in lines
    assert "from kill until all members were back: redis_hit 1, stale 7." in lines


@pytest.mark.parametrize(
    ("arguments", "uri", "embedded", "complaint"),
    [
        ([], "mongodb://db1,db2/?replicaSet=theirs", False, "--i-mean-it"),
        (["--i-mean-it", "--fault", "kill"], "mongodb://db1,db2/?replicaSet=theirs", False, "can only be stepped down"),
        ([], "mongodb://127.0.0.1:1/?replicaSet=ours", True, "one MongoDB has no failover"),
        ([], "", True, "nothing runs"),
    ],
)
def test_servers_of_others_are_left_alone_unless_it_is_meant(
    arguments: list[str], uri: str, embedded: bool, complaint: str
) -> None:
    with override_settings(MONGO_URI=uri, EMBEDDED=embedded), pytest.raises(CommandError, match=complaint):
        call_command("cluster_drill", "--running", *arguments)


def test_the_account_of_redis_counts_failures_and_hits_by_time() -> None:
    def answers(began: float, cache: str, status: int = 200) -> list[Answer]:
        return [Answer(began + number / 10, status, cache) for number in range(20)]

    well = [*answers(0, "HIT"), *answers(2, "BYPASS"), *answers(4, "HIT"), *answers(6, "HIT")]
    report = summarise(well, killed=2.0, replaced=3.0)
    assert report.ok
    assert (report.hit_ratio_before, report.hit_ratio_after) == (1.0, 1.0)
    assert (report.recovered_after_seconds, report.new_master_after_seconds) == (2.0, 1.0)
    assert not summarise([*well, Answer(8.0, 503, "")], killed=2.0, replaced=3.0).ok
    assert not summarise([*well, *answers(8, "BYPASS")], killed=2.0, replaced=3.0).ok


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_ten_drills_lose_no_acknowledged_write_and_recover_within_15_seconds() -> None:
    gaps: dict[str, list[float]] = {"kill": [], "stepdown": []}
    acknowledged = 0
    for _ in range(10):
        told = drill("--fault", "kill", "--fault", "stepdown")
        assert told["lost"] == 0
        acknowledged += told["acknowledged"]
        for fault in told["faults"]:
            gaps[fault["fault"]].append(fault["write_gap_seconds"])
    assert acknowledged > 5_000
    assert max(gaps["kill"]) < 15
    assert max(gaps["stepdown"]) < 15


@pytest.mark.drill
def test_a_silent_primary_costs_no_acknowledged_write_and_writes_go_on_within_15_seconds() -> None:
    told = drill("--fault", "pause")
    assert told["lost"] == 0
    assert told["faults"][0]["write_gap_seconds"] < 15
    assert told["faults"][0]["cached_read_gap_seconds"] < 5


@pytest.mark.drill
def test_a_killed_redis_master_costs_no_page_and_hits_come_back() -> None:
    told = drill("--redis")
    assert set(told["statuses"]) == {"200"}
    assert told["hit_ratio_after"] >= 0.9 * told["hit_ratio_before"]
    assert told["recovered_after_seconds"] < 15
