"""Sentinels and a Cluster: whatever uses Redis works with them as with one server, and a failover loses no write."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.cache import cache
from pytest_django import Settings

from cachelayer import demand, engine, runtime, telemetry
from cachelayer.engine import Absent, Loaded, get_or_load, get_or_load_many, invalidate
from cachelayer.invalidation import announcements, watch_state
from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.loading.envelope import Envelope
from cachelayer.memory.local import LocalCache
from cachelayer.outcomes import Outcome
from cachelayer.server import connections, door
from cachelayer.server.door import value_key
from cachelayer.server.facts import describe_redis
from cachelayer.telemetry import store
from cachelayer.tests.finished import finished
from cachelayer.tests.loaders import NO_L1, POLICY, Loader, outcome_of, wait_for
from cachelayer.tests.redis_groups import (
    PASSWORD,
    Group,
    await_another_master,
    halt,
    keys_of,
    master_of,
    replicas_of,
    start_group,
    used,
)
from cachelayer.web import ratelimit
from speedscale.embedded.external import require_redis
from speedscale.embedded.redis_sets import SERVICE, SentinelGroup

pytestmark = pytest.mark.timeout(90)
KINDS = ["sentinel", "cluster"]


@pytest.fixture(scope="module", params=KINDS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    with start_group(request.param, tmp_path_factory.mktemp("redis"), password=PASSWORD) as group:
        yield group


@pytest.fixture
def group(running: Group, settings: Settings) -> Iterator[Group]:
    with used(running, settings, timeout_seconds=1.0):
        client = door.client()
        for key in list(client.scan_iter(count=1000)):
            client.delete(key)
        engine.reset()
        runtime.bus.ensure_started()
        assert runtime.bus.wait_until_connected(5)
        yield running


def test_the_probe_before_a_start_finds_the_servers(group: Group) -> None:
    require_redis(group.url)


def test_any_key_goes_the_whole_way_from_loader_to_redis_and_out_again(group: Group) -> None:
    keys = ["product:1", "search:{a}b", "search:a}b", "search:{}", "search:{{x}}", "search:50% off", "search:😀"]
    for key in keys:
        assert_the_whole_way_works(key)


def assert_the_whole_way_works(key: str) -> None:
    loader = Loader()
    outcomes = [outcome_of(key, loader), outcome_of(key, loader)]
    engine.clear_local()
    outcomes.append(outcome_of(key, loader))
    invalidate(key)
    outcomes.append(outcome_of(key, loader))
    assert outcomes == [Outcome.MISS, Outcome.L1_HIT, Outcome.REDIS_HIT, Outcome.MISS], key
    client = door.client()
    value, lease = keys_of(key)
    assert client.ttl(value) > 0
    assert client.get(lease) is None, "the lease is given back"
    assert len({node_slot(client, name) for name in (value, lease)}) == 1


def node_slot(client: Any, key: str) -> int:
    return int(client.keyslot(key)) if connections.is_cluster(client) else 0


def test_keys_that_differ_in_braces_and_percent_signs_alone_stay_apart(group: Group) -> None:
    keys = ["q:{", "q:%7B", "q:%257B", "q:}", "q:%7D", "q:%"]
    for key in keys:
        get_or_load(key, NO_L1, lambda key=key: key)  # type: ignore[misc]
    assert [get_or_load(key, NO_L1, Loader("other")).value for key in keys] == keys


def test_a_batch_asks_all_nodes_and_the_loader_once(group: Group) -> None:
    keys = [f"product:{number}" for number in range(40)]
    asked: list[int] = []

    def load(missing: Any) -> dict[str, str]:
        asked.append(len(missing))
        return {key: key.upper() for key in missing if key != "product:7"}

    get_or_load_many(keys[:10], NO_L1, load)
    found = get_or_load_many(keys, NO_L1, load)
    assert asked == [9 + 1, 30]
    assert list(found) == [key for key in keys if key != "product:7"]
    assert {answer.outcome for answer in found.values()} == {Outcome.REDIS_HIT, Outcome.MISS}


def test_absence_is_remembered_and_ends_with_an_invalidation(group: Group) -> None:
    def absent() -> None:
        raise Absent

    for _ in range(2):
        with pytest.raises(Absent):
            get_or_load("product:none", POLICY, absent)
    invalidate("product:none")
    assert outcome_of("product:none", Loader()) is Outcome.MISS


def test_a_neighbour_is_heard_whichever_node_it_told(group: Group) -> None:
    neighbour = InvalidationBus(LocalCache(max_bytes=1_000))
    get_or_load("a", POLICY, Loader())
    get_or_load("b", POLICY, lambda: Loaded(1, ("tag",)))
    neighbour.announce(keys=["a"], tags=["tag"])
    wait_for(lambda: runtime.bus.generation("tag") > 0)
    assert runtime.bus.generation("tag") == neighbour.generation("tag")
    assert outcome_of("a", Loader()) is Outcome.MISS
    assert outcome_of("b", Loader()) is Outcome.STALE


def test_limits_rankings_telemetry_and_djangos_own_cache_work(group: Group) -> None:
    verdicts = [ratelimit.check("2/minute", scope="s", client="2001:db8::/64") for _ in range(3)]
    assert [verdict.allowed for verdict in verdicts if verdict] == [True, True, False]
    board = demand.Demand("trending:searches")
    assert board.ask("mouse", voter="someone")
    assert not board.ask("mouse", voter="someone")
    assert board.choose("mouse", voter="someone", place=2)
    assert board.top(5) == ["mouse"]
    assert [(each.member, round(each.mean_place, 6)) for each in board.asked() or ()] == [("mouse", 2)]
    assert board.forget("mouse")
    assert board.asked() == ()
    telemetry.recorder.record(finished(outcome="redis_hit"))
    telemetry.recorder.flush()
    wait_for(lambda: telemetry.recent_samples(10)[0])
    assert telemetry.recent_samples(10)[1], "all workers' requests, read from Redis"
    window = telemetry.read_window("15m")
    assert (window.covers_all, window.all.total, window.outcomes()) == (True, 1, {"redis_hit": 1})
    store.clear()
    assert telemetry.recent_samples(10)[0] == []
    watch_state.publish_watch_state(watch_state.WatchState(events=7))
    state = watch_state.read_watch_state()
    assert state is not None
    assert state.events == 7
    cache.set_many({"one": 1, "two": [2], "three": "3"}, 60)
    assert cache.get_many(["one", "two", "three", "four"]) == {"one": 1, "two": [2], "three": "3"}
    cache.delete_many(["one", "two"])
    assert [cache.get("one"), cache.get("three"), cache.incr("n") if cache.add("n", 1) else None] == [None, "3", 2]


def test_every_key_of_every_node_is_found_by_a_scan_and_expires(group: Group) -> None:
    keys = {f"product:{number}" for number in range(30)}
    for key in keys:
        get_or_load(key, NO_L1, Loader())
    client = door.client()
    found = {key.decode() for key in client.scan_iter(match="speedscale:1:product:*", count=100)}
    assert found == {f"speedscale:1:{key}" for key in keys}
    assert all(client.ttl(key) > 0 for key in client.scan_iter())


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_that_died_with_the_master_is_told_again_before_anything_is_read(
    kind: str, tmp_path: Path, settings: Settings
) -> None:
    with start_group(kind, tmp_path) as group, used(group, settings):
        assert get_or_load("product:1", NO_L1, Loader("before")).value == "before"
        get_or_load("list", NO_L1, lambda: Loaded("old list", ("tag",)))
        master = master_of(group, "product:1")
        replicas = replicas_of(group, master)
        wait_for(lambda: all(_has(replica, keys_of("product:1")[0]) for replica in replicas))
        for replica in replicas:
            halt(replica)
        with master.client() as client:
            client.execute_command("CLIENT KILL TYPE replica")  # Or what it is sent waits in its socket.
        assert invalidate("product:1", tags=["tag"]), "acknowledged by a master whose replicas do not hear of it"
        master.kill()
        for replica in replicas:
            replica.signal(signal.SIGCONT)
        seen = set()
        while "REDIS" not in seen:
            answer = get_or_load("product:1", NO_L1, Loader("after"))
            assert answer.value == "after", "the promoted replica still holds the value from before"
            if answer.outcome is Outcome.REDIS_HIT:
                seen.add("REDIS")
        assert master_of(group, "product:1") is await_another_master(group, "product:1", master)


@pytest.mark.parametrize("running", ["cluster"], indirect=True)
def test_nothing_is_read_while_a_thread_finds_out_who_the_masters_are(group: Group) -> None:
    get_or_load("product:1", NO_L1, Loader("before"))
    asked, told = threading.Event(), threading.Event()

    def find_out(**options: Any) -> None:
        asked.set()
        assert told.wait(10)

    thread = threading.Thread(target=door.client()._asked_once(find_out))
    thread.start()
    try:
        assert asked.wait(5)
        wait_for(lambda: runtime.bus._settled_doubts is None, seconds=5)  # It has looked at the servers meanwhile.
        answer = get_or_load("product:1", NO_L1, Loader("after"))
        assert (answer.value, answer.outcome) == ("after", Outcome.BYPASS)
    finally:
        told.set()
        thread.join()
    wait_for(lambda: not runtime.bus.is_in_doubt, seconds=5)
    assert get_or_load("product:1", NO_L1, Loader("after")).outcome is Outcome.REDIS_HIT


@pytest.mark.parametrize("running", ["cluster"], indirect=True)
def test_a_question_for_the_masters_that_fails_leaves_a_doubt_which_a_look_settles(group: Group) -> None:
    get_or_load("product:1", NO_L1, Loader("before"))
    before = connections.doubts()

    def fail(**options: Any) -> None:
        raise OSError("no node answers")

    with pytest.raises(OSError, match="no node"):
        door.client()._asked_once(fail)()
    assert connections.doubts() not in {None, before}
    wait_for(lambda: not runtime.bus.is_in_doubt, seconds=5)
    assert get_or_load("product:1", NO_L1, Loader("after")).outcome is Outcome.REDIS_HIT


def test_a_master_that_the_sentinels_have_replaced_is_left_while_it_still_takes_writes(
    tmp_path: Path, settings: Settings
) -> None:
    with start_group("sentinel", tmp_path) as group, used(group, settings):
        assert isinstance(group, SentinelGroup)
        get_or_load("product:1", NO_L1, Loader())
        former = group.master()
        with group.sentinels[0].client() as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)
        master = group.await_another_master(former)
        # The Sentinels wait for eight seconds before they make a replica of a master that answers.
        wait_for(lambda: _listeners(master) and runtime.bus.is_connected, seconds=6)
        with former.client() as client:
            assert client.info("replication")["role"] == "master"
        assert invalidate("product:1")
        assert get_or_load("product:1", NO_L1, Loader("after")).value == "after"
        assert _has(master, keys_of("product:1")[0])
        assert _listeners(former) == 0


def _listeners(server: Any) -> int:
    with server.client() as client:
        return sum(count for _, count in client.pubsub_numsub(announcements.channel(door.client())))


def _has(server: Any, key: str) -> bool:
    with server.client() as client:
        if client.info("cluster")["cluster_enabled"]:
            client.readonly()
        return bool(client.exists(key))


def test_when_no_node_answers_a_read_goes_past_redis_in_bounded_time(tmp_path: Path, settings: Settings) -> None:
    with start_group("cluster", tmp_path) as group, used(group, settings):
        cache.set("signed in", "yes")
        for server in group.servers:
            server.kill()
        assert outcome_of("product:1", Loader()) is Outcome.BYPASS
        assert cache.get("signed in") is None
        connections.ClusterFactory._clusters.clear()  # As in a worker that starts now.
        assert cache.get("signed in") is None
        assert outcome_of("product:2", Loader()) is Outcome.BYPASS


def test_the_dashboard_is_told_which_server_is_the_master(group: Group) -> None:
    get_or_load("k", POLICY, Loader())
    masters = {node.address for node in describe_redis().nodes if node.role == "master"}
    assert masters
    assert masters <= {f"127.0.0.1:{port}" for port in (server.port for server in group.servers)}


def test_a_late_reply_is_never_taken_for_the_reply_to_the_next_command(running: Group, settings: Settings) -> None:
    with used(running, settings):
        master = master_of(running, "late")
        following = next(key for key in map("next:{}".format, range(1000)) if master_of(running, key) is master)
        for key in ("late", following):
            get_or_load(key, NO_L1, Loader(f"value of {key}"))
        for _ in range(3):
            halt(master)
            with pytest.raises(door.RedisUnavailable):
                door.run(lambda client: client.get(value_key("late")))
            master.signal(signal.SIGCONT)
            door.breaker.record_success()
            reply = door.run(lambda client: client.get(value_key(following)))
            assert orjson.loads(Envelope.decode(reply, following).payload) == f"value of {following}"
