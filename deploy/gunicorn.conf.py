"""gunicorn's configuration, the same for ``manage.py up`` and for the container."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

# gunicorn reads this file before it looks for the application, from wherever it was started.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from speedscale.env import EnvError
from speedscale.leftovers import claimed_directory
from speedscale.memory import keep_freed_memory, leave_what_is_loaded

try:
    from speedscale import settings
except EnvError as error:
    sys.stderr.write(f"configuration: {error}\n")
    sys.exit(78)  # EX_CONFIG of sysexits.h

_host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
bind = f"{_host}:{settings.PORT}"

worker_class = "speedscale.worker.Worker"
workers = settings.WEB_CONCURRENCY
threads = settings.WEB_THREADS
# A MongoClient must not be carried across fork, so each worker loads the application itself.
preload_app = False
reload = settings.DEBUG

# The parser in C serves about a third more requests than the one in Python.
http_parser = "fast" if importlib.util.find_spec("gunicorn_h1c") else "python"
keepalive = 5
timeout = 30
# Every request ends within two seconds or so, but idle connections of browsers are waited for all the same.
graceful_timeout = 4
# Workers tell that they live by touching a file; on a disk, a slow write would look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (gunicorn creates a private file there)
# What the workers tell each other, so that /metrics of any of them speaks for all; see cachelayer/telemetry/node.py.
_node_dir = claimed_directory("speedscale-node-", worker_tmp_dir)
os.environ["SPEEDSCALE_NODE_DIR"] = str(_node_dir)
_master = os.getpid()

# Whom to believe that a request came over HTTPS (X-Forwarded-Proto); by default nobody.
forwarded_allow_ips = ",".join(settings.TRUSTED_PROXIES)

accesslog = None
errorlog = "-"
# The interface for run-time management is not used, so there is no socket for it.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Make ready for requests."""
    del worker
    keep_freed_memory()
    leave_what_is_loaded()


def on_exit(server: Any) -> None:
    """Remove what the workers told each other."""
    del server
    if os.getpid() == _master:
        shutil.rmtree(_node_dir, ignore_errors=True)
