"""What servers tell of themselves: asked by one, kept for all, and not lost where a server is slow for once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from cachelayer import describing
from cachelayer.describing import Description, NotDescribed, describe, register_description
from cachelayer.tests.loaders import wait_for

TOLD = Description("single node", "1.0", (), (("Keys", "3"),))


@dataclass
class Server:
    """Counts how often it is asked, waits for ``opened`` before it tells, and tells nothing while ``is_away``."""

    opened: threading.Event = field(default_factory=threading.Event)
    is_away: bool = False
    asked: int = 0

    def tell(self) -> Description:
        self.asked += 1
        assert self.opened.wait(20)
        if self.is_away:
            raise NotDescribed("too slow")
        return TOLD


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(describing, "_sources", {})
    server = Server()
    register_description("server", server.tell)
    yield server
    server.opened.set()


def test_the_first_time_everybody_waits_for_the_one_who_asks(server: Server) -> None:
    register_description("other", lambda: TOLD)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(describe, "server") for _ in range(4)]
        assert describe("other") == TOLD, "nobody waits for a server that was not asked about"
        server.opened.set()
        assert [answer.result() for answer in answers] == [TOLD] * 4
    assert server.asked == 1


def test_later_the_others_take_what_was_told_before(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.opened.set()
    describe("server")
    server.opened.clear()
    monkeypatch.setattr(describing, "_KEEP_SECONDS", 0.0)
    monkeypatch.setattr(describing, "_OLD_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(describe, "server")
        while server.asked < 2:
            assert not slow.done()
        assert describe("server") == TOLD
        server.opened.set()
        assert slow.result() == TOLD


def test_nobody_waits_for_what_is_only_a_little_old(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.opened.set()
    describe("server")
    server.opened.clear()
    monkeypatch.setattr(describing, "_KEEP_SECONDS", 0.0)
    assert describe("server") == TOLD
    wait_for(lambda: server.asked == 2)
    assert describe("server") == TOLD
    assert server.asked == 2, "one asks at a time"
    server.opened.set()
    wait_for(lambda: describe("server") == TOLD and server.asked > 2)


def test_where_no_thread_can_begin_the_next_one_who_looks_tries_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.opened.set()
    describe("server")
    monkeypatch.setattr(describing, "_KEEP_SECONDS", 0.0)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limits:
        limits.setattr(threading.Thread, "start", refuse)
        assert describe("server") == TOLD
    assert server.asked == 1
    describe("server")
    wait_for(lambda: server.asked == 2)


def test_what_was_told_stands_in_for_a_while(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.opened.set()
    describe("server")
    server.is_away = True
    monkeypatch.setattr(describing, "_KEEP_SECONDS", 0.0)
    monkeypatch.setattr(describing, "_OLD_SECONDS", 0.0)
    assert describe("server") == TOLD
    monkeypatch.setattr(describing, "_STAND_IN_SECONDS", 0.0)
    assert describe("server") is None
    assert server.asked == 3
