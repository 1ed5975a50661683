"""Cache-aside reads on a real Redis: every outcome, and what is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

import orjson
import pytest
from django_redis import get_redis_connection

from cachelayer import engine
from cachelayer.engine import Loaded, get_or_load, get_or_load_many, invalidate, invalidate_everything
from cachelayer.invalidation.announcements import EVERYTHING
from cachelayer.invalidation.channel import InvalidationBus
from cachelayer.loading import leases, reading
from cachelayer.loading.absence import Absent
from cachelayer.loading.envelope import Envelope
from cachelayer.loading.values import now_ms, undecodable
from cachelayer.memory.local import LocalCache
from cachelayer.outcomes import Outcome
from cachelayer.policies import all_policies, policy_table
from cachelayer.runtime import Allowance, bus
from cachelayer.server import door
from cachelayer.server.door import namespaced
from cachelayer.tests.loaders import NO_L1, POLICY, SHORT, Loader, outcome_of, wait_for
from cachelayer.trace import Trace, current_trace, tracing


@pytest.fixture
def redis_client() -> Any:
    return get_redis_connection("default")


def test_a_value_is_loaded_once_then_found_in_l1_then_in_redis() -> None:
    loader = Loader({"name": "Mouse"})
    outcomes = [outcome_of("product:1", loader) for _ in range(2)]
    engine.clear_local()
    answer = get_or_load("product:1", POLICY, loader)
    assert [*outcomes, answer.outcome] == [Outcome.MISS, Outcome.L1_HIT, Outcome.REDIS_HIT]
    assert answer.value == {"name": "Mouse"}
    assert loader.calls == 1


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, "ü😀", 1.5, {"a": [1, None]}, ["x" * 100_000]])
def test_every_json_value_is_a_value_even_none(value: Any) -> None:
    loader = Loader(value)
    get_or_load("k", NO_L1, loader)
    answer = get_or_load("k", NO_L1, loader)
    assert answer.value == value
    assert type(answer.value) is type(value)
    assert orjson.loads(answer.payload) == value
    assert loader.calls == 1


def test_a_long_value_is_compressed_and_a_short_one_is_not(redis_client: Any) -> None:
    get_or_load("long", POLICY, Loader("abc" * 10_000))
    get_or_load("short", POLICY, Loader("abc"))
    assert redis_client.strlen(namespaced("long")) < 1000
    assert b'"abc"' in redis_client.get(namespaced("short"))


def test_a_value_over_the_limit_is_served_and_not_stored(redis_client: Any) -> None:
    small = replace(POLICY, max_bytes=10)
    loader = Loader("x" * 20)
    assert [outcome_of("k", loader, small) for _ in range(2)] == [Outcome.MISS, Outcome.MISS]
    assert redis_client.exists(namespaced("k"), leases.lease_key("k")) == 0


def test_a_stored_key_has_the_prefix_and_lives_until_the_hard_expiry(redis_client: Any) -> None:
    get_or_load("search:gaming", POLICY, Loader([]))
    assert 595 <= redis_client.ttl("speedscale:1:search:gaming") <= 600


def test_no_lease_is_left_behind(redis_client: Any) -> None:
    get_or_load("k", POLICY, Loader())
    failing = Loader()
    failing.error = LookupError("gone")
    with pytest.raises(LookupError):
        get_or_load("other", POLICY, failing)
    assert list(redis_client.scan_iter(match="*lease*")) == []


def test_a_loader_that_fails_stores_nothing_and_its_error_passes(redis_client: Any) -> None:
    loader = Loader()
    loader.error = LookupError("gone")
    with pytest.raises(LookupError, match="gone"):
        get_or_load("k", POLICY, loader)
    assert redis_client.exists(namespaced("k")) == 0
    assert outcome_of("k", Loader()) is Outcome.MISS


def test_absence_is_remembered_for_a_while() -> None:
    loader = Loader()
    loader.error = Absent("nothing")
    for _ in range(3):
        with pytest.raises(Absent):
            get_or_load("k", POLICY, loader)
    engine.clear_local()
    with tracing() as trace, pytest.raises(Absent):
        get_or_load("k", POLICY, loader)
    assert trace.outcome is Outcome.NEGATIVE_HIT
    assert loader.calls == 1


def test_absence_ends_with_an_invalidation() -> None:
    loader = Loader()
    loader.error = Absent("nothing")
    with pytest.raises(Absent):
        get_or_load("k", POLICY, loader)
    loader.error = None
    invalidate("k")
    assert get_or_load("k", POLICY, loader).value == "value"


def test_what_does_not_exist_is_told_with_the_outcome_of_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Any:
        sleep(0.2)
        raise Absent("nothing")

    def ask(_: int) -> Outcome | None:
        with tracing() as trace, pytest.raises(Absent):
            get_or_load("k", NO_L1, absent)
        return trace.outcome

    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(ask, range(5)))
    assert outcomes.count(Outcome.MISS) == 1
    assert Outcome.WAITED in outcomes
    monkeypatch.setattr(InvalidationBus, "is_in_doubt", True)
    with ThreadPoolExecutor(5) as pool:
        assert set(pool.map(ask, range(5))) == {Outcome.BYPASS}


def test_guessed_keys_cannot_fill_redis_with_absences(redis_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cachelayer.loading.reading.absences", Allowance(10))
    loader = Loader()
    loader.error = Absent("nothing")
    started = monotonic()
    for number in range(200):
        with pytest.raises(Absent):
            get_or_load(f"guess:{number}", POLICY, loader)
    seconds = int(monotonic() - started) + 2
    assert len(list(redis_client.scan_iter(match="*guess*", count=1000))) <= 10 * seconds


def test_past_the_soft_expiry_the_old_value_is_served_at_once_and_refreshed() -> None:
    loader = Loader("old")
    get_or_load("k", SHORT, loader)
    sleep(0.2)
    answered = threading.Event()

    def refreshed() -> str:
        assert answered.wait(10)
        return "new"

    answer = get_or_load("k", SHORT, refreshed)
    assert (answer.outcome, answer.value, answer.source) == (Outcome.STALE, "old", "STALE_CACHE")
    answered.set()
    wait_for(lambda: get_or_load("k", SHORT, refreshed).value == "new")


def test_a_loader_may_say_that_its_value_is_soon_to_be_loaded_anew() -> None:
    loader = Loader(Loaded("as far as it came", fresh_seconds=0.1))
    answer = get_or_load("key", NO_L1, loader)
    envelope = answer.stored.envelope
    assert envelope.soft_ms == envelope.created_ms + 100
    assert envelope.hard_ms > envelope.created_ms + 500_000, "it still stands in while the loader fails"
    loader.value = "all"
    wait_for(lambda: get_or_load("key", NO_L1, loader).value == "all")
    assert get_or_load("key", NO_L1, loader).stored.envelope.soft_ms > now_ms() + 10_000


def test_past_the_hard_expiry_nothing_old_is_served() -> None:
    loader = Loader("old")
    policy = replace(NO_L1, soft_seconds=0.05, hard_seconds=0.1)
    get_or_load("k", policy, loader)
    sleep(0.15)
    loader.error = LookupError("down")
    with pytest.raises(LookupError):
        get_or_load("k", policy, loader)


def test_while_the_loader_fails_the_old_value_says_so_until_it_works_again() -> None:
    loader = Loader("old")
    get_or_load("k", SHORT, loader)
    sleep(0.2)
    loader.error = LookupError("down")
    get_or_load("k", SHORT, loader)
    wait_for(lambda: outcome_of("k", loader, SHORT) is Outcome.STALE_ON_ERROR)
    assert get_or_load("k", SHORT, loader).value == "old"
    asked, started = loader.calls, monotonic()
    for _ in range(20):
        get_or_load("k", SHORT, loader)
    assert loader.calls <= asked + 1 + int(monotonic() - started), "a failing loader is left alone for a moment"
    loader.error, loader.value = None, "new"
    wait_for(lambda: get_or_load("k", SHORT, loader).value == "new")


@pytest.mark.parametrize(("left_ms", "is_due"), [(150, True), (300, False), (900, False), (-10, True)])
def test_a_dear_value_is_due_within_two_loads_of_its_expiry_however_often_it_is_read(
    left_ms: int, is_due: bool
) -> None:
    eager = reading.Read("k", replace(POLICY, early=100.0), Loader())
    now = now_ms()
    envelope = Envelope(b"1", created_ms=now - 9000, soft_ms=now + left_ms, hard_ms=now + 60_000, load_ms=100.0)
    assert sum(eager._is_due_early(envelope) for _ in range(1000)) > 900 or not is_due
    assert is_due or not any(eager._is_due_early(envelope) for _ in range(1000))


def test_a_value_that_is_due_early_is_refreshed_behind_the_scenes() -> None:
    loader = Loader("old", seconds=0.1)
    eager = replace(NO_L1, soft_seconds=1.0, early=100.0)
    get_or_load("k", eager, loader)
    loaded_at = monotonic()
    wait_for(lambda: get_or_load("k", eager, loader) and loader.calls == 2)
    assert monotonic() - loaded_at > 0.7


def test_what_another_process_has_just_refreshed_is_not_loaded_again() -> None:
    loader = Loader()
    read = reading.Read("k", NO_L1, loader)
    get_or_load("k", NO_L1, loader)
    stored = reading.read_redis("k")
    assert stored is not None
    read._refresh(stored.envelope.created_ms - 1)
    assert loader.calls == 1
    read._refresh(stored.envelope.created_ms)
    assert loader.calls == 2


def test_of_many_threads_that_find_a_hot_value_gone_from_l1_one_asks_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    read_or_acquire = leases.read_or_acquire

    def slow_read(key: str, *, seconds: float) -> bytes | None:
        asked.append(key)
        sleep(0.05)
        return read_or_acquire(key, seconds=seconds)

    get_or_load("k", POLICY, Loader())
    engine.clear_local()
    monkeypatch.setattr(leases, "read_or_acquire", slow_read)
    with ThreadPoolExecutor(30) as pool:
        outcomes = list(pool.map(lambda _: outcome_of("k", Loader()), range(30)))
    assert asked == ["k"]
    assert set(outcomes) <= {Outcome.REDIS_HIT, Outcome.L1_HIT}


def test_a_value_that_is_nowhere_is_loaded_under_the_lease_that_came_with_the_answer() -> None:
    granted, refused = leases.counts.granted, leases.counts.refused
    loader = Loader()
    assert outcome_of("k", loader) is Outcome.MISS
    assert (leases.counts.granted, leases.counts.refused) == (granted + 1, refused)
    assert door.client().get(leases.lease_key("k")) is None, "it is given back"
    engine.clear_local()
    assert outcome_of("k", loader) is Outcome.REDIS_HIT
    assert leases.counts.granted == granted + 1, "what is there needs none"


def test_whichever_thread_loads_takes_the_lease_that_another_one_was_given() -> None:
    assert leases.read_or_acquire("k", seconds=30) is None  # A thread that is not back yet, of this very process.
    started = monotonic()
    assert outcome_of("k", Loader()) is Outcome.MISS
    assert monotonic() - started < 1, "and it does not wait for it"
    engine.clear_local()
    assert outcome_of("k", Loader()) is Outcome.REDIS_HIT


def test_while_one_thread_renews_a_value_in_l1_the_others_do_not_wait() -> None:
    cache: LocalCache[str] = LocalCache(1000, grace_seconds=5)
    cache.put("k", "old", size=1, ttl_seconds=0.02)
    wait_for(lambda: cache.get("k", may_fetch=False) is None)
    assert cache.get("k") is None, "the first fetches it"
    assert [cache.get("k"), cache.get("k")] == ["old", "old"]
    wait_for(lambda: cache.get("k") is None)  # It did not come back, so another one tries.
    cache.put("k", "new", size=1, ttl_seconds=5)
    assert cache.get("k") == "new"
    cache.discard("k")
    assert cache.get("k") is None


def test_a_crawl_through_everything_does_not_drive_out_of_l1_what_is_read_most() -> None:
    favourites = {"a", "b"}
    cache: LocalCache[str] = LocalCache(1000, is_hot=favourites.__contains__)
    for key in ("a", "b", "c"):
        cache.put(key, key, size=10, ttl_seconds=60)
    for number in range(10_000):
        cache.put(f"crawled:{number}", "x", size=10, ttl_seconds=60)
    assert [cache.get(key) for key in ("a", "b", "c")] == ["a", "b", None]
    assert cache.usage() == (77, 770)
    favourites.clear()
    cache.put("a", "now as any other", size=10, ttl_seconds=60)
    assert (cache.get("a"), cache.usage()) == ("now as any other", (76, 760))
    cache.discard("a", "b")
    assert cache.usage() == (74, 740)
    cache.put("b", "too large", size=900, ttl_seconds=60)
    assert cache.get("b") is None


def test_threads_that_want_an_absent_value_share_one_load() -> None:
    loader = Loader("value", seconds=0.2)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: get_or_load("k", NO_L1, loader), range(50)))
    assert loader.calls == 1
    assert {answer.value for answer in answers} == {"value"}
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(Outcome.MISS) == 1
    assert set(outcomes) <= {Outcome.MISS, Outcome.WAITED, Outcome.REDIS_HIT}


def test_the_wait_for_the_load_of_another_request_is_a_step_of_its_own() -> None:
    def ask(_: int) -> Trace:
        with tracing() as trace:
            get_or_load("k", NO_L1, Loader("value", seconds=0.5))
        return trace

    with ThreadPoolExecutor(5) as pool:
        traces = list(pool.map(ask, range(5)))
    waited = [trace for trace in traces if trace.outcome is Outcome.WAITED]
    assert waited
    for trace in waited:
        assert "load" not in trace.self_ms_by_name()
        assert "lease-wait;dur=" in trace.server_timing()
    assert max(trace.self_ms_by_name()["lease-wait"] for trace in waited) > 50


def test_threads_share_a_failure_instead_of_trying_one_after_the_other() -> None:
    loader = Loader(seconds=0.5)
    loader.error = LookupError("down")

    def ask(_: int) -> str:
        try:
            get_or_load("k", NO_L1, loader)
        except LookupError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {"down"}
    assert loader.calls <= 2


def test_what_another_process_loads_is_waited_for() -> None:
    token = leases.acquire("k", seconds=5)
    assert token
    loader = Loader("mine")
    # Whatever ran before may have moved on what everything carries.
    current = {EVERYTHING: bus.generation(EVERYTHING)}
    envelope = Envelope(b'"theirs"', created_ms=0, soft_ms=2**52, hard_ms=2**52, load_ms=1.0, generations=current)
    threading.Timer(0.15, lambda: leases.store("k", token, envelope.encode("k"), ttl_ms=5000)).start()
    with tracing() as trace:
        answer = get_or_load("k", NO_L1, loader)
    assert (answer.outcome, answer.value, loader.calls) == (Outcome.WAITED, "theirs", 0)
    assert trace.self_ms_by_name()["lease-wait"] > 50
    assert "lease-wait;dur=" in trace.server_timing()


def test_the_lease_of_a_dead_process_ends_and_another_loads() -> None:
    assert leases.acquire("k", seconds=0.2)
    assert get_or_load("k", NO_L1, Loader()).outcome is Outcome.MISS


def test_waiting_is_bounded_and_then_the_value_is_loaded_without_being_stored(redis_client: Any) -> None:
    assert leases.acquire("k", seconds=30)
    impatient = replace(NO_L1, wait_seconds=0.2)
    started = monotonic()
    assert outcome_of("k", Loader(), impatient) is Outcome.MISS
    assert monotonic() - started < 10, "the lease is held for 30 s"
    assert redis_client.exists(namespaced("k")) == 0


def test_a_value_loaded_before_an_invalidation_is_not_stored_after_it(redis_client: Any) -> None:
    def write_meanwhile() -> str:
        invalidate("k")
        return "read before the write"

    assert get_or_load("k", POLICY, write_meanwhile).value == "read before the write"
    assert redis_client.exists(namespaced("k")) == 0
    assert get_or_load("k", POLICY, Loader("after")).value == "after"


def test_a_tag_turns_its_values_stale_and_leaves_others_alone() -> None:
    mice, keys = Loader(Loaded("mice", ("category:mice",))), Loader(Loaded("keys", ("category:keys",)))
    get_or_load("search:mice", NO_L1, mice)
    get_or_load("search:keys", NO_L1, keys)
    invalidate(tags=["category:mice"])
    mice.value = Loaded("mice, again", ("category:mice",))
    assert get_or_load("search:mice", NO_L1, mice).outcome is Outcome.STALE
    assert get_or_load("search:keys", NO_L1, keys).outcome is Outcome.REDIS_HIT
    wait_for(lambda: get_or_load("search:mice", NO_L1, mice).value == "mice, again")
    assert get_or_load("search:mice", NO_L1, mice).outcome is Outcome.REDIS_HIT


def test_a_tag_moved_on_during_the_load_makes_the_value_stale_at_once() -> None:
    def write_meanwhile() -> Loaded:
        invalidate(tags=["category:mice"])
        return Loaded("before the write", ("category:mice",))

    get_or_load("search:mice", NO_L1, write_meanwhile)
    assert get_or_load("search:mice", NO_L1, Loader(Loaded("after", ("category:mice",)))).outcome is Outcome.STALE


def test_after_invalidating_everything_nothing_old_is_served_unless_the_loader_fails() -> None:
    get_or_load("k", POLICY, Loader("old"))
    invalidate_everything()
    failing = Loader()
    failing.error = LookupError("down")
    answer = get_or_load("k", POLICY, failing)
    assert (answer.outcome, answer.value) == (Outcome.STALE_ON_ERROR, "old")
    wait_for(lambda: get_or_load("k", POLICY, Loader("new")).value == "new")


def test_a_loader_that_fails_is_left_alone_for_a_second_where_only_a_superseded_value_is_left() -> None:
    loader = Loader(Loaded("old", ("mice",)))
    get_or_load("k", NO_L1, loader)
    invalidate_everything()
    loader.error = LookupError("down")
    started = monotonic()
    answers = [get_or_load("k", NO_L1, loader) for _ in range(20)]
    assert {(answer.outcome, answer.value) for answer in answers} == {(Outcome.STALE_ON_ERROR, "old")}
    assert loader.calls - 1 <= 1 + int(monotonic() - started)
    loader.error, loader.value = None, "new"
    wait_for(lambda: get_or_load("k", NO_L1, loader).value == "new")
    assert outcome_of("k", loader, NO_L1) is Outcome.REDIS_HIT


def test_a_failing_loader_is_left_alone_while_what_redis_has_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader("old")
    get_or_load("k", NO_L1, loader)
    loader.error = LookupError("down")
    monkeypatch.setattr(InvalidationBus, "is_in_doubt", True)
    started = monotonic()
    assert {outcome_of("k", loader, NO_L1) for _ in range(20)} == {Outcome.STALE_ON_ERROR}
    assert loader.calls - 1 <= 1 + int(monotonic() - started)
    loader.error = None
    wait_for(lambda: outcome_of("k", loader, NO_L1) is Outcome.BYPASS)


def damaged_envelopes() -> list[bytes]:
    short = Envelope(b'{"a":1}', created_ms=0, soft_ms=2**52, hard_ms=2**52, load_ms=1.0, generations={"*": 0})
    good = short.encode("k")
    long = Envelope(b'"' + b"a" * 10_000 + b'"', created_ms=0, soft_ms=2**52, hard_ms=2**52, load_ms=1.0).encode("k")
    flipped = bytearray(long)
    flipped[-10] ^= 0xFF
    return [
        b"",
        b"\x80\x04\x95pickle",
        b"null",
        b"[]\n{}",
        good[:-3],
        good + b" ",
        short.encode("other"),
        good.replace(b'"v":3', b'"v":2'),
        good.replace(b'"created":0', b'"created":"yesterday"'),
        good.replace(b'"gen":{"*":0}', b'"gen":[1]'),
        good.partition(b"\n")[0],
        long[:-5],
        bytes(flipped),
        long.replace(b'"bytes":10002', b'"bytes":99999999999'),
    ]


@pytest.mark.parametrize("stored", damaged_envelopes(), ids=range(14))
def test_a_stored_value_that_is_not_ours_is_a_counted_miss_and_is_replaced(redis_client: Any, stored: bytes) -> None:
    redis_client.set(namespaced("k"), stored, ex=60)
    before = undecodable.count
    answer = get_or_load("k", POLICY, Loader("fresh"))
    assert (answer.outcome, answer.value) == (Outcome.MISS, "fresh")
    assert undecodable.count > before
    assert Envelope.decode(redis_client.get(namespaced("k")), "k").payload == b'"fresh"'


def test_a_foreign_data_type_under_the_key_is_bypassed(redis_client: Any) -> None:
    redis_client.lpush(namespaced("k"), "not a string")
    answer = get_or_load("k", POLICY, Loader("loaded"))
    assert (answer.outcome, answer.value) == (Outcome.BYPASS, "loaded")


def test_the_trace_tells_each_lookup_with_key_outcome_and_age() -> None:
    with tracing() as trace:
        get_or_load("a", POLICY, Loader(1), origin="ML_ENGINE")
        get_or_load("a", POLICY, Loader(1))
    assert [(lookup.key, lookup.outcome, lookup.source) for lookup in trace.lookups] == [
        ("a", Outcome.MISS, "ML_ENGINE"),
        ("a", Outcome.L1_HIT, "L1_CACHE"),
    ]
    assert trace.outcome is Outcome.MISS
    assert {"redis", "load"} <= set(trace.self_ms_by_name())
    assert all(lookup.age_seconds < 5 for lookup in trace.lookups)


def test_the_trace_tells_how_many_documents_each_load_has_read() -> None:
    def reading(documents: int) -> Callable[[], str]:
        def load() -> str:
            trace = current_trace()
            assert trace is not None
            trace.add_finished("mongodb", 1.0, "find", documents=documents)
            return "value"

        return load

    with tracing() as trace:
        get_or_load("a", NO_L1, reading(200))
        get_or_load("b", NO_L1, reading(1))
        get_or_load("a", NO_L1, reading(200))
        get_or_load_many(["n:2", "n:4"], NO_L1, lambda keys: {key: reading(7)() for key in keys})
    assert [(lookup.key, lookup.documents) for lookup in trace.lookups] == [
        *(("a", 200), ("b", 1), ("a", 0)),
        *(("n:2", 14), ("n:4", 0)),
    ]


def test_the_state_of_the_engine_tells_what_it_has_done() -> None:
    before = engine.engine_state()
    get_or_load("k", POLICY, Loader())
    get_or_load("k", POLICY, Loader())
    after = engine.engine_state()
    assert (after.l1_hits - before.l1_hits, after.l1_misses - before.l1_misses) == (1, 1)
    assert (after.leases.granted - before.leases.granted, after.leases.stored - before.leases.stored) == (1, 1)
    assert (after.l1_entries, after.connected, after.in_doubt, after.loads_under_way) == (1, True, False, 0)
    assert 0 < after.l1_bytes < after.l1_max_bytes
    door.breaker.record_failure("no answer")
    assert engine.engine_state().breaker.failures == 1
    assert not engine.engine_state().breaker.is_open


def test_a_value_that_an_invalidation_has_overtaken_is_counted() -> None:
    before = engine.engine_state().leases.outdated

    def load() -> str:
        invalidate("k")
        return "old"

    get_or_load("k", POLICY, load)
    assert engine.engine_state().leases.outdated == before + 1


def test_the_table_of_policies_has_a_row_for_each() -> None:
    (_, headings), *rows = policy_table()
    cells = dict(rows)
    assert list(cells) == list(all_policies())
    assert all(len(row) == len(headings) for row in cells.values())
    assert cells["product"][:2] == ("300 s", "3,900 s")
    assert cells["price"][5:] == ("no", "no")


def test_while_another_redis_may_have_taken_over_an_old_value_only_stands_in_for_a_failed_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    get_or_load("k", NO_L1, Loader("old"))
    loader = Loader("new")
    monkeypatch.setattr(InvalidationBus, "is_in_doubt", True)
    answer = get_or_load("k", NO_L1, loader)
    assert (answer.outcome, answer.value) == (Outcome.BYPASS, "new")
    loader.error = ConnectionError("the database is away")
    answer = get_or_load("k", NO_L1, loader)
    assert (answer.outcome, answer.value) == (Outcome.STALE_ON_ERROR, "old")
    with pytest.raises(ConnectionError):
        get_or_load("cold", NO_L1, loader)
