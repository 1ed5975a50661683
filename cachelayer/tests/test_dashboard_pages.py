"""History, single requests, keys and costs: what they find, what they hide, and who may change something."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from time import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_redis import get_redis_connection
from pytest_django import Settings

from cachelayer import engine
from cachelayer.dashboard import costs, live, plans
from cachelayer.dashboard.plans import Plan, PlanUnknown, register_explainer
from cachelayer.dashboard.predicting import Reference, measured, predicted
from cachelayer.engine import get_or_load
from cachelayer.invalidation.watch_state import WatchState, publish_watch_state
from cachelayer.outcomes import Outcome
from cachelayer.policies import all_policies
from cachelayer.server.inspecting import list_keys, read_key
from cachelayer.telemetry import read_window, recent_samples, recorder, store
from cachelayer.tests.finished import finished
from cachelayer.trace import Span, tracing
from cachelayer.web.presentation import format_age

WRITES = ["/dashboard/history/clear", "/dashboard/keys/change"]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("keeper", password="x", is_staff=True))
    return client


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    costs.forget()


def kept(*batch: Any) -> None:
    for one in batch:
        recorder.record(one)
    recorder.flush()


def text_of(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return unescape(response.content.decode())


# --- History -----------------------------------------------------------------------------------------------


def test_history_filters_by_route_source_outcome_and_time(client: Client) -> None:
    kept(
        finished(2.0, path="/quick"),
        finished(80.0, path="/slow", outcome="miss", source="MONGODB"),
        finished(3.0, path="/home", route="catalog:home", outcome="", source=""),
    )
    found = {
        query: re.findall(r"GET (/\w+)</a>", text_of(client, f"/dashboard/history/?{query}"))
        for query in (
            "",
            "route=catalog:home",
            "source=MONGODB",
            "source=none",
            "outcome=redis_hit",
            "min=50",
            "max=2.5",
        )
    }
    assert found == {
        "": ["/home", "/slow", "/quick"],
        "route=catalog:home": ["/home"],
        "source=MONGODB": ["/slow"],
        "source=none": ["/home"],
        "outcome=redis_hit": ["/quick"],
        "min=50": ["/slow"],
        "max=2.5": ["/quick"],
    }


def test_history_is_paged_without_gap_or_repetition(client: Client) -> None:
    for start in range(0, 130, 13):
        kept(*(finished(1.0, path=f"/n{number}") for number in range(start, start + 13)))
    path, seen = "/dashboard/history/?min=0.5", []
    while path:
        page = text_of(client, path)
        seen += re.findall(r"GET (/n\d+)</a>", page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = older[1] if older else ""
    assert seen == [f"/n{number}" for number in range(129, -1, -1)]


@pytest.mark.parametrize(
    "query", ["min=x", "min=-1", "min=nan", "before=*", "before=1-1%0d", "from=1e99", "outcome=zz", "route=%00"]
)
def test_senseless_filters_are_answered(client: Client, query: str) -> None:
    kept(finished())
    text_of(client, f"/dashboard/history/?{query}")
    assert client.get(f"/dashboard/history/requests.csv?{query}").status_code == 200


def test_csv_has_every_match_and_nothing_that_a_spreadsheet_would_execute(client: Client) -> None:
    kept(finished(3.5, key="=cmd|' /C calc'!A0", path='/a,b"c'), finished(9.0, outcome="miss", source="MONGODB"))
    response = client.get("/dashboard/history/requests.csv")
    content = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    miss, hit = csv.DictReader(io.StringIO(content))
    assert (miss["elapsed_ms"], miss["source"]) == ("9.000", "MONGODB")
    assert (hit["path"], hit["key"]) == ('/a,b"c', "'=cmd|' /C calc'!A0")
    assert "attachment" in response["Content-Disposition"]


def test_clearing_forgets_everything_and_nothing_else(staff: Client) -> None:
    kept(finished())
    get_or_load("product:1", "product", lambda: 1)
    assert staff.post("/dashboard/history/clear").status_code == 302
    assert recent_samples(5)[0] == []
    client: Any = get_redis_connection("default")
    assert client.exists("speedscale:1:product:1")


# --- One request -------------------------------------------------------------------------------------------


def test_a_miss_tells_its_steps_keys_and_what_a_hit_would_have_saved(client: Client) -> None:
    find = Span("mongodb", 1.0, 6.0, 6.0, "find products", 20, lambda: '{"find":"products"}')
    load = Span("load", 0.5, 8.0, 2.0)
    kept(finished(10.0, outcome="miss", source="MONGODB", load_ms=8.0, spans=(find, load)))
    [sample] = recent_samples(1)[0]
    page = text_of(client, f"/dashboard/requests/{sample.id}/")
    assert "A hit would have saved about 8.00 ms of 10.0 ms" in page
    assert "find products, 20 returned" in page
    assert "/dashboard/keys/value?key=search%3Amouse" in page


def test_a_wait_for_the_load_of_another_request_is_a_bar_of_the_waterfall(client: Client) -> None:
    wait = Span("lease-wait", 0.5, 8.0, 8.0, "another request's")
    kept(finished(10.0, outcome="waited", source="MONGODB", load_ms=8.0, spans=(wait,)))
    [sample] = recent_samples(1)[0]
    page = " ".join(text_of(client, f"/dashboard/requests/{sample.id}/").split())
    assert "Lease wait 8.00 ms" in page


def test_a_hit_tells_what_it_did_not_spend(client: Client) -> None:
    kept(finished(0.5, load_ms=12.0))
    [sample] = recent_samples(1)[0]
    assert "Loading these values had cost 12.0 ms" in text_of(client, f"/dashboard/requests/{sample.id}/")


@pytest.mark.parametrize("identifier", ["1-1", "x", "1-", "*", "%2e%2e", "9" * 40 + "-1"])
def test_a_request_that_is_not_kept_is_404_in_words(client: Client, identifier: str) -> None:
    response = client.get(f"/dashboard/requests/{identifier}/")
    assert response.status_code == 404


@pytest.fixture
def explained() -> Any:
    """A stand-in for the database's explainer, which another app registers."""
    before, routers = list(plans._explainers), list(plans._routers)
    asked: list[str] = []

    def explain(command: str) -> Plan:
        asked.append(command)
        if "broken" in command:
            raise PlanUnknown("OutOfTime: half a second")
        return Plan(1234, 1300, 20, 1.5, "terms_popularity", ("LIMIT", "FETCH", "IXSCAN"))

    register_explainer(explain, route=lambda command: "all shards: no key" if "find" in command else "")
    yield asked
    plans._explainers[:], plans._routers[:] = before, routers


def test_plans_are_asked_for_on_demand_and_their_failure_is_told(client: Client, explained: list[str]) -> None:
    commands = [lambda: '{"find":"products"}', lambda: '{"find":"broken"}']
    spans = tuple(Span("mongodb", 0.0, 1.0, 1.0, "find", 20, command) for command in commands)
    kept(finished(10.0, outcome="miss", source="MONGODB", spans=spans))
    [sample] = recent_samples(1)[0]
    page = text_of(client, f"/dashboard/requests/{sample.id}/")
    assert "1234" not in page
    assert page.count("all shards: no key") == 2, "the routing is told without asking the database"
    assert explained == []
    page = text_of(client, f"/dashboard/requests/{sample.id}/?plan=1")
    assert "1234" in page
    assert "LIMIT ← FETCH ← IXSCAN" in page
    assert "No plan: OutOfTime" in page


# --- Keys --------------------------------------------------------------------------------------------------


def test_keys_are_found_by_prefix_with_what_a_visitor_typed_taken_literally(client: Client) -> None:
    for key in ("search:gaming", "search:gaming*", "search:game[x]", "product:1"):
        get_or_load(key, "search", lambda: {"total": 1})
    assert [line.key for line in list_keys("search:gaming").lines] == ["search:gaming", "search:gaming*"]
    assert [line.key for line in list_keys("search:gaming*").lines] == ["search:gaming*"]
    assert [line.key for line in list_keys("search:game[").lines] == ["search:game[x]"]
    page = text_of(client, "/dashboard/keys/?prefix=search:")
    assert page.count('<th scope="row">') == 3


def test_all_keys_are_found_in_portions(client: Client) -> None:
    redis_client: Any = get_redis_connection("default")
    pipeline = redis_client.pipeline()
    for number in range(1200):
        pipeline.set(f"speedscale:1:product:{number}", "x", ex=60)
    pipeline.execute()
    seen: set[str] = set()
    path = "/dashboard/keys/?prefix=product:"
    for _ in range(100):
        page = text_of(client, path)
        seen |= set(re.findall(r'<code title="(product:\d+)"', page))
        further = re.search(r'href="(\?[^"]+)" rel="next"', page)
        if not further:
            break
        path = f"/dashboard/keys/{further[1]}"
    assert len(seen) == 1200


def test_a_key_shows_expiries_cost_size_tags_and_its_value_escaped(client: Client) -> None:
    hostile = "<script>alert(1)</script>"
    value = engine.Loaded({"name": hostile, "padding": "x" * 9000}, tags=("category:mice",))
    get_or_load("search:hostile", "search", lambda: value)
    raw = client.get("/dashboard/keys/value?key=search:hostile").content.decode()
    assert hostile not in raw
    page = unescape(raw)
    assert "Soft expiry" in page
    assert "Hard expiry" in page
    assert "with zstd" in page
    assert "category:mice" in page
    assert '"name": "<script>alert(1)</script>"' in page
    assert read_key("search:hostile").behind == ()
    engine.invalidate(tags=["category:mice"])
    assert read_key("search:hostile").behind == ("category:mice",)
    assert "something it depends on has changed" in text_of(client, "/dashboard/keys/value?key=search:hostile")


def test_the_ring_of_a_key_runs_down(client: Client) -> None:
    redis_client: Any = get_redis_connection("default")
    get_or_load("search:gaming", "search", lambda: 1)

    def shown() -> float:
        part = client.get("/dashboard/keys/value?key=search:gaming", headers={"hx-request": "true"}).content.decode()
        return float(re.findall(r'stroke-dasharray="([\d.]+) ', part)[0])

    full = shown()
    redis_client.pexpire("speedscale:1:search:gaming", 300_000)
    assert shown() < full / 2


@pytest.mark.parametrize(
    "key",
    ["", "x", "django.contrib.sessions.cached_dbabc", "rate:search:1.2.3.4", "session:me", "tel:log"],
)
def test_what_belongs_to_one_person_is_never_shown(client: Client, key: str) -> None:
    redis_client: Any = get_redis_connection("default")
    # Where the cache itself keeps something under that key, it stays.
    redis_client.set(f"speedscale:1:{key}", "secret-of-somebody", ex=60, nx=True)
    assert client.get("/dashboard/keys/value", {"key": key}).status_code == 404
    assert "secret-of-somebody" not in text_of(client, "/dashboard/keys/")
    if key:
        assert f">{key}<" not in text_of(client, f"/dashboard/keys/?prefix={key[:4]}")


def test_staff_deletes_a_key_everywhere(staff: Client) -> None:
    get_or_load("search:gone", "search", lambda: 1)
    staff.post("/dashboard/keys/change", {"key": "search:gone", "action": "delete"})
    with tracing() as trace:
        get_or_load("search:gone", "search", lambda: 2)
    assert trace.outcome is Outcome.MISS


def test_staff_expires_a_key_which_is_then_served_once_more(staff: Client) -> None:
    get_or_load("search:old", "search", lambda: 1)
    assert staff.post("/dashboard/keys/change", {"key": "search:old", "action": "expire"}).status_code == 302
    engine.clear_local()
    with tracing() as trace:
        answer = get_or_load("search:old", "search", lambda: 2)
    assert (trace.outcome, answer.value) == (Outcome.STALE, 1)


def test_hidden_keys_cannot_be_changed_either(staff: Client) -> None:
    redis_client: Any = get_redis_connection("default")
    redis_client.set("speedscale:1:rate:x", "1", ex=60)
    assert staff.post("/dashboard/keys/change", {"key": "rate:x", "action": "delete"}).status_code == 404
    assert redis_client.exists("speedscale:1:rate:x")


# --- Who may what ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("path", WRITES)
def test_strangers_sign_in_and_shoppers_are_refused(path: str) -> None:
    kept(finished())
    get_or_load("search:kept", "search", lambda: 1)
    form = {"key": "search:kept", "action": "delete"}
    stranger, shopper = Client(), Client()
    answer = stranger.post(path, form)
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]
    shopper.force_login(User.objects.create_user("shopper", password="x"))
    assert shopper.post(path, form).status_code == 403
    assert len(recent_samples(5)[0]) == 1
    redis_client: Any = get_redis_connection("default")
    assert redis_client.exists("speedscale:1:search:kept")


@pytest.mark.django_db
@pytest.mark.parametrize("path", WRITES)
def test_a_forged_form_and_a_get_change_nothing(path: str) -> None:
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(User.objects.create_user("victim", password="x", is_staff=True))
    assert forger.post(path, {"key": "search:x", "action": "delete"}).status_code == 403
    assert forger.get(path).status_code == 405


def test_strangers_are_offered_no_action(client: Client, staff: Client) -> None:
    get_or_load("search:seen", "search", lambda: 1)
    for path in ("/dashboard/history/", "/dashboard/keys/value?key=search:seen"):
        assert 'method="post"' not in text_of(client, path)
        assert 'method="post"' in text_of(staff, path)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (WatchState(lag_ms=12.3, worst_lag_ms=240.0, events=1234), "told after 12.3 ms, at worst 240 ms in the last"),
        (WatchState(events=1234), "1,234 changes told since the watcher started"),
        (WatchState(supported=False), "this MongoDB has no change streams"),
        (None, "no watcher runs"),
    ],
)
def test_the_first_page_tells_how_far_the_invalidation_of_foreign_writes_is_behind(
    client: Client, state: WatchState | None, told: str
) -> None:
    if state is not None:
        publish_watch_state(state)
    live.forget()
    assert told in text_of(client, "/dashboard/").partition("Writes by others: ")[2].partition("</p>")[0]


def test_without_redis_every_page_still_answers_in_words(client: Client, settings: Settings) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    kept(finished(path="/alone"))
    assert "GET /alone" in text_of(client, "/dashboard/history/")
    text_of(client, "/dashboard/costs/")
    for path in ("keys/", "keys/value?key=search:x", "history/requests.csv"):
        assert "Redis is away" in text_of(client, f"/dashboard/{path}", status=503)


# --- Costs -------------------------------------------------------------------------------------------------


def reads(*times: float, key: str = "search:a") -> list[Reference]:
    """Reads of one key at these seconds: the first missed, the others as rules of 10 and 20 seconds would have it."""
    found, loaded = [], float("-inf")
    for at in times:
        age = at - loaded
        outcome = "redis_hit" if age < 10 else "stale" if age < 20 else "miss"
        found.append(Reference(at, key, outcome, age if outcome != "miss" else 0.0))
        if outcome != "redis_hit":
            loaded = at
    return found


def test_replaying_with_the_rules_in_force_gives_what_was_measured() -> None:
    log = reads(0, 3, 9, 12, 15, 40, 41)
    real, again = measured(log), predicted(log, soft_seconds=10, hard_seconds=20)
    assert real == again
    assert (real.fresh, real.stale, real.missed) == (4 / 7, 1 / 7, 2 / 7)
    assert real.hit == pytest.approx(5 / 7)


def test_a_longer_time_to_live_never_predicts_fewer_fresh_hits() -> None:
    log = sorted(reads(0, 3, 9, 12, 15, 40, 41) + reads(1, 30, 31, 90, key="search:b"), key=lambda each: each.at)
    shares = [predicted(log, soft_seconds=ttl, hard_seconds=ttl + 10).fresh for ttl in (1, 5, 10, 30, 100)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_a_value_that_was_there_before_the_log_began_counts_with_its_age() -> None:
    log = [Reference(100.0, "search:a", "redis_hit", 8.0), Reference(104.0, "search:a", "redis_hit", 12.0)]
    assert predicted(log, soft_seconds=10, hard_seconds=20).fresh == 0.5
    assert predicted(log, soft_seconds=60, hard_seconds=90).fresh == 1.0


def test_the_cost_page_tells_saved_time_memory_and_a_prediction_with_its_error(client: Client) -> None:
    get_or_load("search:mouse", "search", lambda: {"x": 1})
    now = time()
    kept(
        finished(9.0, at=now - 4, outcome="miss", source="MONGODB", load_ms=8.0),
        *(finished(0.5, at=now - 3 + step, load_ms=8.0) for step in range(3)),
    )
    page = text_of(client, "/dashboard/costs/?kind=search&ttl=0")
    assert "24.0 ms" in page, "three hits saved eight milliseconds each"
    assert "75.0 %" in page
    assert re.search(r"Error of the replay [^:]*: [+-]0\.\d percentage points", page)
    assert "With 1 s" in page
    assert re.search(r'<th scope="row">session</th>\s*<td>600 s</td>', page), "the policies in force"


def test_documents_not_read_are_told_by_what_loads_of_the_same_kind_have_read() -> None:
    kept(
        finished(9.0, outcome="miss", source="MONGODB", key="search:a", documents=200),
        finished(9.0, outcome="miss", source="MONGODB", key="search:b", documents=100),
        finished(2.0, outcome="miss", source="MONGODB", key="product:1", documents=1),
        *(finished(0.5, key="search:a") for _ in range(2)),
        *(finished(0.5, key="product:1") for _ in range(4)),
        finished(0.5, key="suggest:mo"),
    )
    rows = {row.kind: row.documents for row in costs.build_kind_rows(read_window("1m"), None)}
    assert rows == {"search": "about 300", "product": "about 4", "suggest": "–"}


@pytest.mark.parametrize(
    ("key", "policy"), [("suggest:mo", "suggestions"), ("categories:top:12", "list"), ("similar:v1:1", "similar")]
)
def test_kinds_whose_policy_has_another_name_have_rules_and_a_prediction(client: Client, key: str, policy: str) -> None:
    now = time()
    kept(*(finished(0.5, at=now - 3 + step, key=key, load_ms=8.0) for step in range(3)))
    kind = key.partition(":")[0]
    rules = all_policies()[policy]
    [row] = costs.build_kind_rows(read_window("1m"), None)
    assert row.policy.startswith(f"{format_age(rules.soft_seconds)} fresh")
    samples = costs.read_samples()
    assert samples is not None
    prediction = costs.build_prediction(samples, kind=kind, place=None)
    assert prediction is not None
    assert (prediction.kind, prediction.current_ttl) == (kind, format_age(rules.soft_seconds))


def test_every_inspected_kind_of_key_has_a_policy_of_the_settings(settings: Settings) -> None:
    assert set(settings.INSPECTED_KEYS.values()) <= set(all_policies())


def test_the_log_is_not_read_again_for_each_move_of_the_slider(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(finished())
    asked: list[int] = []
    real = store.read_log

    def counted(**given: Any) -> Any:
        asked.append(1)
        return real(**given)

    monkeypatch.setattr(store, "read_log", counted)
    for place in range(5):
        client.get(f"/dashboard/costs/?ttl={place}", headers={"hx-request": "true"})
    assert len(asked) == 1
