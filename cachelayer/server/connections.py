"""Connections to Redis where it is more than one server: the factories that django-redis is given (ADR 30).

All commands go to masters. A replica may lack the last writes, and among them an invalidation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import redis
from django_redis.client import DefaultClient
from django_redis.exceptions import ConnectionInterrupted
from django_redis.pool import ConnectionFactory
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ClusterDownError, RedisClusterException
from redis.retry import Retry
from redis.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from cachelayer.server.addresses import Kind, RedisServers, once_more, parse_redis_url

AWAY = (redis.ConnectionError, redis.TimeoutError, ClusterDownError, RedisClusterException, ConnectionInterrupted)
"""What redis-py and django-redis raise where no server answers, rather than one that refuses a command."""


class _ClosesAfterFailure:
    """Closes a connection whose reply did not come in time.

    redis-py leaves those to Sentinels' masters open. The late reply would then be taken for that to the next command.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a reply; whatever goes wrong, the connection is closed."""
        return super().read_response(*args, **{"disconnect_on_error": True, **options})  # type: ignore[misc]


class _MasterConnection(_ClosesAfterFailure, SentinelManagedConnection):
    pass


class _MasterSSLConnection(_ClosesAfterFailure, SentinelManagedSSLConnection):
    pass


class _Doubts:
    """How often this process has begun to ask other masters of a Cluster, and how many threads look for them now."""

    count = 0
    looking = 0
    lock = threading.Lock()


def doubts() -> int | None:
    """Return a number that differs once this process asks other masters of a Cluster; ``None`` while it may."""
    return None if _Doubts.looking else _Doubts.count


def connect(url: str, *, timeout_seconds: float) -> Any:
    """Return a redis-py client for Redis at ``url``, apart from Django's caches.

    Raises:
        RedisUrlError: the address has none of the forms.
        redis.ConnectionError: no node of a Cluster answers; others are asked with the first command.
    """
    servers = parse_redis_url(url)
    match servers.kind:
        case Kind.SENTINEL:
            return redis.Redis(connection_pool=_sentinel_pool(servers, timeout_seconds))
        case Kind.CLUSTER:
            return ClusterRedis(servers, timeout_seconds)
    return redis.Redis.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=Retry(NoBackoff(), 0)
    )


def _sentinel_pool(servers: RedisServers, timeout_seconds: float) -> SentinelConnectionPool:
    security = dict(servers.security())
    bounds: dict[str, Any] = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(servers.addresses),
        sentinel_kwargs={
            "username": servers.sentinel_username,
            "password": servers.sentinel_password,
            "retry": Retry(NoBackoff(), 0),  # The next Sentinel is the second attempt.
            **bounds,
            **servers.security(),
        },
    )
    return SentinelConnectionPool(  # type: ignore[no-untyped-call]
        servers.service,
        sentinel,
        db=servers.database,
        username=servers.username,
        password=servers.password,
        retry=once_more(),
        connection_class=_MasterSSLConnection if security.pop("ssl", False) else _MasterConnection,
        **bounds,
        **security,
    )


def ask_for_master(client: Any) -> None:
    """Close idle connections to a server that the Sentinels, where there are some, have replaced.

    One that only they could not reach goes on taking commands for some seconds, beside the new master.
    """
    pool = getattr(client, "connection_pool", None)
    if isinstance(pool, SentinelConnectionPool):
        try:
            pool.get_master_address()  # type: ignore[no-untyped-call]
        except AWAY:
            return  # Sentinels that cannot tell have named no other.


class SentinelFactory(ConnectionFactory):  # type: ignore[misc]
    """Connects to the master that the Sentinels name at the moment."""

    _masters: dict[str, SentinelConnectionPool] = {}
    _lock = threading.Lock()

    def connect(self, url: str) -> Any:
        """Return a client; all clients of the process share one pool of connections."""
        with self._lock:
            pool = self._masters.get(url)
            if pool is None:
                pool = self._masters[url] = _sentinel_pool(parse_redis_url(url), self.options["SOCKET_TIMEOUT"])
        return redis.Redis(connection_pool=pool)


class ClusterRedis(redis.RedisCluster):
    """redis-py's client of a Cluster with bounded waits, and with one kind of error when no node answers.

    Nothing is tried twice: a first failure is reason to look whether invalidations were lost with the node (see
    :func:`doubts`), and a second attempt behind it would read from the new master before anybody has looked.
    """

    def __init__(self, servers: RedisServers, timeout_seconds: float) -> None:
        self._seeds = list(servers.addresses)
        try:
            super().__init__(
                startup_nodes=[ClusterNode(host, port) for host, port in self._seeds],  # type: ignore[no-untyped-call]
                username=servers.username,
                password=servers.password,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                require_full_coverage=False,
                reinitialize_steps=1,
                **servers.security(),
            )
        except RedisClusterException as error:
            raise redis.ConnectionError(_without_advice(error)) from error
        # One thread asks which node is what; the others fail meanwhile instead of queueing up to ask the same.
        self.nodes_manager.initialize = self._asked_once(self.nodes_manager.initialize)  # type: ignore[method-assign]

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command to the node of its key; raise ``redis.ConnectionError`` where the Cluster is down."""
        try:
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]
        except (RedisClusterException, ClusterDownError) as error:
            raise redis.ConnectionError(_without_advice(error)) from error

    def _masters(self) -> set[str]:
        return {node.name for node in self.nodes_manager.get_nodes_by_server_type("primary")}

    def mget(self, keys: Any, *args: Any) -> Any:
        """Return the values of keys on any nodes; those of different nodes are not read at one moment."""
        return self.mget_nonatomic(keys, *args)

    def scan(
        self,
        cursor: Any = 0,
        match: Any = None,
        count: int | None = None,
        _type: str | None = None,
        **options: Any,
    ) -> Any:
        """Return the next cursor and some keys, one master after the other, as one server would."""
        masters = sorted(self._masters())
        on_node, number = divmod(int(cursor), len(masters))
        node = self.get_node(node_name=masters[number])  # type: ignore[no-untyped-call]
        answer: Any = super().scan(on_node, match, count, _type, target_nodes=node, **options)
        next_on_node, keys = answer[0][node.name], answer[1]
        if next_on_node:
            return next_on_node * len(masters) + number, keys
        return (number + 1) % len(masters), keys

    def scan_iter(
        self, match: Any = None, count: int | None = None, _type: str | None = None, **options: Any
    ) -> Iterator[Any]:
        """Return the keys of all masters."""
        cursor = 0
        while True:
            cursor, keys = self.scan(cursor, match, count, _type, **options)
            yield from keys
            if not cursor:
                return

    def _asked_once(self, ask: Callable[..., None]) -> Callable[..., None]:
        asking = threading.Lock()

        def ask_once(*arguments: Any, additional_startup_nodes_info: Any = None, **options: Any) -> None:
            if not asking.acquire(blocking=False):
                return
            # In doubt all the while: another thread may read from a new master as soon as this one knows of it.
            with _Doubts.lock:
                _Doubts.looking += 1
            is_another = True
            try:
                masters = self._masters()
                seeds = [*self._seeds, *(additional_startup_nodes_info or ())]
                ask(*arguments, additional_startup_nodes_info=seeds, **options)
                is_another = self._masters() != masters
            finally:
                # Where it went wrong nobody knows, and a look has to tell.
                with _Doubts.lock:
                    _Doubts.count += is_another
                    _Doubts.looking -= 1
                asking.release()

        return ask_once


def is_cluster(client: Any) -> bool:
    """Tell whether a client spreads its keys over the nodes of a Cluster."""
    return isinstance(client, ClusterRedis)


def _without_advice(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


class ClusterFactory(ConnectionFactory):  # type: ignore[misc]
    """Connects to a Cluster: one client for all threads of the process, because it has to learn all nodes first."""

    _clusters: dict[str, ClusterRedis] = {}
    _lock = threading.Lock()

    def connect(self, url: str) -> ClusterRedis:
        """Return the client; raise ``redis.ConnectionError`` where no node answers in time."""
        cluster = self._clusters.get(url)
        if cluster is not None:
            return cluster
        timeout_seconds = float(self.options["SOCKET_TIMEOUT"])
        if not self._lock.acquire(timeout=4 * timeout_seconds):
            raise redis.TimeoutError("another thread is still looking for the nodes of the Cluster")
        try:
            if url not in self._clusters:
                self._clusters[url] = ClusterRedis(parse_redis_url(url), timeout_seconds)
            return self._clusters[url]
        finally:
            self._lock.release()

    def disconnect(self, connection: ClusterRedis) -> None:
        """Close the connections to all nodes."""
        connection.disconnect_connection_pools()  # type: ignore[no-untyped-call]


class ClusterCacheClient(DefaultClient):  # type: ignore[misc]
    """Django's cache on a Cluster, for sessions and whatever else uses ``django.core.cache``."""

    def get_client(self, write: bool = True, tried: list[int] | None = None) -> Any:
        """Return the Cluster's client; finding its nodes may fail, which is a failure of the cache like any other."""
        try:
            return super().get_client(write=write, tried=tried)
        except redis.RedisError as error:
            raise ConnectionInterrupted(connection=None) from error
