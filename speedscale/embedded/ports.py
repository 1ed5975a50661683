"""TCP ports on loopback for the embedded servers."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

# Below the range from which the kernel takes the ports of outgoing connections (32768 and up), so that none of those
# can take a port between our look and the server's bind.
_FIRST, _LAST = 20_000, 32_000
_FILE = "port"


class NoFreePort(RuntimeError):
    """Every port of the range that was tried is taken."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of loopback at this moment."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only waiting to be forgotten is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def is_listening(port: int) -> bool:
    """Tell whether a server accepts connections on this port of loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def free_port() -> int:
    """Return a TCP port on loopback that nothing listens on at this moment."""
    for port in random.sample(range(_FIRST, _LAST), 200):
        if is_free(port):
            return port
    raise NoFreePort(f"no free port was found between {_FIRST} and {_LAST}")


def lasting_port(directory: Path) -> int:
    """Return a free port for the server whose data lie in ``directory``: the one it had before, where it can be had.

    A lasting port keeps addresses in other terminals and tools valid, and spares a replica set its reconfiguration.
    """
    file = directory / _FILE
    try:
        port = int(file.read_text())
    except (OSError, ValueError):
        port = 0
    if not (_FIRST <= port < _LAST and is_free(port)):
        port = free_port()
        file.write_text(f"{port}\n")
    return port
