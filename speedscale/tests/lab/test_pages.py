"""The lab's pages: everybody may read, staff alone starts and stops; the switchboard exists in development only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from pytest_django import Settings

from speedscale.lab import runs, switchboard
from speedscale.lab.lessons import LESSONS
from speedscale.lab.runs import Pair, Plan, Run
from speedscale.lab.switchboard import _ACTIONS, SWITCHES

RUN = "20260101-000001-abcd"


@pytest.fixture(autouse=True)
def own_directory(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    pairs = [Pair("mouse", 12.0, 1.5, 11.0, 1.0, True)] * 5
    runs.save(Run(id=RUN, plan=Plan(), state="done", total=5, finished=5, log_hash="feedbeef", pairs=pairs))


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("keeper", password="x", is_staff=True))
    return client


def test_everybody_may_read_the_runs_and_is_offered_no_action(client: Client) -> None:
    page = client.get("/dashboard/lab/").content.decode()
    assert "8.0×" in page
    assert 'method="post"' not in page
    page = client.get(f"/dashboard/lab/runs/{RUN}/").content.decode()
    assert "feedbeef" in page
    assert 'method="post"' not in page


@pytest.mark.parametrize("identifier", ["x", "20260101-000009-abcd", "..%2f"])
def test_a_run_that_is_not_there_is_404(client: Client, identifier: str) -> None:
    assert client.get(f"/dashboard/lab/runs/{identifier}/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/dashboard/lab/start", f"/dashboard/lab/runs/{RUN}/stop"])
def test_strangers_sign_in_shoppers_and_forgers_are_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speedscale.lab.views.spawn", lambda *_: pytest.fail("nothing may be started"))
    stranger = Client().post(path)
    assert stranger.status_code == 302
    assert "/accounts/login/" in stranger["Location"]
    shopper = Client()
    shopper.force_login(User.objects.create_user("shopper", password="x"))
    assert shopper.post(path).status_code == 403
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(User.objects.create_user("victim", password="x", is_staff=True))
    assert forged.post(path).status_code == 403
    assert forged.get(path).status_code == 405
    assert not runs.is_asked_to_stop(RUN)


def test_staff_starts_one_run_at_a_time_within_bounds(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def spawn(*arguments: str) -> int:
        started.append(arguments)
        return 1

    monkeypatch.setattr("speedscale.lab.views.spawn", spawn)
    form = {"log": "generated", "count": "50", "rate": "10", "cold": "redis", "hot": "redis", "seed": "3"}
    for wrong in ({"count": "999999"}, {"rate": "x"}, {"cold": "mongodb"}, {"count": ""}):
        assert staff.post("/dashboard/lab/start", {**form, **wrong})["Location"] == "/dashboard/lab/"
    assert started == []
    answer = staff.post("/dashboard/lab/start", form)
    [arguments] = started
    assert arguments[:2] == ("replay", "--run")
    assert arguments[2] in answer["Location"]
    run = runs.load(arguments[2])
    assert run is not None
    assert (run.plan.count, run.plan.seed, run.is_running) == (50, 3, True)
    assert staff.post("/dashboard/lab/start", form)["Location"] == answer["Location"]
    assert len(started) == 1
    staff.post(f"/dashboard/lab/runs/{run.id}/stop")
    assert runs.is_asked_to_stop(run.id)


def test_with_servers_of_ones_own_the_switchboard_does_not_exist(staff: Client, settings: Settings) -> None:
    assert settings.SWITCHBOARD is False, "these tests name their servers, as production does"
    for path in ("switchboard/", "lessons/hit/1/"):
        assert staff.get(f"/dashboard/lab/{path}").status_code == 404
    assert staff.post("/dashboard/lab/switchboard/act", {"action": "redis-stop"}).status_code == 404
    assert "witchboard" not in staff.get("/dashboard/lab/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("view", "method", "arguments"),
    [
        (switchboard.page, "get", {}),
        (switchboard.lesson, "get", {"name": "hit", "number": 1}),
        (switchboard.act, "post", {}),
    ],
)
def test_where_there_is_a_switchboard_it_obeys_staff_alone(
    view: Any, method: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "ask_supervisor", lambda *_, **__: pytest.fail("nothing may be asked for"))
    request = getattr(RequestFactory(), method)("/dashboard/lab/switchboard/", {"action": "redis-stop"})
    # Somebody who has seen the cookie's name, and does not have the key that signs it.
    request.COOKIES["speedscale_switchboard"] = "staff:1tfAbC:forged"
    request.user = AnonymousUser()
    assert "/accounts/login/" in view(request, **arguments)["Location"]
    request.user = User.objects.create_user("shopper", password="x")
    with pytest.raises(PermissionDenied):
        view(request, **arguments)


def test_every_lesson_has_five_steps_with_something_to_do_and_to_watch() -> None:
    assert [lesson.name for lesson in LESSONS] == ["hit", "stampede", "redis-down", "stale", "failover"]
    for lesson in LESSONS:
        assert len(lesson.steps) == 5
        for step in lesson.steps:
            assert step.action in _ACTIONS
            assert step.watch
    for _, switches in SWITCHES:
        assert all(switch.action in _ACTIONS and switch.watch for switch in switches)
