"""Debian's nginx with the project's own configuration, in front of a web server of the test."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from speedscale.embedded.ports import free_port, is_listening
from speedscale.embedded.process import ServerProcess

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin:/usr/local/bin") or ""
WHY_NOT = "nginx is not installed (apt-get install nginx-light)"
_SOURCE = Path(settings.BASE_DIR) / "deploy" / "nginx"


class Edge(ServerProcess):
    """nginx with ``deploy/nginx/nginx.conf`` as it is, and with addresses and directories of the test."""

    def __init__(self, directory: Path, web_ports: Sequence[int], *, tls: bool = False) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.internal_port = free_port(), free_port()
        shutil.copy(_SOURCE / "nginx.conf", directory)
        servers = "\n".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;" for port in web_ports)
        (directory / "upstream.conf").write_text(f"upstream web {{\n{servers}\nkeepalive 64;\n}}\n")
        paths = (_SOURCE / "paths.conf").read_text().replace("/tmp/nginx", str(directory / "tmp"))  # noqa: S108
        (directory / "paths.conf").write_text(paths)
        (directory / "tmp").mkdir(exist_ok=True)
        listen = (_SOURCE / ("listen-tls.conf" if tls else "listen.conf")).read_text()
        listen = listen.replace("listen 8080", f"listen 127.0.0.1:{self.port}")
        (directory / "listen.conf").write_text(listen.replace("listen 8443", f"listen 127.0.0.1:{self.port}"))
        internal = (_SOURCE / "listen-internal.conf").read_text()
        (directory / "listen-internal.conf").write_text(internal.replace("8081", f"127.0.0.1:{self.internal_port}"))
        if tls:
            self._make_certificate(directory / "tls")
        command: list[str | Path] = [NGINX, "-e", "stderr", "-c", directory / "nginx.conf"]
        # Started by root, its workers would be another user, who cannot reach the test's directory.
        user = "user root root; " if os.geteuid() == 0 else ""
        command += ["-g", f"{user}daemon off; pid {directory}/nginx.pid;"]
        super().__init__("nginx", command, log=directory / "nginx.log")
        self.wait_until(lambda: is_listening(self.port), timeout_seconds=15)

    @staticmethod
    def _make_certificate(directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        names = ["-keyout", str(directory / "tls.key"), "-out", str(directory / "tls.crt"), "-subj", "/CN=shop.example"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        subprocess.run([*command, "-days", "1", *names], check=True, capture_output=True)


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """Ask for a path; the body is kept as ``answer.body``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent = {"Host": "shop.example"} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers=sent)
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    return answer
