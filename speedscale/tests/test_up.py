"""``manage.py up`` as its users meet it: a process with its own servers, ended in all the ways there are."""

from __future__ import annotations

import http.client
import http.cookiejar
import os
import re
import signal
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from pymongo import MongoClient

from catalog import mongo
from catalog.derived import is_behind, mark_behind
from catalog.indexes import CATEGORIES
from speedscale.embedded.ports import free_port
from speedscale.embedded.state import Endpoints, read_endpoints
from speedscale.tests.commands import manage
from speedscale.tests.running import START_SECONDS, Run, is_alive, up
from speedscale.tests.waiting import wait_for

pytestmark = pytest.mark.timeout(180)


def refused(data_dir: Path, **values: Any) -> str:
    """Return what a run refuses to start with; it begins in this process, which spares it the start of Django."""
    found: dict[str, Any] = {"DATA_DIR": data_dir, "HOST": "127.0.0.1", "PORT": free_port(), "MONGO_URI": ""} | values
    redis_url = found.get("REDIS_URL", "")
    with (
        override_settings(**found, EMBEDDED=not found["MONGO_URI"]),
        mock.patch.dict(os.environ, {"REDIS_URL": redis_url}),
        pytest.raises(CommandError) as caught,
    ):
        call_command("up", "--no-seed", stdout=StringIO())
    return str(caught.value)


def connect(data_dir: Path) -> MongoClient[dict[str, Any]]:
    return MongoClient(read_endpoints(data_dir).mongo_uri)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run that tests may use as long as they leave it running."""
    data_dir = tmp_path_factory.mktemp("up")
    # It has static files of unknown age, and collects them itself.
    (data_dir / "static").mkdir()
    with up(data_dir, "--no-seed") as run:
        run.wait_until_ready()
        yield run
        end_by_ctrl_c(run)
        assert stopped(run) == ["watcher", "gunicorn", "redis-server", "mongod"]


# --- Running -----------------------------------------------------------------------------------------------


def test_it_serves_and_prints_where(shared: Run) -> None:
    assert status_of(shared) == 200
    assert shared.url in shared.output()
    assert "Ctrl-C" in shared.output()
    assert "static files collected" in shared.output()


def test_everything_listens_on_loopback_only(shared: Run) -> None:
    addresses = {
        connection.laddr.ip
        for process in shared.children()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_a_command_in_another_terminal_finds_the_servers_and_counts_what_a_dead_import_left(shared: Run) -> None:
    with connect(shared.data_dir) as client:
        database = client["speedscale"]
        mark_behind(database)
        stale = {"_id": "gone", "name": "Gone", "path": ["Gone"], "parent": "", "product_count": 1, "beginnings": []}
        database[CATEGORIES].insert_one(stale)
        done = manage("prepare", "--no-seed", DATA_DIR=str(shared.data_dir))
        assert done.returncode == 0, done.stderr
        assert "0 products in database speedscale" in done.stdout
        assert database[CATEGORIES].count_documents({}) == 0
        assert not is_behind(database)
    assert read_endpoints(shared.data_dir).web_url == shared.url


def test_a_second_run_on_the_same_data_is_refused_in_one_line_that_names_the_first(shared: Run) -> None:
    done = manage("up", DATA_DIR=str(shared.data_dir), PORT=str(free_port()))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"is in use by another run, process {shared.process.pid}:" in done.stderr
    assert shared.process.poll() is None
    assert read_endpoints(shared.data_dir).web_url == shared.url


def test_a_port_in_use_is_told_before_anything_is_started(shared: Run, tmp_path: Path) -> None:
    line = refused(tmp_path, PORT=shared.port)
    assert f"PORT={shared.port} is already in use on 127.0.0.1" in line
    assert not (tmp_path / "mongodb").exists()


def test_an_account_made_by_createsuperuser_enters_the_admin(shared: Run) -> None:
    done = manage(
        *("createsuperuser", "--noinput", "--username", "keeper", "--email", "keeper@shop.example"),
        DATA_DIR=str(shared.data_dir),
        DJANGO_SUPERUSER_PASSWORD="a-long-enough-password",
    )
    assert done.returncode == 0, done.stderr
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = browser.open(f"{shared.url}admin/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token is not None
    fields = {"username": "keeper", "password": "a-long-enough-password", "csrfmiddlewaretoken": token[1]}
    page = browser.open(f"{shared.url}admin/login/?next=/admin/", urllib.parse.urlencode(fields).encode())
    assert page.url == f"{shared.url}admin/"
    assert "Site administration" in page.read().decode()


def test_the_admin_does_not_wait_for_a_mongodb_that_hangs(shared: Run) -> None:
    mongod = shared.child("mongod")
    mongod.suspend()
    try:
        wait_for(lambda: mongod.status() == psutil.STATUS_STOPPED)  # Until then some of its threads may still answer.
        started = time.perf_counter()
        # A session that Redis does not hold has to be read from MongoDB.
        assert status_of(shared, "/admin/", Cookie="sessionid=" + "a" * 32) == 503
        assert time.perf_counter() - started < 4, "and not for the 30 s of the driver"
    finally:
        mongod.resume()
    wait_for(lambda: status_of(shared, "/admin/", Cookie="sessionid=" + "b" * 32) == 302)


def test_a_killed_worker_is_replaced(shared: Run) -> None:
    before = {process.pid for process in psutil.Process(gunicorn(shared).pid).children()}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: {process.pid for process in psutil.Process(gunicorn(shared).pid).children()} - before)
    wait_for(lambda: status_of(shared) == 200)
    assert shared.process.poll() is None


def gunicorn(run: Run) -> psutil.Process:
    return next(
        child
        for child in psutil.Process(run.process.pid).children()
        if any("gunicorn" in part for part in child.cmdline())
    )


def status_of(run: Run, path: str = "/livez", **headers: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


# --- Ending ------------------------------------------------------------------------------------------------


def has_products(data_dir: Path) -> bool:
    if not read_endpoints(data_dir).mongo_uri:
        return False
    with connect(data_dir) as client:
        return client.speedscale.products.estimated_document_count() > 0


def is_seeding(run: Run) -> bool:
    """Tell whether processes that make products run."""
    return any("spawn_main" in part for child in run.children() if is_alive(child) for part in child.cmdline())


def more_visitors(run: Run) -> str:
    """Send some more visitors; return what they were answered."""
    told = StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    mongo.close()  # Tests before have left connections to another server.
    try:
        with override_settings(MONGO_URI=read_endpoints(run.data_dir).mongo_uri, MONGO_DB="speedscale"):
            call_command("generate_traffic", rate=5, seconds=1, url=run.url, stdout=told)
    finally:
        mongo.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return told.getvalue()


def shows(run: Run, path: str, text: str) -> bool:
    """Tell whether a page holds ``text``; a busy machine may refuse it for a moment."""
    try:
        with urllib.request.urlopen(run.url.rstrip("/") + path, timeout=30) as answer:  # noqa: S310  (our own site)
            return text in answer.read().decode()
    except OSError:
        return False


def stopped(run: Run) -> list[str]:
    """Return what a run says to have stopped, in that order."""
    return re.findall(r"^  (\S+) stopped$", run.output(), re.MULTILINE)


def end_by_ctrl_c(run: Run) -> None:
    children = run.children()
    assert run.end(signal.SIGINT) == 0
    assert "Traceback" not in run.output()
    assert not any(is_alive(child) for child in children)
    assert read_endpoints(run.data_dir) == Endpoints()


def crash(run: Run, name: str) -> None:
    """Kill a child, which ends the run."""
    children = run.children()
    victim = gunicorn(run) if name == "gunicorn" else run.child(name)
    victim.kill()
    assert run.process.wait(60) == 1
    assert f"{name} ended with signal SIGKILL; the last lines of {run.data_dir}" in run.output()
    assert "Traceback" not in run.output()
    wait_for(lambda: not any(is_alive(child) for child in children))


@pytest.mark.timeout(300)
def test_a_kill_and_a_crash_leave_no_process_and_the_next_start_a_demo_has_the_data(tmp_path: Path) -> None:
    with up(tmp_path, SEED_TARGET="3000000") as run:
        wait_for(lambda: is_seeding(run), timeout_seconds=START_SECONDS)
        assert "the catalogue is empty: seeding 3,000,000 products" in run.output()
        children = run.children()
        assert {"mongod", "redis-server"} < {child.name() for child in children}
        with connect(tmp_path) as client:
            client.kept.things.insert_one({"_id": "kept"})
        # The worst case: MongoDB does not even get to see that its parent is gone.
        run.child("mongod").suspend()
        assert run.end(signal.SIGKILL) == -signal.SIGKILL
    wait_for(lambda: [child.name() for child in children if is_alive(child)] == ["mongod"])
    assert "No MongoDB is known" in manage("prepare", DATA_DIR=str(tmp_path)).stderr

    # Where there is a display, the dashboard is opened: here by a browser that does nothing.
    visited = {"RATE_LIMIT_SEARCH": "", "MONGO_TIMEOUT_MS": "10000", "BROWSER": "true"}
    with up(tmp_path, "--demo", SEED_TARGET="60", **visited) as run:
        run.wait_until_ready()
        assert not any(is_alive(child) for child in children)
        with connect(tmp_path) as client:
            assert client.kept.things.count_documents({}) == 1
        assert "static files unchanged" in run.output()
        assert "generated visitors" in run.output()
        assert any("generate_traffic" in child.cmdline() for child in run.children())
        wait_for(lambda: shows(run, "/dashboard/", "Generated traffic."), timeout_seconds=60)
        wait_for(lambda: shows(run, "/dashboard/history/", 'class="tag">generated'), timeout_seconds=60)
        assert more_visitors(run).endswith(" 200\n")
        crash(run, "mongod")
        assert stopped(run) == ["visitors", "watcher", "gunicorn", "redis-server"]


@pytest.mark.drill
@pytest.mark.parametrize("name", ["redis-server", "gunicorn"])
def test_the_crash_of_a_child_is_told_and_ends_the_run(tmp_path: Path, name: str) -> None:
    with up(tmp_path, "--no-seed") as run:
        run.wait_until_ready()
        crash(run, name)


@pytest.mark.drill
def test_ctrl_c_during_the_seeding_leaves_no_process(tmp_path: Path) -> None:
    with up(tmp_path, SEED_TARGET="3000000") as run:
        wait_for(lambda: has_products(tmp_path), timeout_seconds=START_SECONDS)
        assert len(run.children()) > 3
        end_by_ctrl_c(run)


def test_ctrl_c_during_the_start_leaves_nothing_running(tmp_path: Path) -> None:
    with up(tmp_path, "--no-seed") as run:
        wait_for((tmp_path / "mongodb" / "mongod.pid").exists)
        assert run.children()
        end_by_ctrl_c(run)


# --- Servers of somebody else ------------------------------------------------------------------------------


def addresses(name: str) -> dict[str, str]:
    """Return the variables that name servers which somebody else has started, and a database of their own on them."""
    return {
        "MONGO_URI": settings.MONGO_URI,
        "MONGO_DB": f"{settings.MONGO_DB}_{name}",
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "HTTPS": "false",
    }


def test_with_both_addresses_given_nothing_else_is_started_and_a_dead_web_server_ends_the_run(
    shared: Run, tmp_path: Path
) -> None:
    with up(tmp_path, "--no-seed", **addresses("up")) as run:
        run.wait_until_ready()
        assert {child.name() for child in run.children()}.isdisjoint({"mongod", "redis-server"})
        assert status_of(run) == 200
        crash(run, "gunicorn")
    assert not (tmp_path / "mongodb").exists()
    assert not (tmp_path / "redis").exists()


@pytest.mark.parametrize("name", ["MONGO_URI", "REDIS_URL"])
def test_an_address_that_does_not_answer_is_one_line_within_seconds(tmp_path: Path, name: str) -> None:
    scheme = "mongodb" if name == "MONGO_URI" else "redis"
    started = time.perf_counter()
    line = refused(tmp_path, **{name: f"{scheme}://user:secret@127.0.0.1:{free_port()}/"})
    assert time.perf_counter() - started < 15
    assert name in line
    assert "secret" not in line
    assert len(line.splitlines()) == 1
    assert read_endpoints(tmp_path) == Endpoints()
    assert not (tmp_path / "mongodb").exists()
    assert not (tmp_path / "redis").exists()


# --- Refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_one_line(tmp_path: Path, host: str) -> None:
    line = refused(tmp_path, HOST=host)
    assert f"HOST={host} is not an address of this machine" in line
    assert len(line.splitlines()) == 1
    assert not (tmp_path / "mongodb").exists()


def test_a_damaged_database_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "mongodb").mkdir()
    (tmp_path / "mongodb" / "WiredTiger").write_text("not a database")
    (tmp_path / "mongodb" / "storage.bson").write_text("nor this")
    told = refused(tmp_path)
    assert "mongod ended with" in told
    assert "Traceback" not in told


def test_something_that_takes_the_port_meanwhile_is_told(shared: Run, tmp_path: Path) -> None:
    # The port is looked at first and bound last; this is what happens in between.
    with up(tmp_path, "--no-seed", **addresses("up")) as run:
        wait_for(lambda: "MongoDB of MONGO_URI answers" in run.output(), timeout_seconds=START_SECONDS)
        with socket.create_server(("127.0.0.1", run.port)):
            assert run.process.wait(60) == 1
        assert "gunicorn ended with status 1" in run.output()
        assert "already in use" in run.output()


@pytest.mark.drill
def test_a_replica_set_of_three_survives_its_primary_which_is_started_again(tmp_path: Path) -> None:
    with up(tmp_path, "--no-seed", "--topology", "replicaset") as run:
        run.wait_until_ready()
        uri = read_endpoints(tmp_path).mongo_uri
        client: MongoClient[dict[str, Any]] = MongoClient(uri)
        with client:
            assert len(client.admin.command("replSetGetConfig")["config"]["members"]) == 3
            pid = int(client.admin.command("serverStatus")["pid"])
            client.get_database("speedscale").get_collection("things").insert_one({"_id": 1})
            psutil.Process(pid).kill()
            wait_for(lambda: "has ended; starting it again" in run.output(), timeout_seconds=30)
            wait_for(
                lambda: all(member["health"] == 1 for member in client.admin.command("replSetGetStatus")["members"]),
                timeout_seconds=60,
            )
            assert client.get_database("speedscale").get_collection("things").find_one() == {"_id": 1}
        assert run.process.poll() is None
        processes = run.children()
        assert run.end() == 0
        assert not any(process.is_running() for process in processes)
