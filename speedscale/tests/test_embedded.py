from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from pymongo import MongoClient

from speedscale.embedded.identity import ProcessIdentity
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.ports import free_port, is_free, is_listening, lasting_port
from speedscale.embedded.process import ServerError, ServerProcess, find_binary
from speedscale.embedded.redis import RedisServer
from speedscale.embedded.state import Endpoints, clear_endpoints, read_endpoints, write_endpoints
from speedscale.tests.waiting import wait_for

SLEEP = ["/bin/sleep", "60"]


@contextmanager
def running(server: ServerProcess) -> Iterator[ServerProcess]:
    try:
        yield server
    finally:
        server.kill()


def connect(server: MongodServer) -> MongoClient[dict[str, Any]]:
    return MongoClient(server.uri)


def shell(script: str, log: Path) -> ServerProcess:
    return ServerProcess("shell", ["/bin/sh", "-c", script], log=log)


# --- The servers -------------------------------------------------------------------------------------------


def test_mongod_keeps_its_data_and_its_port_over_a_stop_and_a_crash(tmp_path: Path) -> None:
    first = MongodServer(tmp_path)
    with connect(first) as client:
        client.shop.things.insert_one({"_id": 1})
    first.stop()
    assert first.exit_status() == 0

    second = MongodServer(tmp_path)
    assert second.port == first.port
    with connect(second) as client:
        client.get_database("shop").things.insert_one({"_id": 2})
    second.kill()

    third = MongodServer(tmp_path)
    with running(third), connect(third) as client:
        assert [thing["_id"] for thing in client.shop.things.find().sort("_id")] == [1, 2]


def test_mongod_can_move_to_another_port(tmp_path: Path) -> None:
    MongodServer(tmp_path).stop()
    port = free_port()
    moved = MongodServer(tmp_path, port=port)
    with running(moved), connect(moved) as client:
        assert client.admin.command("hello")["primary"] == f"127.0.0.1:{port}"
        # What the set exists for: change streams and transactions.
        with client.shop.things.watch() as changes, client.start_session() as session, session.start_transaction():
            client.shop.things.insert_one({"_id": 1}, session=session)
            session.commit_transaction()
            assert next(changes)["documentKey"] == {"_id": 1}


def test_redis_evicts_least_recently_used_keys_and_listens_on_loopback_only(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, maxmemory_mb=20)
    with running(server), redis.Redis.from_url(server.url) as client:
        assert client.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
        assert client.config_get("maxmemory")["maxmemory"] == str(20 * 1024 * 1024)
        assert client.config_get("bind")["bind"] == "127.0.0.1"
        assert client.config_get("save")["save"] == ""


def test_a_server_on_a_taken_port_is_an_error_and_not_taken_for_the_other_one(tmp_path: Path) -> None:
    other = RedisServer(tmp_path / "one")
    with running(other), pytest.raises(ServerError, match=r"redis-server ended with status 1[\s\S]*in use"):
        RedisServer(tmp_path / "two", port=other.port)


def test_a_hung_server_does_not_answer_and_can_be_stopped(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.signal(signal.SIGSTOP)
    assert not server.answers()
    server.stop(timeout_seconds=10)
    assert server.exit_status() == 0


def test_mongods_log_is_told_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServerError) as caught:
        MongodServer(tmp_path, port=taken.getsockname()[1])
    message = str(caught.value)
    assert re.match(r"mongod ended with status \d+; the last lines of ", message)
    assert "Address already in use" in message
    assert '{"t"' not in message


# --- Processes ---------------------------------------------------------------------------------------------


def test_a_missing_system_library_is_one_line_that_names_the_package(tmp_path: Path) -> None:
    line = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    server = shell(f"echo '{line}'; exit 127", tmp_path / "log")
    with pytest.raises(ServerError) as caught:
        server.wait_until(lambda: False, timeout_seconds=10)
    assert str(caught.value) == "shell needs the system library libcurl.so.4: install Debian's libcurl4"


def test_a_server_that_ends_at_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    server = shell("echo first; echo the reason; exit 3", tmp_path / "log")
    with pytest.raises(ServerError, match=r"shell ended with status 3[\s\S]*the reason"):
        server.wait_until(lambda: False, timeout_seconds=10)


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    server = ServerProcess("sleep", SLEEP, log=tmp_path / "log")
    with pytest.raises(ServerError, match="was not ready after 0 s"):
        server.wait_until(lambda: False, timeout_seconds=0.1)
    assert server.exit_status() == -signal.SIGTERM


def test_a_server_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    server = shell("trap '' TERM; echo ready; while :; do sleep 0.1; done", tmp_path / "log")
    wait_for(lambda: "ready" in server.log_tail())
    server.stop(timeout_seconds=0.5)
    assert server.exit_status() == -signal.SIGKILL


def test_a_missing_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"^mongod was not found: install it$"):
        find_binary(package="no.such.package", inside="bin/mongod", command="mongod", hint="install it")


def test_a_server_on_the_path_is_used_where_there_is_no_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "mongod"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary(package="no.such.package", inside="bin/mongod", command="mongod", hint="") == binary


def test_a_log_that_has_grown_large_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (9 * 1024 * 1024))
    server = shell("echo new", log)
    server.wait()
    assert log.read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == 9 * 1024 * 1024


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal; from pathlib import Path; from speedscale.embedded.redis import RedisServer; "
        f"print(RedisServer(Path({str(tmp_path)!r})).pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=settings.BASE_DIR, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = ProcessIdentity.of(int(parent.stdout.readline()))
        assert child is not None
        parent.kill()
    wait_for(lambda: not child.is_running())


def test_a_hung_child_of_a_killed_run_is_ended_by_the_next_start(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from speedscale.embedded.redis import RedisServer; "
        f"s = RedisServer(Path({str(tmp_path)!r})); s.signal(signal.SIGSTOP); print(s.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=settings.BASE_DIR, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = ProcessIdentity.of(int(parent.stdout.readline()))
        assert child is not None
        parent.kill()
    assert child.is_running()
    with running(RedisServer(tmp_path)) as server:
        assert not child.is_running()
        assert server.exit_status() is None


def test_a_pid_file_that_names_an_innocent_process_hurts_nobody(tmp_path: Path) -> None:
    # The number was given to another process since: its start differs.
    (tmp_path / "shell.pid").write_text(f"{os.getpid()} some-earlier-start\n")
    server = shell("exit 0", tmp_path / "log")
    assert server.wait() == 0


def test_a_child_does_not_inherit_blocked_signals(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        server = ServerProcess("sleep", SLEEP, log=tmp_path / "log")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    server.stop(timeout_seconds=10)
    assert server.exit_status() == -signal.SIGTERM


def test_an_interrupted_start_leaves_no_child(tmp_path: Path) -> None:
    server = ServerProcess("sleep", SLEEP, log=tmp_path / "log")
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        server.wait_until(lambda: False, timeout_seconds=30)
    assert server.exit_status() is not None


# --- Ports and addresses -----------------------------------------------------------------------------------


def test_a_free_port_can_be_listened_on(tmp_path: Path) -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert is_listening(port)
    assert not is_listening(port)


def test_a_port_lasts_until_somebody_else_takes_it(tmp_path: Path) -> None:
    port = lasting_port(tmp_path)
    assert lasting_port(tmp_path) == port
    with socket.create_server(("127.0.0.1", port)):
        assert lasting_port(tmp_path) != port


@pytest.mark.parametrize("damage", ["", "many", "80", "999999999999"])
def test_a_damaged_port_file_is_no_obstacle(tmp_path: Path, damage: str) -> None:
    (tmp_path / "port").write_text(damage)
    assert is_free(lasting_port(tmp_path))


def test_published_addresses_are_found_and_withdrawn(tmp_path: Path) -> None:
    endpoints = Endpoints("mongodb://127.0.0.1:1/", "redis://127.0.0.1:2/0", "http://127.0.0.1:3/")
    write_endpoints(tmp_path, endpoints)
    assert read_endpoints(tmp_path) == endpoints
    clear_endpoints(tmp_path)
    assert read_endpoints(tmp_path) == Endpoints()


def test_addresses_that_a_killed_run_left_behind_do_not_count(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from speedscale.embedded.state import Endpoints, write_endpoints; "
        f"write_endpoints(Path({str(tmp_path)!r}), Endpoints('mongodb://127.0.0.1:1/'))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=settings.BASE_DIR, check=True)
    assert (tmp_path / "endpoints.json").exists()
    assert read_endpoints(tmp_path) == Endpoints()


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"mongo_uri": 1}', '{"owner": null}', "\x00"])
def test_a_damaged_file_of_addresses_counts_as_none(tmp_path: Path, damage: str) -> None:
    (tmp_path / "endpoints.json").write_text(damage)
    assert read_endpoints(tmp_path) == Endpoints()


def test_a_process_is_known_until_it_ends() -> None:
    with subprocess.Popen(SLEEP) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        assert ProcessIdentity.parse(str(identity)) == identity
        assert identity.is_running()
        process.kill()
        # A zombie, which nobody has asked for its status yet, has ended.
        wait_for(lambda: not identity.is_running())
    assert ProcessIdentity.of(process.pid) is None
