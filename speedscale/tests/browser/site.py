"""A site as in production, for browsers: gunicorn, compressed static files, real servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from pymongo import MongoClient

from catalog.seeding.catalogue import seed_catalogue
from speedscale.embedded.ports import free_port
from speedscale.running.web import WebServer
from speedscale.tests.commands import environment, manage

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Site:
    """A running site; ``url`` has no slash at its end."""

    url: str
    environment: dict[str, str]


def seed(*, count: int, mongo_uri: str, mongo_db: str) -> None:
    """Create products as the project's own command does."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri, tz_aware=True)
    try:
        seed_catalogue(database=client[mongo_db], uri=mongo_uri, count=count)
    finally:
        client.close()


def hire(site: Site, name: str, *, migrate: bool = False, train: bool = False) -> None:
    """Create an account for a member of staff, whose password is :data:`PASSWORD`.

    Args:
        site: whose account it is.
        name: of the account.
        migrate: create the database of accounts first.
        train: train the model of similar products as well, which saves it a process of its own.
    """
    steps = ["from django.core.management import call_command as call"]
    if migrate:
        steps.append("call('migrate', verbosity=0)")
    steps.append(f"call('createsuperuser', interactive=False, username={name!r}, email='{name}@shop.example')")
    if train:
        steps.append("call('train_recommender', force=True, verbosity=0)")
    account = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    done = manage("shell", "-v", "0", "-c", "; ".join(steps), **site.environment, **account)
    assert done.returncode == 0, done.stderr


@contextmanager
def running_site(data_dir: Path, log: Path, **variables: str) -> Iterator[Site]:
    """Serve the project on a port of its own until the block ends.

    Args:
        data_dir: where :func:`~speedscale.tests.statics.give_static_files` has put the static files.
        log: what gunicorn writes to.
        variables: ``MONGO_URI``, ``MONGO_DB``, ``REDIS_URL`` and any other setting.
    """
    port = free_port()
    chosen = _settings(data_dir, PORT=str(port), **variables)
    server = WebServer(
        Path(settings.BASE_DIR),
        host="127.0.0.1",
        port=port,
        allowed_hosts=["127.0.0.1"],
        log=log,
        env=environment(**chosen),
    )
    try:
        yield Site(url=server.url.rstrip("/"), environment=chosen)
    finally:
        server.stop()


def _settings(data_dir: Path, **variables: str) -> dict[str, str]:
    return {
        "DATA_DIR": str(data_dir),
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "DEBUG": "false",
        "HTTPS": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
        "RATE_LIMIT_SEARCH": "",
        "RATE_LIMIT_SUGGEST": "",
        "LOG_LEVEL": "WARNING",
        "WEB_CONCURRENCY": "1",
        "MONGO_URI": settings.MONGO_URI,
        "MONGO_DB": settings.MONGO_DB,
        "REDIS_URL": settings.REDIS_URL,
        **variables,
    }
