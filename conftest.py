"""Shared by all tests: real servers, started once for the run, one database a worker.

The process that starts pytest starts the servers and hands their addresses to the workers of pytest-xdist through
the environment, before Django reads its settings.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.process import ServerError
from speedscale.embedded.redis import RedisServer

_MEMORY = Path("/dev/shm")  # noqa: S108  (everything in it is made by tempfile)
_MEMORY_BYTES = 12 * 2**30
"""Free memory from which on the servers keep their files there: some 300 MB for each MongoDB, a few at a time."""
# A busy machine stalls for seconds now and then, which says nothing about what is tested.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")
_started: list[MongodServer | RedisServer] = []
_directory: Path | None = None


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts the suite in the background has it ignore Ctrl-C, and so would the commands under test.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker:
        _use_memory()
        try:
            _start_servers()
        except ServerError as error:
            raise pytest.UsageError(str(error)) from error
    if not worker and config.getoption("numprocesses", None):
        return  # The tests run in the workers, which inherit this environment; settings read here would be theirs.
    number = int(worker.removeprefix("gw") or 0)
    os.environ["MONGO_DB"] = f"speedscale_w{number}"
    os.environ["REDIS_URL"] = f"{os.environ['SPEEDSCALE_TEST_REDIS']}/{number + 1}"
    # Models are files, and each worker keeps and removes its own.
    os.environ["DATA_DIR"] = f"{os.environ['SPEEDSCALE_TEST_DATA']}/w{number}"
    # Named only now: pytest-django would read the settings before the servers' addresses are known.
    os.environ["DJANGO_SETTINGS_MODULE"] = "speedscale.settings"
    from django.conf import settings

    # Pages are rendered from the sources; tests that start a real server collect the static files first.
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    # Accounts are made by dozens of tests, and a hash that is slow on purpose would take a third of a second each.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # A stalled machine, again: what happens when the time is up is tested with times of its own.
    settings.SEARCH_BUDGET_MS = 3_000
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give each file to one worker, and all browser tests to one, so that there is one browser and one site."""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "browser" if "/browser/" in path else path


def _use_memory() -> None:
    """Let all temporary files lie in memory where there is plenty; a test's MongoDB waits for its disk otherwise."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    if min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available) >= _MEMORY_BYTES:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # It looks anew.


def _start_servers() -> None:
    global _directory
    _directory = Path(tempfile.mkdtemp(prefix="speedscale-tests-"))
    mongod = MongodServer(_directory / "mongodb", cache_mb=256)
    _started.append(mongod)
    redis_server = RedisServer(_directory / "redis", maxmemory_mb=128)
    _started.append(redis_server)
    os.environ.update(
        MONGO_URI=mongod.uri,
        SPEEDSCALE_TEST_REDIS=redis_server.url.rsplit("/", 1)[0],
        SPEEDSCALE_TEST_DATA=str(_directory / "data"),
        SECRET_KEY="only-for-tests-" + "x" * 40,
        DEBUG="false",
        HTTPS="false",
        ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
        RATE_LIMIT_SEARCH="",
        RATE_LIMIT_SUGGEST="",
        LOG_LEVEL="WARNING",
        # A busy test machine stalls for longer than a cache may; the tests of faults set the real limit themselves.
        REDIS_TIMEOUT_MS="1000",
        SEARCH_BUDGET_MS="500",
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    if "catalog.mongo" in sys.modules:
        sys.modules["catalog.mongo"].close()
    while _started:
        _started.pop().stop()
    if _directory is not None:
        shutil.rmtree(_directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def empty_caches() -> None:
    """Every test starts with cold caches and closed circuits."""
    from django_redis import get_redis_connection

    from cachelayer import demand, runtime
    from cachelayer.dashboard import live
    from cachelayer.invalidation import announcements
    from cachelayer.server import door
    from cachelayer.telemetry import recorder, windows
    from catalog import mongo

    recorder.forget()
    windows.forget()
    client: Any = get_redis_connection("default")
    # The channel of invalidations goes on from test to test: connecting it anew takes longer than most tests.
    channel_keys = {announcements.number_key().encode(), announcements.generations_key().encode()}
    keys = [key for key in client.scan_iter(count=1000) if key not in channel_keys]
    if keys:
        client.unlink(*keys)
    runtime.forget()
    live.forget()
    demand.forget_votes()
    door.breaker.record_success()
    mongo.breaker.record_success()
    # L1 is used once invalidations arrive; on a busy machine that takes a moment longer than a request would wait.
    runtime.bus.ensure_started()
    runtime.bus.wait_until_connected(5)


@pytest.fixture
def products_db() -> Any:
    """An empty catalogue with its validator and indexes."""
    from catalog import mongo
    from catalog.curations import CURATIONS, forget_known
    from catalog.derived import CATALOG_STATE
    from catalog.indexes import CATEGORIES, PRODUCTS, ensure_collections, ensure_indexes
    from catalog.staff_log import STAFF_CHANGES
    from catalog.vocabulary.store import SEARCH_COLLECTIONS, lexicon

    database = mongo.command_database()
    if database[PRODUCTS].estimated_document_count() > 500:
        # Emptying the indexes of a large catalogue takes seconds, making them anew does not.
        database[PRODUCTS].drop()
    ensure_collections(database)
    ensure_indexes(database)
    for name in (PRODUCTS, CATEGORIES, CURATIONS, STAFF_CHANGES, CATALOG_STATE):
        database[name].delete_many({})
    for name in SEARCH_COLLECTIONS:
        database[name].drop()
    lexicon.forget()
    forget_known()
    return database


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the rate limit's clock, so that no window ends in the middle of a test."""
    monkeypatch.setattr("cachelayer.web.ratelimit.time", lambda: 1_800_000_030.0)
