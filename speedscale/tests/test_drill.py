"""The failover drill: a short one in the suite, ten in a row and at MongoDB's own timeouts with ``make drill``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from speedscale.cluster.redis_drill import Answer, summarise
from speedscale.tests.commands import manage

pytestmark = pytest.mark.timeout(180)


def drill(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    done = manage("cluster_drill", "--json", *arguments, DATA_DIR=str(tmp_path))
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == told["ok"]
    return told


def test_a_primary_that_is_killed_costs_time_but_no_acknowledged_write(tmp_path: Path) -> None:
    told = drill(tmp_path, "--fault", "kill", "--election-timeout-ms", "2000")
    assert told["lost"] == 0
    assert told["acknowledged"] > 100
    (fault,) = told["faults"]
    # The gap is seen at all, so writes were under way, and it ends.
    assert 0.2 < fault["write_gap_seconds"] < 15
    assert told["outcomes"]["redis_hit"] > 0


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
def test_ten_drills_lose_no_acknowledged_write_and_recover_within_15_seconds(tmp_path: Path) -> None:
    gaps: dict[str, list[float]] = {"kill": [], "stepdown": []}
    acknowledged = 0
    for _ in range(10):
        told = drill(tmp_path, "--fault", "kill", "--fault", "stepdown")
        assert told["lost"] == 0
        acknowledged += told["acknowledged"]
        for fault in told["faults"]:
            gaps[fault["fault"]].append(fault["write_gap_seconds"])
    assert acknowledged > 5_000
    assert max(gaps["kill"]) < 15
    assert max(gaps["stepdown"]) < 15


@pytest.mark.drill
def test_a_silent_primary_costs_no_acknowledged_write(tmp_path: Path) -> None:
    told = drill(tmp_path, "--fault", "pause")
    assert told["lost"] == 0
    assert told["faults"][0]["cached_read_gap_seconds"] < 5


@pytest.mark.drill
def test_a_killed_redis_master_costs_no_page_and_hits_come_back(tmp_path: Path) -> None:
    told = drill(tmp_path, "--redis")
    assert set(told["statuses"]) == {"200"}
    assert told["hit_ratio_after"] >= 0.9 * told["hit_ratio_before"]
    assert told["recovered_after_seconds"] < 15
