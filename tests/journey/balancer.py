"""A hospital's load balancer in small: it takes a request at its own address and hands it on under the gateway's public name.

The provider's process resolves real names only, and the gateway answers to its own: somebody in between knows both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.counterparts.processes import small_server


@dataclass
class Balancer:
    origin: str
    public_url: str = ""  # where it hands on to, set once that is known
    passed: list[tuple[bytes, int]] = field(default_factory=list)  # bodies, and how the gateway answered them

    def hand_on(self, path: str, kind: str, body: bytes) -> tuple[int, bytes]:
        public = urlsplit(self.public_url)
        connection = HTTPConnection("127.0.0.1", public.port or 80, timeout=20)
        try:
            connection.request("POST", path, body, {"host": public.netloc, "content-type": kind})
            answer = connection.getresponse()
            said = answer.status, answer.read()
        finally:
            connection.close()
        self.passed.append((body, said[0]))
        return said


@contextlib.contextmanager
def balancer() -> Iterator[Balancer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, said = made.hand_on(self.path, self.headers["content-type"], body)
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    with small_server(Handler) as origin:
        made = Balancer(origin)
        yield made
