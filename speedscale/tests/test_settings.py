from __future__ import annotations

import os
import runpy
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings
from pytest_django import Settings

from catalog import mongo
from speedscale.env import Env, EnvError
from speedscale.secret import resolve_secret_key
from speedscale.tests.commands import environment, manage

PRODUCTION = {
    "MONGO_URI": "mongodb://mongo.example:27017/?replicaSet=speedscale",
    "REDIS_URL": "redis://redis.example:6379/0",
    "SECRET_KEY": "".join(chr(ord("0") + number) for number in range(64)),
    "ALLOWED_HOSTS": "shop.example",
    "METRICS_TOKEN": "a-token",
}
SAFETY = (
    *("DEBUG", "HTTPS", "EMBEDDED", "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT"),
    *("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"),
)


def settings_under(command: str = "check", **variables: str) -> dict[str, Any]:
    """Return what the settings are in a process of ``manage.py`` with these variables."""
    with (
        mock.patch.dict(os.environ, environment(**variables), clear=True),
        mock.patch.object(sys, "argv", ["manage.py", command]),
    ):
        return runpy.run_path(str(Path(settings.BASE_DIR) / "speedscale" / "settings.py"))


def safety_under(**variables: str) -> dict[str, Any]:
    found = settings_under(**variables)
    return {name: found[name] for name in SAFETY}


def test_a_deployment_is_secure_without_saying_so() -> None:
    found = safety_under(**PRODUCTION)
    assert found == {
        "DEBUG": False,
        "HTTPS": True,
        "EMBEDDED": False,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
    }


def test_a_machine_with_embedded_servers_does_not_debug_and_does_not_ask_for_https(tmp_path: Path) -> None:
    found = settings_under(DATA_DIR=str(tmp_path))
    assert (found["DEBUG"], found["HTTPS"], found["EMBEDDED"]) == (False, False, True)


def test_check_deploy_is_clean_on_production_settings(tmp_path: Path) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", DATA_DIR=str(tmp_path), **PRODUCTION)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"PORT": "http"}, "PORT='http' is not usable: expected a whole number from 1 to 65535."),
        ({"MONGO_URI": "localhost:27017"}, "MONGO_URI='***' is not usable"),
        ({"ALLOWED_HOSTS": "https://shop.example"}, "ALLOWED_HOSTS='https://shop.example' is not usable"),
        ({"RATE_LIMIT_SEARCH": "many"}, "RATE_LIMIT_SEARCH='many' is not usable"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL='loud' is not usable"),
        ({"MONGO_URI": "mongodb://mongo.example"}, "SECRET_KEY='' is not usable"),
        ({"MONGO_URI": "mongodb://mongo.example", "SECRET_KEY": "short"}, "SECRET_KEY='***' is not usable"),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(tmp_path: Path, variables: dict[str, str], told: str) -> None:
    with pytest.raises(EnvError) as caught:
        settings_under(**{"DATA_DIR": str(tmp_path), **variables})
    assert str(caught.value).startswith(told)
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_value_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    done = manage("check", DATA_DIR=str(tmp_path), PORT="http")
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "configuration: PORT='http' is not usable: expected a whole number from 1 to 65535."
    ]


def test_a_wrong_value_is_one_line_for_the_web_server_too(tmp_path: Path) -> None:
    config = Path(settings.BASE_DIR) / "deploy" / "gunicorn.conf.py"
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config", "--config", str(config), "speedscale.wsgi:application"],
        cwd=settings.BASE_DIR,
        env=environment(DATA_DIR=str(tmp_path), WEB_CONCURRENCY="0"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "configuration: WEB_CONCURRENCY='0' is not usable: expected a whole number from 1 to 256."
    ]


def test_a_generated_key_is_kept_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = resolve_secret_key(Env({}), data_dir=tmp_path / "new", may_create=True)
    assert len(key) >= 50
    assert resolve_secret_key(Env({}), data_dir=tmp_path / "new", may_create=True) == key
    assert stat.S_IMODE((tmp_path / "new" / "secret-key").stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from speedscale.env import Env; "
        "from speedscale.secret import resolve_secret_key; "
        f"print(resolve_secret_key(Env({{}}), data_dir=Path({str(tmp_path)!r}), may_create=True))"
    )

    def key_of_a_new_process(_: int) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(key_of_a_new_process, range(4)))
    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 50


def test_threads_that_ask_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: resolve_secret_key(Env({}), data_dir=tmp_path, may_create=True), range(200)))
    assert len(set(keys)) == 1


def test_an_empty_key_file_of_an_interrupted_start_gets_its_key(tmp_path: Path) -> None:
    (tmp_path / "secret-key").touch(0o600)
    assert len(resolve_secret_key(Env({}), data_dir=tmp_path, may_create=True)) >= 50


def test_a_damaged_key_file_is_told_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("abc")
    with pytest.raises(EnvError, match="a whole key in its file secret-key"):
        resolve_secret_key(Env({}), data_dir=tmp_path, may_create=True)


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvError, match="DATA_DIR="):
        resolve_secret_key(Env({}), data_dir=tmp_path / "file", may_create=True)


def test_open_metrics_and_wildcard_hosts_are_told_by_the_deploy_check(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    settings.ALLOWED_HOSTS = ["*"]
    assert {"speedscale.W001", "speedscale.E001"} <= {found.id for found in run_checks(include_deployment_checks=True)}


def test_a_first_level_that_outlives_redis_is_told(settings: Settings) -> None:
    settings.CACHE_L1_SECONDS = 10
    settings.CACHE_TTL_SEARCH = 5
    assert "speedscale.W002" in {found.id for found in run_checks()}


def client_under(**variables: str) -> tuple[object, ...]:
    """Return how the client of requests reads and writes in a process with these variables."""
    found = {name: value for name, value in settings_under(**variables).items() if name.startswith("MONGO_")}
    mongo.close()
    try:
        with override_settings(**found):
            database = mongo.database()
            options = database.client.options
            return (
                *(database.read_preference.name, database.write_concern.document),
                *(options.pool_options.max_pool_size, options.retry_writes, options.timeout),
            )
    finally:
        mongo.close()


def test_how_requests_read_and_write_comes_from_the_environment(tmp_path: Path) -> None:
    servers = {"MONGO_URI": "mongodb://127.0.0.1:9/", "SECRET_KEY": "x" * 60, "DATA_DIR": str(tmp_path)}
    assert client_under(**servers) == ("PrimaryPreferred", {"w": "majority"}, 50, True, 1.0)
    other = {
        "MONGO_READ_PREFERENCE": "nearest",
        "MONGO_WRITE_CONCERN": "1",
        "MONGO_POOL_SIZE": "7",
        "MONGO_RETRY": "false",
        "MONGO_TIMEOUT_MS": "250",
    }
    assert client_under(**servers, **other) == ("Nearest", {"w": 1}, 7, False, 0.25)
    with pytest.raises(EnvError, match="MONGO_READ_PREFERENCE='fastest' is not usable"):
        settings_under(**servers, MONGO_READ_PREFERENCE="fastest")


@pytest.mark.parametrize(("command", "seconds"), [("seed", 0.2), ("check", 0.02), ("replay", 0.02)])
def test_commands_that_nobody_waits_for_have_more_patience_with_redis(command: str, seconds: float) -> None:
    found = settings_under(command, **PRODUCTION, REDIS_TIMEOUT_MS="20")
    assert found["CACHES"]["default"]["OPTIONS"]["SOCKET_TIMEOUT"] == seconds
