"""Lets tests use a group under Sentinels, or a Cluster, in place of the single Redis of the run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from pytest_django import Settings

from cachelayer import demand, engine, runtime
from cachelayer.loading.leases import lease_key
from cachelayer.server import door
from cachelayer.server.addresses import cache_settings
from cachelayer.server.door import value_key
from cachelayer.tests.loaders import wait_for
from speedscale.embedded.redis import RedisServer
from speedscale.embedded.redis_sets import ClusterGroup, SentinelGroup

Group = SentinelGroup | ClusterGroup
PASSWORD = "s/e:c@r,e%41t?#"
"""Holds every character that means something in an address."""


def start_group(kind: str, directory: Path, **options: Any) -> Group:
    """Start servers of this kind."""
    return (SentinelGroup if kind == "sentinel" else ClusterGroup)(directory / kind, **options)


@contextmanager
def used(group: Group, settings: Settings, *, timeout_seconds: float = 0.2) -> Iterator[None]:
    """Make ``group`` the Redis of this process."""
    settings.CACHES = {
        "default": cache_settings(group.url, timeout_seconds=timeout_seconds, key_prefix="speedscale"),
    }
    _reset()
    runtime.bus.ensure_started()
    assert runtime.bus.wait_until_connected(5)
    try:
        yield
    finally:
        _reset()


def _reset() -> None:
    engine.reset()
    demand.forget_votes()
    door.breaker.record_success()


def master_of(group: Group, key: str) -> RedisServer:
    """Return the server that holds the value of ``key``."""
    return group.master_of(value_key(key))


def replicas_of(group: Group, master: RedisServer) -> list[RedisServer]:
    """Return the servers that follow ``master``."""
    if isinstance(group, SentinelGroup):
        return [server for server in group.servers if server is not master]
    with master.client() as client:
        ports = {int(found["port"]) for name, found in client.info("replication").items() if name.startswith("slave")}
    return [server for server in group.servers if server.port in ports]


def await_another_master(group: Group, key: str, former: RedisServer) -> RedisServer:
    """Wait until another server holds ``key``."""
    return group.await_another_master(former, key=value_key(key))


def halt(server: RedisServer) -> None:
    """Stop all threads of a server, and wait until they have stopped."""
    server.signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(server.pid).status() == psutil.STATUS_STOPPED, seconds=5)


def keys_of(key: str) -> tuple[str, str]:
    """Return the stored keys of a value and of the lease on it."""
    return value_key(key), lease_key(key)
