"""The capacity model by hand-checked figures, and the advisor on recorded courses of load."""

from __future__ import annotations

import itertools
import json
import threading
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from cachelayer.web.occupancy import Occupancy
from catalog.vocabulary.building import build_vocabulary
from speedscale.cluster.advisor import Advisor, Limits, Load, nodes_needed
from speedscale.cluster.capacity import Assumptions, Need, compute, measured_from
from speedscale.embedded.redis import RedisServer
from speedscale.tests.test_faults import own_redis

__all__ = ["own_redis"]

_COUNT = 3000
LIMITS = Limits(threads_per_node=16)
"""16 threads at 60 %: 9.6 requests at a time are one node's share."""


def course(advisor: Advisor, in_flight: list[float], *, every: float = 10.0, p95_ms: float = 50.0) -> list[int]:
    """Return the advice for a load that was sampled every so many seconds."""
    return [
        advisor.observe(Load(1000.0 + number * every, 100.0, value, p95_ms)).nodes
        for number, value in enumerate(in_flight)
    ]


# --- Capacity ----------------------------------------------------------------------------------------------


def test_a_hundred_million_products_come_to_what_one_can_work_out_by_hand() -> None:
    found = compute(Need(100_000_000, 5000, 0.8), Assumptions())
    assert found.data_bytes == 165.4e9
    assert found.index_bytes == 166.7e9
    assert found.search_bytes == 31.1e9
    assert found.disk_bytes == pytest.approx(49.9e9 + 43.5e9 + 166.7e9)
    assert found.working_set_bytes == pytest.approx(16.54e9 + 83.35e9 + 15.55e9)
    # 115.44 GB over 64 GiB x 0.5 x 0.8 = 27.49 GB a shard.
    assert (found.shards, found.shards_because) == (5, "working set")
    assert found.cold_rps == pytest.approx(1000)
    # 4000 / 1550 + 1000 / 150 = 9.25 cores' worth, at 60 %: 16 workers on 4 nodes of 4, and one more.
    assert (found.workers, found.web_nodes) == (16, 5)


def test_a_small_shop_needs_one_shard_and_two_web_nodes() -> None:
    found = compute(Need(2000, 10), Assumptions())
    assert (found.shards, found.web_nodes) == (1, 2)


@given(st.integers(1, 10**10), st.floats(0, 1e6), st.floats(0, 1))
def test_more_of_anything_never_needs_less(products: int, rps: float, hit_ratio: float) -> None:
    found = compute(Need(products, rps, hit_ratio), Assumptions())
    more = compute(Need(products * 2, rps * 2, hit_ratio), Assumptions())
    colder = compute(Need(products, rps, hit_ratio / 2), Assumptions())
    assert more.shards >= found.shards >= 1
    assert more.workers >= found.workers >= 2
    assert colder.workers >= found.workers


def test_the_sizes_of_a_real_catalogue_replace_the_assumed_ones(
    products_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speedscale.management.commands.capacity._ENOUGH_PRODUCTS", _COUNT)
    call_command("seed", "--rebuild-indexes", "--count", str(_COUNT), stdout=StringIO(), stderr=StringIO())
    told = StringIO()
    call_command("capacity", products=_COUNT, rps=10, measure=True, json=True, stdout=told)
    used = json.loads(told.getvalue())
    stats = products_db.command("collStats", "products")
    assert used["assumptions"]["document_bytes"] == pytest.approx(stats["avgObjSize"], rel=0.01)
    assert used["capacity"]["data_bytes"] == pytest.approx(stats["size"], rel=0.01)
    # The model's own figure is of larger catalogues, and still of the same order.
    assert Assumptions().document_bytes == pytest.approx(stats["avgObjSize"], rel=0.3)
    terms, lists = (products_db.command("collStats", name) for name in ("search_terms", "search_postings"))
    once = terms["size"] + terms["totalIndexSize"] + lists["size"] + lists["totalIndexSize"]
    assert used["assumptions"]["search_bytes"] == pytest.approx(once / _COUNT, rel=0.01)
    build_vocabulary(products_db)
    again = StringIO()
    call_command("capacity", products=_COUNT, rps=10, measure=True, json=True, stdout=again)
    # The former build is there as well, and takes no memory.
    assert products_db.command("collStats", "search_postings")["count"] == 2 * lists["count"]
    assert json.loads(again.getvalue())["assumptions"]["search_bytes"] == pytest.approx(once / _COUNT, rel=0.2)


def test_measured_figures_are_per_product() -> None:
    told = {"count": 10, "size": 20_000, "storageSize": 5_000, "totalIndexSize": 7_000}
    nothing = {"count": 0, "size": 0, "storageSize": 0, "totalIndexSize": 0}
    found = measured_from(told, Assumptions(), terms=nothing, lists=nothing, builds=1)
    assert (found.document_bytes, found.stored_bytes, found.index_bytes) == (2000, 500, 700)
    assert found.search_bytes == Assumptions().search_bytes, "nothing to measure"
    terms = {"count": 5, "size": 1000, "storageSize": 400, "totalIndexSize": 100}
    lists = {"count": 4, "size": 600, "storageSize": 200, "totalIndexSize": 20}
    found = measured_from(told, Assumptions(), terms=terms, lists=lists, builds=2)
    assert (found.search_bytes, found.search_stored_bytes) == ((1000 + 100 + 300 + 10) / 10, (400 + 100 + 220) / 10)


@pytest.mark.parametrize(
    "arguments",
    [
        {"products": 0, "rps": 1},
        {"products": 1, "rps": 1, "hit_ratio": 2},
        {"products": 1, "rps": 1, "assume": ["x=1"]},
    ],
)
def test_what_cannot_be_computed_is_one_line(arguments: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        call_command("capacity", **arguments)


# --- Advisor -----------------------------------------------------------------------------------------------


def test_a_steady_load_never_changes_the_advice() -> None:
    assert set(course(Advisor(LIMITS, nodes=2), [15.0] * 500)) == {2}


def test_a_peak_of_a_moment_changes_nothing() -> None:
    assert set(course(Advisor(LIMITS, nodes=2), [10, 10, 60, 60, 10, 10, 60, 10] * 20)) == {2}


def test_a_lasting_rise_is_answered_after_half_a_minute_and_at_once_with_enough() -> None:
    advice = course(Advisor(LIMITS, nodes=2), [10, 10, *[45.0] * 10])
    assert advice[:5] == [2] * 5
    assert advice[5:] == [5] * 7, "45 at a time over 9.6 a node"


def test_a_fall_is_answered_late_and_one_node_at_a_time() -> None:
    advice = course(Advisor(LIMITS, nodes=6), [5.0] * 200)
    assert advice[29] == 6, "not within five minutes"
    assert advice[30:32] == [5, 5]
    changes = [number for number in range(1, 200) if advice[number] != advice[number - 1]]
    assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(changes))
    assert advice[-1] == 2


def test_a_load_at_the_edge_does_not_go_back_and_forth() -> None:
    # Just above and just below what three nodes can do, for more than an hour.
    advice = course(Advisor(LIMITS, nodes=3), [29.5, 28.0, 29.5, 27.0] * 100)
    assert set(advice) <= {3, 4}
    assert sum(now != before for before, now in itertools.pairwise(advice)) <= 1


def test_a_day_with_a_quiet_night_follows_the_sun_in_few_steps() -> None:
    from math import pi, sin

    day = [30 + 28 * sin(2 * pi * (minute - 480) / 1440) for minute in range(1440)]
    advice = course(Advisor(LIMITS, nodes=3), day, every=60)
    assert min(advice) == 2
    assert max(advice) == 7
    assert sum(now != before for before, now in itertools.pairwise(advice)) <= 14
    short = sum(load > nodes * 16 for load, nodes in zip(day, advice, strict=True))
    assert short == 0, "never more requests at a time than threads"


def test_slow_answers_on_busy_nodes_ask_for_one_more_and_on_idle_nodes_for_none() -> None:
    assert nodes_needed(Load(0, 50, 15.0, 400.0), LIMITS, nodes=2) == 3
    assert nodes_needed(Load(0, 50, 2.0, 400.0), LIMITS, nodes=2) == 2


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60), st.integers(1, 80))
def test_the_advice_stays_within_its_bounds(loads: list[float], nodes: int) -> None:
    assert all(LIMITS.minimum <= one <= LIMITS.maximum for one in course(Advisor(LIMITS, nodes=nodes), loads))


def test_the_command_reads_the_telemetry_of_all_nodes() -> None:
    told = StringIO()
    call_command("advise_scale", "--json", "--nodes", "2", stdout=told)
    assert json.loads(told.getvalue())["wanted"] == 2


@pytest.mark.parametrize("nodes", [["--nodes", "7"], []])
def test_without_redis_nothing_is_advised(own_redis: RedisServer, settings: Settings, nodes: list[str]) -> None:
    settings.REDIS_URL = own_redis.url
    own_redis.stop()
    output = StringIO()
    with pytest.raises(CommandError, match="No advice: the load is not known, because Redis"):
        call_command("advise_scale", "--json", *nodes, stdout=output)
    told = json.loads(output.getvalue())
    assert told["wanted"] == (7 if nodes else None), "not the minimum"
    assert "in_flight" not in told


def test_a_watch_keeps_the_number_while_redis_is_stopped(
    own_redis: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = own_redis.url
    output = StringIO()

    def pause(seconds: float) -> None:
        del seconds
        if own_redis.exit_status() is not None:
            raise KeyboardInterrupt  # As whoever watches ends it.
        own_redis.stop()

    monkeypatch.setattr("speedscale.management.commands.advise_scale.time", SimpleNamespace(sleep=pause))
    with pytest.raises(KeyboardInterrupt):
        call_command("advise_scale", "--watch", "--json", stdout=output)
    first, second = map(json.loads, output.getvalue().splitlines())
    assert first["reason"] == "as it is"
    assert (second["wanted"], second["reason"][:21]) == (first["wanted"], "the load is not known")


def test_what_was_seen_before_a_time_without_telemetry_does_not_count() -> None:
    advisor = Advisor(LIMITS, nodes=6)
    assert course(advisor, [5.0] * 29)[-1] == 6
    assert advisor.keep("Redis is away").nodes == 6
    later = [advisor.observe(Load(2000.0 + number * 10, 100.0, 5.0, 50.0)).nodes for number in range(40)]
    assert later[29] == 6, "not within five minutes of seeing again"
    assert later[30] == 5


# --- Requests in flight ------------------------------------------------------------------------------------


def test_the_mean_of_requests_in_flight_counts_time_and_not_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("cachelayer.web.occupancy.monotonic", lambda: now[0])
    occupancy = Occupancy()
    with occupancy.one():
        now[0] += 2
        with occupancy.one():
            now[0] += 1
    now[0] += 1
    assert occupancy.mean() == pytest.approx((2 * 1 + 1 * 2 + 0) / 4)
    now[0] += 1
    assert occupancy.mean() == 0


def test_requests_of_many_threads_leave_none_behind() -> None:
    occupancy = Occupancy()

    def work() -> None:
        for _ in range(500):
            with occupancy.one():
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    occupancy.mean()
    assert occupancy.mean() == 0
