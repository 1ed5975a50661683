"""Several Redis servers that stand in for each other, on loopback: a group under Sentinels, and a Cluster.

They exist to prove that the cache works with both. `manage.py up` starts a single server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from speedscale.embedded.ports import free_port, is_free
from speedscale.embedded.process import ServerError, ServerProcess
from speedscale.embedded.redis import RedisServer, redis_binary

SERVICE = "speedScale"
_SLOTS = 16384
_BUS = 10_000
"""A node of a Cluster listens for its peers on its port plus this."""
_READY_SECONDS = 30.0


class _Group:
    """Servers that are stopped together."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._cleanup = ExitStack()
        self.servers: list[RedisServer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all servers."""
        self._cleanup.close()

    def _credentials(self) -> str:
        return f":{quote(self._password, safe='')}@" if self._password else ""

    def _start(self, directory: Path, port: int, arguments: Sequence[str | Path]) -> RedisServer:
        server = RedisServer(directory, port=port, maxmemory_mb=64, password=self._password, arguments=arguments)
        self._cleanup.callback(server.stop)
        return server


class SentinelServer(ServerProcess):
    """A Sentinel, which agrees with its peers on who is the master of a group."""

    def __init__(self, directory: Path, *, port: int, master_port: int, down_after_ms: int, password: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {directory}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master_port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        if password:
            lines.append(f'sentinel auth-pass {SERVICE} "{password}"')
        # A Sentinel writes what it learns into its configuration.
        configuration = directory / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        super().__init__("sentinel", [redis_binary(), configuration, "--sentinel"], log=directory / "sentinel.log")
        self.wait_until(self.answers, timeout_seconds=15)

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        """Return a client of this Sentinel; the caller closes it."""
        return redis.Redis(port=self.port, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


class SentinelGroup(_Group):
    """A master, its replicas, and three Sentinels.

    Args:
        directory: where logs lie.
        replicas: number of replicas.
        down_after_ms: how long a master may be silent before the Sentinels replace it. They ask it once a second:
            with less than that they replace a new master before they have heard of it, again and again.
        password: what clients of master and replicas must know; empty for none.
    """

    def __init__(self, directory: Path, *, replicas: int = 2, down_after_ms: int = 2000, password: str = "") -> None:
        super().__init__(password)
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            master_port = free_port()
            follow = ("--replicaof", "127.0.0.1", str(master_port))
            diskless = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
            self.servers = [self._start(directory / "redis0", master_port, diskless)]
            self.servers += [
                self._start(directory / f"redis{number}", free_port(), [*diskless, *follow])
                for number in range(1, replicas + 1)
            ]
            self.sentinels: list[SentinelServer] = []
            for number in range(3):
                sentinel = SentinelServer(
                    directory / f"sentinel{number}",
                    port=free_port(),
                    master_port=master_port,
                    down_after_ms=down_after_ms,
                    password=password,
                )
                self._cleanup.callback(sentinel.stop)
                self.sentinels.append(sentinel)
            _wait_until(self._is_complete, "the Sentinels do not find each other and the replicas")
            on_failure.pop_all()

    @property
    def url(self) -> str:
        """The address for ``REDIS_URL``."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{self._credentials()}{hosts}/{SERVICE}/0"

    def master_of(self, key: str) -> RedisServer:
        """Return the server that holds ``key``: the master, as the first Sentinel sees it."""
        del key
        return self.master()

    def master(self) -> RedisServer:
        """Return the server that the first Sentinel takes for the master."""
        with self.sentinels[0].client() as client:
            port = int(client.sentinel_get_master_addr_by_name(SERVICE)[1])
        return next(server for server in self.servers if server.port == port)

    def await_another_master(self, former: RedisServer, *, key: str = "") -> RedisServer:
        """Wait until another server than ``former`` takes writes, and return it; it holds every key."""
        del key
        _wait_until(lambda: self.master() is not former and self._takes_writes(self.master()), "no new master")
        return self.master()

    def _takes_writes(self, server: RedisServer) -> bool:
        with server.client() as client:
            return bool(client.info("replication")["role"] == "master")

    def _is_complete(self) -> bool:
        def state(sentinel: SentinelServer) -> dict[str, Any]:
            with sentinel.client() as client:
                found: dict[str, Any] = client.sentinel_masters()[SERVICE]
            return found

        return all(
            found["num-other-sentinels"] == 2 and found["num-slaves"] == len(self.servers) - 1 and not found["is_sdown"]
            for found in map(state, self.sentinels)
        ) and all(self._is_linked(server) for server in self.servers[1:])

    def _is_linked(self, server: RedisServer) -> bool:
        with server.client() as client:
            return bool(client.info("replication")["master_link_status"] == "up")


class ClusterGroup(_Group):
    """Three masters that share the hash slots, each with a replica.

    Args:
        directory: where logs lie.
        node_timeout_ms: how long a master may be silent before its replica takes over.
        password: what clients must know; empty for none.
    """

    MASTERS = 3

    def __init__(self, directory: Path, *, node_timeout_ms: int = 1000, password: str = "") -> None:
        super().__init__(password)
        options = (
            *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
            *("--cluster-node-timeout", str(node_timeout_ms), "--databases", "1"),
            *("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
        )
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            self.servers = [
                self._start(directory / f"redis{number}", _port_with_bus(), options)
                for number in range(2 * self.MASTERS)
            ]
            self._join()
            on_failure.pop_all()

    @property
    def url(self) -> str:
        """The address for ``REDIS_URL``: two of the nodes, which tell of the others."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:2])
        return f"redis+cluster://{self._credentials()}{hosts}"

    def master_of(self, key: str) -> RedisServer:
        """Return the server that holds ``key``, as the nodes that answer see it."""
        for server in self.servers:
            try:
                with server.client() as client:
                    slot = client.execute_command("CLUSTER KEYSLOT", key)
                    nodes = client.execute_command("CLUSTER SLOTS")
            except redis.RedisError:
                continue
            ranges = nodes if isinstance(nodes, dict) else {(row[0], row[1]): {"primary": row[2]} for row in nodes}
            port = next(int(held["primary"][1]) for (low, high), held in ranges.items() if low <= slot <= high)
            return next(server for server in self.servers if server.port == port)
        raise ServerError("no node of the Cluster answers")

    def await_another_master(self, former: RedisServer, *, key: str) -> RedisServer:
        """Wait until another server than ``former`` holds ``key`` and the Cluster is whole; return it."""
        rest = next(server for server in self.servers if server is not former and server.exit_status() is None)

        def is_whole() -> bool:
            with rest.client() as client:
                return self.master_of(key) is not former and bool(client.cluster("INFO")["cluster_state"] == "ok")

        _wait_until(is_whole, "no replica takes over")
        return self.master_of(key)

    def _join(self) -> None:
        masters, replicas = self.servers[: self.MASTERS], self.servers[self.MASTERS :]
        bounds = [round(_SLOTS * number / self.MASTERS) for number in range(self.MASTERS + 1)]
        for number, server in enumerate(masters):
            with server.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(bounds[number], bounds[number + 1]))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        with masters[0].client() as client:
            for server in self.servers[1:]:
                client.execute_command("CLUSTER MEET", "127.0.0.1", server.port)
        _wait_until(lambda: all(self._knows_all(server) for server in self.servers), "the nodes do not meet")
        for master, replica in zip(masters, replicas, strict=True):
            with master.client() as client, replica.client() as follower:
                name = client.execute_command("CLUSTER MYID")
                _wait_until(lambda follower=follower, name=name: _replicates(follower, name), "a replica refuses")  # type: ignore[misc]
        _wait_until(lambda: all(self._is_ready(server) for server in self.servers), "the Cluster does not become whole")

    def _knows_all(self, server: RedisServer) -> bool:
        with server.client() as client:
            return int(client.cluster("INFO")["cluster_known_nodes"]) == len(self.servers)

    def _is_ready(self, server: RedisServer) -> bool:
        with server.client() as client:
            linked = client.info("replication").get("master_link_status", "up") == "up"
            return linked and bool(client.cluster("INFO")["cluster_state"] == "ok")


def _replicates(follower: Any, name: Any) -> bool:
    try:
        return bool(follower.execute_command("CLUSTER REPLICATE", name))
    except redis.ResponseError:
        return False  # It has not heard of its master yet.


def _port_with_bus() -> int:
    while not is_free((port := free_port()) + _BUS):
        pass
    return port


def _wait_until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = monotonic() + _READY_SECONDS
    while True:
        try:
            if condition():
                return
        except redis.RedisError:
            pass  # Not up yet.
        if monotonic() > deadline:
            raise ServerError(complaint)
        sleep(0.05)
