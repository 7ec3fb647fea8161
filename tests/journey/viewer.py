"""A system with pages of its own, without a log-on: it shows any page, redirects as it is told, and remembers what it saw."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Viewer:
    origin: str
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # target and headers, as they came
    redirects: dict[str, str] = field(default_factory=dict)  # target → Location

    @property
    def targets(self) -> list[str]:
        return [target for target, _ in self.asked]


@contextlib.contextmanager
def viewer() -> Iterator[Viewer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            location = made.redirects.get(self.path)
            body = b"<!doctype html><title>Viewer</title><p>The viewer's page"
            self.send_response(302 if location else 200)
            if location:
                self.send_header("location", location)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what it saw is in `asked`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A gateway that was killed leaves half-finished connections behind: they are no news."""

    server = Server(("127.0.0.1", 0), Handler)
    made = Viewer(f"http://127.0.0.1:{server.server_port}")
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    running.start()
    try:
        yield made
    finally:
        server.shutdown()
        running.join()
        server.server_close()
