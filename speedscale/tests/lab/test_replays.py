"""Paired replays: figures that can be checked, logs that are the same again, bounds, and a run on real servers."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pytest_django import Settings

from cachelayer.health import ProbeFailed
from cachelayer.telemetry import Finished, recent_samples, recorder
from cachelayer.telemetry.samples import sample_of
from cachelayer.tests.finished import finished
from catalog import mongo
from catalog.tests.factories import draft, store
from speedscale.lab import runs
from speedscale.lab.contexts import build_run_page, run_row
from speedscale.lab.limits import PlanError, checked_plan
from speedscale.lab.querylogs import NoQueries, file_log, generated_log, hash_of, recorded_log
from speedscale.lab.replay import replay
from speedscale.lab.runs import Pair, Plan, Run, new_run
from speedscale.lab.statistics import median_interval, percentile
from speedscale.lab.summary import summarise
from speedscale.tests.waiting import wait_for


@pytest.fixture(autouse=True)
def own_directory(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def shop(products_db: Any) -> None:
    store(*(draft(f"M-{number}", name=f"Silent Mouse {number}", brand=f"Brand {number % 5}") for number in range(30)))


# --- Statistics --------------------------------------------------------------------------------------------


def test_the_interval_of_the_median_holds_the_truth_about_95_times_in_100() -> None:
    chance = random.Random(11)
    held = 0
    for trial in range(200):
        values = [chance.lognormvariate(1.0, 0.8) for _ in range(60)]
        interval = median_interval(values, seed=trial, resamples=300)
        held += interval.low <= 2.718281828 <= interval.high
    assert 180 <= held <= 199


def test_the_same_values_and_seed_give_the_same_interval_and_it_holds_the_median() -> None:
    values = [1.0, 2.0, 3.0, 50.0, 4.0]
    interval = median_interval(values, seed=1)
    assert interval == median_interval(values, seed=1)
    assert interval.low <= interval.value == median(values) <= interval.high
    assert percentile(values, 50) == 3.0


# --- Logs --------------------------------------------------------------------------------------------------


def test_a_generated_log_is_the_same_again_and_skewed(shop: None) -> None:
    log = generated_log(400, seed=5)
    assert log == generated_log(400, seed=5)
    assert hash_of(log) != hash_of(generated_log(400, seed=6))
    counts = sorted((log.count(query) for query in set(log)), reverse=True)
    assert counts[0] > 4 * counts[len(counts) // 2]


def test_a_recorded_log_is_what_visitors_searched_in_their_order() -> None:
    for path, route in (
        ("/search?q=one", "catalog:search"),
        ("/", "catalog:home"),
        ("/api/search?query=Two", "api:search"),
    ):
        recorder.record(finished(path=path, route=route))
    recorder.record(finished(path="/search?q=refused", status=429))
    recorder.flush()
    assert recorded_log(10) == ["one", "two"]


def test_logs_that_hold_nothing_are_refused_in_words(tmp_path: Path, products_db: Any) -> None:
    (tmp_path / "empty.txt").write_text("\n\n\x00\n")
    with pytest.raises(NoQueries, match="recorded"):
        recorded_log(5)
    with pytest.raises(NoQueries, match="empty"):
        generated_log(5, seed=1)
    with pytest.raises(NoQueries, match="no query"):
        file_log(tmp_path / "empty.txt", 5)


def test_a_file_may_hold_queries_and_addresses(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("Wireless  Mouse\n/api/search?query=usb%20hub\n/search?q=desk&sort=price\n")
    assert file_log(tmp_path / "log.txt", 10) == ["wireless mouse", "usb hub", "desk"]


# --- Runs --------------------------------------------------------------------------------------------------


def test_a_replay_pairs_cold_and_hot_answers_of_the_same_log(shop: None, settings: Settings) -> None:
    log = ["silent mouse", "brand 1", "brand 2", "mouse 7"] * 5
    run = new_run(Plan(count=len(log), rate=100.0))
    replay(run, log)
    assert run.state == "done"
    assert run.finished == run.total == len(log)
    assert len(run.pairs) + sum(run.discarded.values()) == len(log)
    assert len(run.pairs) >= 10
    assert {pair.cold_first for pair in run.pairs} == {True, False}
    summary = summarise(run)
    assert summary.ratio is not None
    assert summary.ratio.low <= summary.ratio.value <= summary.ratio.high
    assert summary.cold.p50 > summary.hot.p50
    stored = runs.load(run.id)
    assert stored == run
    assert stored is not None
    assert build_run_page(stored, None, others=[stored]).run.log_hash == hash_of(log)


def test_after_each_restart_mongodb_is_found_again_before_anything_is_measured(
    shop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[Any] = []
    really_probe = mongo.probe

    def probe(*purposes: mongo.Purpose) -> None:
        happened.append(set(purposes))
        if happened[-2] == "restarted":
            raise ProbeFailed("not yet")
        really_probe(*purposes)

    monkeypatch.setattr(mongo, "probe", probe)
    run = new_run(Plan(count=2, rate=100.0))
    replay(run, ["brand 1", "brand 2"], restart_mongodb=lambda: happened.append("restarted"))
    # Each client of the driver has to find the server for itself.
    both = {mongo.Purpose.PAGE, mongo.Purpose.SEARCH}
    assert happened == ["restarted", both, both] * 2
    assert run.finished == 2


def test_hot_may_lie_in_the_process_as_well(shop: None) -> None:
    run = new_run(Plan(count=6, rate=100.0, hot="l1"))
    replay(run, ["silent mouse", "brand 1", "brand 2"] * 2)
    assert len(run.pairs) >= 3, run.discarded


def test_replayed_requests_are_told_as_generated(shop: None) -> None:
    replay(new_run(Plan(count=1, rate=10.0)), ["brand 1"])
    recorder.flush()
    samples = recent_samples(10)[0]
    assert samples
    assert all(sample.generated for sample in samples)


def test_a_run_can_be_stopped_and_keeps_what_it_has(shop: None) -> None:
    run = new_run(Plan(count=400, rate=20.0))

    def stop_after_the_first() -> None:
        wait_for(lambda: run.finished)
        runs.ask_to_stop(run.id)

    threading.Thread(target=stop_after_the_first, daemon=True).start()
    replay(run, ["silent mouse", "brand 1", "brand 2", "brand 3"] * 100)
    assert run.state == "stopped"
    assert 0 < run.finished < 400
    assert not runs.is_asked_to_stop(run.id)


def test_a_run_ends_when_its_time_is_over(shop: None) -> None:
    run = new_run(Plan(count=400, rate=20.0, limit_seconds=1.0))
    replay(run, ["silent mouse", "brand 1", "brand 2", "brand 3"] * 100)
    assert run.state == "out of time"
    assert run.ended - run.started < 10


@pytest.mark.parametrize(
    "plan",
    [
        Plan(count=0),
        Plan(count=10_000),
        Plan(rate=0),
        Plan(rate=1e9),
        Plan(limit_seconds=1e9),
        Plan(cold="everything"),
        Plan(hot="nothing"),
        Plan(log="/etc/passwd"),
        Plan(cold="mongodb"),
    ],
)
def test_plans_out_of_bounds_are_refused(plan: Plan) -> None:
    with pytest.raises(PlanError):
        checked_plan(plan)


def test_runs_are_bounded_in_number_and_other_files_are_not_runs(tmp_path: Path) -> None:
    for number in range(runs.KEPT_RUNS + 5):
        runs.save(Run(id=f"20260101-0000{number:02d}-abcd", plan=Plan(), state="done"))
    assert len(runs.all_runs()) == runs.KEPT_RUNS
    assert runs.all_runs()[0].id == "20260101-000054-abcd"
    for hostile in ("../x", "", "20260101-000054-abcd/../../y", "x" * 300):
        assert runs.load(hostile) is None


def _ended_process() -> Run:
    run = new_run(Plan())
    run.begin()
    run.pid = 2**22 - 1
    return run


def _never_begun() -> Run:
    run = new_run(Plan())
    run.started -= 90
    return run


def _overdue_elsewhere() -> Run:
    run = new_run(Plan(limit_seconds=10.0))
    run.begin()
    run.host, run.started = "another-container", run.started - 200
    return run


@pytest.mark.parametrize("left_behind", [_ended_process, _never_begun, _overdue_elsewhere])
def test_a_run_whose_process_is_gone_has_failed(left_behind: Callable[[], Run]) -> None:
    run = left_behind()
    runs.save(run)
    stored = runs.load(run.id)
    assert stored is not None
    assert stored.state == "failed"
    assert not stored.is_running
    assert runs.running() is None


def test_a_run_of_another_container_is_not_taken_for_one_that_failed() -> None:
    run = new_run(Plan())
    run.begin()
    run.host, run.pid = "another-container", 2**22 - 1
    runs.save(run)
    current = runs.running()
    assert current is not None
    assert current.id == run.id


def test_two_runs_are_drawn_on_one_scale_and_told_whether_the_log_was_the_same() -> None:
    pairs = [Pair("a", 10.0, 1.0, 9.0, 1.0, True)] * 3
    one = Run(id="20260101-000001-abcd", plan=Plan(), state="done", total=3, finished=3, log_hash="x", pairs=pairs)
    slow = [Pair("a", 5000.0, 1.0, 9.0, 1.0, True)] * 3
    other = Run(id="20260101-000002-abcd", plan=Plan(), state="done", total=3, finished=3, log_hash="y", pairs=slow)
    page = build_run_page(one, other, others=[one, other])
    assert page.other is not None
    assert page.run.scale == page.other.scale
    assert not page.same_log
    assert [row.id for row in page.others] == [other.id]
    assert run_row(one).ratio == "10.0× (10.0 to 10.0)"


@pytest.mark.parametrize(("late_ms", "is_told"), [(5.0, False), (80.0, True)])
def test_a_rate_that_the_machine_does_not_keep_up_with_is_told(late_ms: float, is_told: bool) -> None:
    pairs = [Pair("a", 10.0, 1.0, 9.0, 1.0, True)] * 8 + [Pair("b", 10.0, 1.0, 9.0, 1.0, True, late_ms)] * 2
    run = Run(id="20260101-000001-abcd", plan=Plan(rate=60), state="done", total=10, finished=10, pairs=pairs)
    text = build_run_page(run, None, others=[]).run.overload
    assert text.startswith("2 of 10 pairs waited for more than 20 ms") is is_told
    assert ("does not keep up with 60 pairs a second" in text) is is_told


def test_a_marked_request_is_kept_as_generated() -> None:
    plain = finished()
    assert not sample_of(plain).generated
    assert sample_of(Finished(*plain[:-1], generated=True)).generated
