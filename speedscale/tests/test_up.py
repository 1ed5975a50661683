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
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from pymongo import MongoClient

from catalog.derived import is_behind, mark_behind
from catalog.indexes import CATEGORIES
from speedscale.embedded.ports import free_port
from speedscale.embedded.state import Endpoints, read_endpoints
from speedscale.tests.commands import manage
from speedscale.tests.running import START_SECONDS, Run, collected, is_alive, up
from speedscale.tests.waiting import wait_for

pytestmark = pytest.mark.timeout(180)


def refused(data_dir: Path, *arguments: str, **variables: str) -> str:
    """Return the one line with which a run refuses to start."""
    done = manage("up", *arguments, **{"DATA_DIR": str(data_dir), "PORT": str(free_port()), **variables})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


def connect(data_dir: Path) -> MongoClient[dict[str, Any]]:
    return MongoClient(read_endpoints(data_dir).mongo_uri)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run that tests may use as long as they leave it running."""
    with up(tmp_path_factory.mktemp("up"), "--no-seed") as run:
        run.wait_until_ready()
        collected.append(run.data_dir)
        yield run
        collected.clear()


# --- Running -----------------------------------------------------------------------------------------------


def test_it_serves_and_prints_where(shared: Run) -> None:
    assert status_of(shared) == 200
    assert shared.url in shared.output()
    assert "Ctrl-C" in shared.output()


def test_everything_listens_on_loopback_only(shared: Run) -> None:
    addresses = {
        connection.laddr.ip
        for process in shared.children()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_any_command_in_another_terminal_finds_the_servers(shared: Run) -> None:
    done = manage("prepare", "--no-seed", DATA_DIR=str(shared.data_dir))
    assert done.returncode == 0, done.stderr
    assert "0 products in database speedscale" in done.stdout
    assert read_endpoints(shared.data_dir).web_url == shared.url


def test_preparing_counts_what_a_dead_import_has_left_behind(shared: Run) -> None:
    with connect(shared.data_dir) as client:
        database = client["speedscale"]
        mark_behind(database)
        stale = {"_id": "gone", "name": "Gone", "path": ["Gone"], "parent": "", "product_count": 1, "beginnings": []}
        database[CATEGORIES].insert_one(stale)
        done = manage("prepare", "--no-seed", DATA_DIR=str(shared.data_dir))
        assert done.returncode == 0, done.stderr
        assert database[CATEGORIES].count_documents({}) == 0
        assert not is_behind(database)


def test_a_second_run_on_the_same_data_is_refused_and_names_the_first(shared: Run) -> None:
    line = refused(shared.data_dir)
    assert f"is in use by another run, process {shared.process.pid}:" in line
    assert shared.process.poll() is None
    assert read_endpoints(shared.data_dir).web_url == shared.url


def test_a_port_in_use_is_one_line_before_anything_is_started(shared: Run, tmp_path: Path) -> None:
    line = refused(tmp_path, PORT=str(shared.port))
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
        started = time.perf_counter()
        # A session that Redis does not hold has to be read from MongoDB.
        assert status_of(shared, "/admin/", Cookie="sessionid=" + "a" * 32) == 503
        assert time.perf_counter() - started < 2
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


def test_ctrl_c_stops_all_in_order_and_the_next_start_has_the_data(tmp_path: Path) -> None:
    with up(tmp_path, SEED_TARGET="50") as run:
        run.wait_until_ready()
        assert "the catalogue is empty: seeding 50 products" in run.output()
        children = run.children()
        assert run.end(signal.SIGINT) == 0
        stopped = re.findall(r"^  (\S+) stopped$", run.output(), re.MULTILINE)
    assert stopped == ["watcher", "gunicorn", "redis-server", "mongod"]
    assert not any(is_alive(child) for child in children)
    assert read_endpoints(tmp_path) == Endpoints()
    with up(tmp_path, SEED_TARGET="60") as run:
        run.wait_until_ready()
        assert "50 products in database speedscale" in run.output()
        assert "seeding" not in run.output()
        assert "static files unchanged" in run.output()
        assert run.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.drill), signal.SIGKILL])
def test_an_end_during_the_seeding_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path, SEED_TARGET="3000000") as run:
        wait_for(lambda: has_products(tmp_path), timeout_seconds=START_SECONDS)
        children = run.children()
        assert len(children) > 3
        assert run.end(number) == (0 if number is signal.SIGINT else -signal.SIGKILL)
        if number is signal.SIGINT:
            # Once it is killed nobody ends the others with care, and a finaliser of theirs may be interrupted.
            assert "Traceback" not in run.output()
    wait_for(lambda: not any(is_alive(child) for child in children))


def has_products(data_dir: Path) -> bool:
    if not read_endpoints(data_dir).mongo_uri:
        return False
    with connect(data_dir) as client:
        return client.speedscale.products.estimated_document_count() > 0


def test_a_kill_leaves_no_process_and_the_next_start_recovers(tmp_path: Path) -> None:
    with up(tmp_path, "--no-seed") as run:
        run.wait_until_ready()
        children = run.children()
        with connect(tmp_path) as client:
            client.kept.things.insert_one({"_id": "kept"})
        # The worst case: MongoDB does not even get to see that its parent is gone.
        run.child("mongod").suspend()
        run.end(signal.SIGKILL)
    wait_for(lambda: [child.name() for child in children if is_alive(child)] == ["mongod"])
    assert "No MongoDB is known" in manage("prepare", DATA_DIR=str(tmp_path)).stderr
    with up(tmp_path, "--no-seed") as run:
        run.wait_until_ready()
        assert not any(is_alive(child) for child in children)
        with connect(tmp_path) as client:
            assert client.kept.things.count_documents({}) == 1


@pytest.mark.parametrize("name", ["mongod", "redis-server", "gunicorn"])
def test_the_crash_of_a_child_is_told_and_ends_the_run(tmp_path: Path, name: str) -> None:
    with up(tmp_path, "--no-seed") as run:
        run.wait_until_ready()
        children = run.children()
        victim = gunicorn(run) if name == "gunicorn" else run.child(name)
        victim.kill()
        assert run.process.wait(30) == 1
        assert f"{name} ended with signal SIGKILL; the last lines of {tmp_path}" in run.output()
        assert "Traceback" not in run.output()
    wait_for(lambda: not any(is_alive(child) for child in children))


def test_ctrl_c_during_the_start_leaves_nothing_running(tmp_path: Path) -> None:
    with up(tmp_path, "--no-seed") as run:
        wait_for((tmp_path / "mongodb" / "mongod.pid").exists)
        children = run.children()
        assert children
        assert run.end(signal.SIGINT) == 0
        assert "Traceback" not in run.output()
    assert not any(is_alive(child) for child in children)


# --- Generated visitors ------------------------------------------------------------------------------------


def page(run: Run, path: str) -> str:
    browser = urllib.request.build_opener()
    return str(browser.open(run.url.rstrip("/") + path, timeout=10).read().decode())


def test_the_demo_shows_its_visitors_as_generated_and_ctrl_c_ends_them_too(tmp_path: Path) -> None:
    # Where there is a display, the dashboard is opened: here by a browser that does nothing.
    with up(tmp_path, "--demo", SEED_TARGET="60", RATE_LIMIT_SEARCH="", BROWSER="true") as run:
        run.wait_until_ready()
        assert "generated visitors" in run.output()
        children = run.children()
        assert any("generate_traffic" in child.cmdline() for child in children)
        wait_for(lambda: "Generated traffic." in page(run, "/dashboard/"), timeout_seconds=30)
        wait_for(lambda: 'class="tag">generated' in page(run, "/dashboard/history/"), timeout_seconds=30)
        more = manage("generate_traffic", *("--rate", "20", "--seconds", "1", "--url", run.url), DATA_DIR=str(tmp_path))
        assert (more.returncode, more.stdout[-5:]) == (0, " 200\n"), more.stdout + more.stderr
        assert run.end(signal.SIGINT) == 0
        assert "Traceback" not in run.output()
    assert not any(is_alive(child) for child in children)


# --- Servers of somebody else ------------------------------------------------------------------------------


def test_with_both_addresses_given_nothing_is_started(tmp_path: Path) -> None:
    with up(
        tmp_path,
        "--no-seed",
        MONGO_URI=settings.MONGO_URI,
        MONGO_DB=f"{settings.MONGO_DB}_up",
        REDIS_URL=settings.REDIS_URL,
        SECRET_KEY=settings.SECRET_KEY,
        HTTPS="false",
    ) as run:
        run.wait_until_ready()
        assert {child.name() for child in run.children()}.isdisjoint({"mongod", "redis-server"})
        assert status_of(run) == 200
        assert run.end() == 0
    assert not (tmp_path / "mongodb").exists()
    assert not (tmp_path / "redis").exists()


@pytest.mark.parametrize("name", ["MONGO_URI", "REDIS_URL"])
def test_an_address_that_does_not_answer_is_one_line_within_seconds(tmp_path: Path, name: str) -> None:
    scheme = "mongodb" if name == "MONGO_URI" else "redis"
    started = time.perf_counter()
    line = refused(
        tmp_path, SECRET_KEY=settings.SECRET_KEY, **{name: f"{scheme}://user:secret@127.0.0.1:{free_port()}/"}
    )
    assert time.perf_counter() - started < 15
    assert name in line
    assert "secret" not in line
    assert read_endpoints(tmp_path) == Endpoints()
    assert not (tmp_path / "mongodb").exists()
    assert not (tmp_path / "redis").exists()


# --- Refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"HOST": "192.0.2.1"}, "HOST=192.0.2.1 is not an address of this machine"),
        ({"HOST": "no-such-host.invalid"}, "HOST=no-such-host.invalid is not an address of this machine"),
    ],
)
def test_an_address_of_another_machine_is_one_line(tmp_path: Path, variables: dict[str, str], told: str) -> None:
    assert told in refused(tmp_path, **variables)
    assert not (tmp_path / "mongodb").exists()


def test_a_damaged_database_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "mongodb").mkdir()
    (tmp_path / "mongodb" / "WiredTiger").write_text("not a database")
    (tmp_path / "mongodb" / "storage.bson").write_text("nor this")
    done = manage("up", "--no-seed", DATA_DIR=str(tmp_path), PORT=str(free_port()))
    assert done.returncode == 1
    assert "mongod ended with" in done.stderr
    assert "Traceback" not in done.stderr


def test_something_that_takes_the_port_meanwhile_is_told(tmp_path: Path) -> None:
    # The port is looked at first and bound last; this is what happens in between.
    with up(tmp_path, "--no-seed") as run:
        wait_for((tmp_path / "mongodb" / "mongod.pid").exists)
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
