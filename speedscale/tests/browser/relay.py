"""A slow line between browser and site: pages arrive in many small pieces, and are drawn before they are complete."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from urllib.parse import urlsplit

from speedscale.tests.browser.site import Site

_OWN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}


@contextmanager
def trickling(site: Site, *, pieces: int, pause_seconds: float) -> Iterator[Site]:
    """Offer the site at another address, where each page arrives in ``pieces`` with a pause after each of them."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            origin = http.client.HTTPConnection(urlsplit(site.url).netloc)
            origin.request("GET", self.path)
            answer = origin.getresponse()
            body = answer.read()
            origin.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OWN_HEADERS:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            is_page = (answer.getheader("Content-Type") or "").startswith("text/html")
            size = -(-len(body) // pieces) if is_page else len(body)
            with suppress(ConnectionError):  # A browser that leaves does not wait for the rest.
                for start in range(0, len(body), size or 1):
                    self.wfile.write(body[start : start + size])
                    sleep(pause_seconds if is_page else 0)

        def log_message(self, *_: object) -> None:
            """Say nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield replace(site, url=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
