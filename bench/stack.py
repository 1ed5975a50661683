"""A whole SpeedScale for the time of a benchmark: servers, products, web workers, all in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.ports import free_port
from speedscale.embedded.process import ServerProcess
from speedscale.embedded.redis import RedisServer

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a running stack listens, and the environment that its commands need."""

    url: str
    directory: Path
    environment: dict[str, str]

    def manage(self, *arguments: str) -> None:
        """Run a management command against this stack; raise with its output if it fails."""
        finished = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{finished.stdout}{finished.stderr}")


@contextmanager
def running_stack(*, products: int, settings: dict[str, str] | None = None, cache_mb: int = 1024) -> Iterator[Stack]:
    """Start MongoDB, Redis and two web workers with ``products`` seeded products; the rate limit is off."""
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="speedscale-bench-")))
        mongod = MongodServer(directory / "mongodb", cache_mb=cache_mb)
        cleanup.callback(mongod.stop)
        redis_server = RedisServer(directory / "redis")
        cleanup.callback(redis_server.stop)
        yield start_stack(cleanup, directory, mongod.uri, redis_server.url, products=products, settings=settings)


def start_stack(
    cleanup: ExitStack,
    directory: Path,
    mongo_uri: str,
    redis_url: str,
    *,
    products: int,
    settings: dict[str, str] | None = None,
) -> Stack:
    """Seed and serve from servers that run already."""
    port = free_port()
    environment = {
        **os.environ,
        "MONGO_URI": mongo_uri,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(directory / "data"),
        "SECRET_KEY": "benchmark-" + "x" * 50,
        "HTTPS": "false",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(WORKERS),
        "RATE_LIMIT_SEARCH": "",
        "RATE_LIMIT_SUGGEST": "",
        "LOG_LEVEL": "WARNING",
        **(settings or {}),
    }
    stack = Stack(f"http://127.0.0.1:{port}", directory, environment)
    stack.manage("collectstatic", "--noinput", "--verbosity", "0")
    stack.manage("seed", "--count", str(products))
    start_gunicorn(cleanup, "speedscale.wsgi", stack.url, environment, directory / "web.log")
    return stack


def start_gunicorn(cleanup: ExitStack, application: str, url: str, environment: dict[str, str], log: Path) -> None:
    """Start gunicorn with the project's own configuration and wait until it answers."""
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", application]
    server = ServerProcess(application, command, log=log, env={**environment, "PYTHONPATH": str(ROOT)})
    cleanup.callback(server.stop)
    server.wait_until(lambda: _answers(f"{url}/livez"), timeout_seconds=_START_SECONDS)


def fetch(url: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a GET."""
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  (an address of this very process)
        return response.read(), dict(response.headers)


def wait_until_hot(url: str, *, seconds: float = 10.0) -> bytes:
    """Ask until every worker has the answer in its cache; return the body."""
    deadline = time.monotonic() + seconds
    hits = 0
    while hits < 20 * WORKERS:
        body, headers = fetch(url)
        hits = hits + 1 if headers.get("X-Cache") == "HIT" else 0
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} does not become hot: {headers}")
    return body


def _answers(url: str) -> bool:
    try:
        return fetch(url)[0] is not None
    except (urllib.error.URLError, OSError):
        return False
