"""Runs the project's own commands as a user would: in a process of their own, with an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_OURS = (
    *("MONGO_URI", "MONGO_DB", "REDIS_URL", "DATA_DIR", "HOST", "PORT", "SECRET_KEY", "DEBUG", "HTTPS", "LOG_LEVEL"),
    *("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "TRUSTED_PROXIES", "METRICS_TOKEN", "IMAGE_HOSTS", "AUTO_SEED"),
    *("SEED_TARGET", "WARM_CACHE", "WEB_CONCURRENCY", "WEB_THREADS", "RATE_LIMIT_SEARCH", "DJANGO_SETTINGS_MODULE"),
    *("RATE_LIMIT_SUGGEST", "TELEMETRY"),
    *("CACHE_TTL_SEARCH", "CACHE_TTL_PRODUCT", "CACHE_TTL_SIMILAR", "CACHE_L1_SECONDS", "PYTEST_XDIST_WORKER"),
)
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without the project's settings, and with ``variables``."""
    return {name: value for name, value in os.environ.items() if name not in _OURS} | variables


def manage(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py`` to its end and return its output."""
    return subprocess.run(
        [sys.executable, str(MANAGE), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**variables),
        timeout=90,
        check=False,
    )
