"""The part of the dashboard that refreshes itself: made once a second, whoever and however many ask for it."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.test import Client

from cachelayer.dashboard import live
from cachelayer.dashboard.live import kept_part
from cachelayer.telemetry import recorder
from cachelayer.tests.finished import finished

UPDATE = {"hx-request": "true", "accept-encoding": "gzip"}


class Maker:
    """Counts how often it was asked to render."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        return f"number {self.times} " * 100


def test_within_a_second_nothing_is_made_twice_and_after_it_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 100.0
    monkeypatch.setattr(live, "monotonic", lambda: moment)
    make = Maker()
    first = kept_part("1m", make)
    moment += 0.9
    assert kept_part("1m", make) is first
    assert kept_part("1h", make).text != first.text
    moment += 0.2
    assert kept_part("1m", make).text != first.text
    assert make.times == 3


def test_of_many_viewers_at_once_one_has_it_made_and_all_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "KEEP_SECONDS", 60.0)
    begun, may_end, make = threading.Event(), threading.Event(), Maker()

    def slow() -> str:
        begun.set()
        assert may_end.wait(10)
        return make()

    with ThreadPoolExecutor(8) as viewers:
        waiting = [viewers.submit(kept_part, "1m", slow) for _ in range(8)]
        assert begun.wait(10)
        may_end.set()
        parts = {each.result().text for each in waiting}
    assert make.times == 1
    assert len(parts) == 1


def test_a_rendering_that_fails_keeps_nothing_and_holds_nobody_up() -> None:
    def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kept_part("1m", fail)
    assert kept_part("1m", Maker()).text.startswith("number 1")


def test_an_update_is_sent_compressed_to_those_who_take_that(client: Client) -> None:
    packed = client.get("/dashboard/", headers=UPDATE)
    plain = client.get("/dashboard/", headers={"hx-request": "true"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert not plain.has_header("Content-Encoding")
    assert "Accept-Encoding" in packed["Vary"]
    assert "Accept-Encoding" in plain["Vary"]


@pytest.mark.django_db
def test_what_is_shared_holds_nothing_of_the_one_who_asked_first() -> None:
    staff = Client()
    staff.force_login(User.objects.create_user("keeper-of-secrets", password="x", is_staff=True))
    shared = staff.get("/dashboard/", headers={"hx-request": "true"}).content.decode()
    assert 'id="dashboard-live"' in shared
    for private in ("keeper-of-secrets", "csrf", 'method="post"'):
        assert private not in shared
    assert Client().get("/dashboard/", headers={"hx-request": "true"}).content.decode() == shared


@pytest.mark.django_db
def test_clearing_shows_at_once() -> None:
    staff = Client()
    staff.force_login(User.objects.create_user("keeper", password="x", is_staff=True))
    recorder.record(finished(path="/search?q=to-be-forgotten"))
    recorder.flush()
    assert "to-be-forgotten" in staff.get("/dashboard/").content.decode()
    staff.post("/dashboard/history/clear")
    assert "to-be-forgotten" not in staff.get("/dashboard/").content.decode()
