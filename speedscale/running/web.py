"""The web server: gunicorn as a child, configured by ``deploy/gunicorn.conf.py`` as in the container."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from speedscale.embedded.process import ServerError, ServerProcess
from speedscale.running.probe import accepted_host, connectable, liveness_status

_START_SECONDS = 60


class WebServer(ServerProcess):
    """A gunicorn that answers requests once the constructor returns."""

    def __init__(
        self, base_dir: Path, *, host: str, port: int, allowed_hosts: list[str], log: Path, env: Mapping[str, str]
    ) -> None:
        command = [
            *(sys.executable, "-m", "gunicorn", "--chdir", str(base_dir)),
            *("--config", str(base_dir / "deploy" / "gunicorn.conf.py"), "speedscale.wsgi:application"),
        ]  # fmt: skip
        self._address = (host, port)
        self._host_header = accepted_host(allowed_hosts)
        super().__init__("gunicorn", command, log=log, env=env)
        self.wait_until(self.answers, timeout_seconds=_START_SECONDS)

    @property
    def url(self) -> str:
        host, port = connectable(self._address[0]), self._address[1]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def answers(self) -> bool:
        """Tell whether a worker answers; whatever it answers, it has loaded the application."""
        host, port = self._address
        return liveness_status(host, port, host_header=self._host_header) is not None


def refuse_taken_port(host: str, port: int) -> None:
    """Raise :class:`ServerError` where nothing could listen on ``host`` and ``port``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise ServerError(f"HOST={host} is not an address of this machine: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise ServerError(_bind_problem(host, port, error)) from error


def _bind_problem(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"PORT={port} is already in use on {host}: stop what listens there, or set another PORT"
        case errno.EACCES:
            return f"PORT={port} may not be used by this user: set one from 1024 up"
        case errno.EADDRNOTAVAIL:
            return f"HOST={host} is not an address of this machine"
    return f"HOST={host} PORT={port} cannot be used: {error.strerror}"
