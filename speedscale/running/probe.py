"""Ask a web server of this machine for a sign of life; run as a module it is the container's health check.

Needs the standard library alone, so that it starts quickly.
"""

from __future__ import annotations

import http.client
import os
import sys

_LIVENESS = "/livez"


def liveness_status(host: str, port: int, *, host_header: str, timeout_seconds: float = 2.0) -> int | None:
    """Return the HTTP status of ``/livez``, or ``None`` when nothing answers there.

    Args:
        host: the address that the server listens on; a wildcard address stands for loopback.
        port: its TCP port.
        host_header: a host name that the application accepts.
        timeout_seconds: how long an answer may take.
    """
    connection = http.client.HTTPConnection(connectable(host), port, timeout=timeout_seconds)
    try:
        connection.request("GET", _LIVENESS, headers={"Host": host_header, "Connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def connectable(host: str) -> str:
    """Return an address under which a server that listens on ``host`` can be reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  (compared, not bound)


def accepted_host(allowed_hosts: list[str]) -> str:
    """Return a host name that ``ALLOWED_HOSTS`` accepts."""
    first = allowed_hosts[0] if allowed_hosts else "localhost"
    return "localhost" if first == "*" else first.removeprefix(".")


def main() -> int:
    allowed = os.environ.get("ALLOWED_HOSTS", "").replace(",", " ").split()
    port = int(os.environ.get("PORT", "") or 8000)
    status = liveness_status(os.environ.get("HOST", ""), port, host_header=accepted_host(allowed))
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
