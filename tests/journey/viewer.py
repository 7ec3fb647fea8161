"""A system with pages of its own, without a log-on: it shows any page, redirects as it is told, and remembers what it saw."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.counterparts.processes import small_server


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

    with small_server(Handler) as origin:
        made = Viewer(origin)
        yield made
