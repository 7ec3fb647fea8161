"""A gateway of no account behind a balancer: it remembers what came, and breaks or waits when it is told to."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; `connection` counts them."""

    method: str
    path: str
    headers: dict[str, str]
    connection: int


@dataclass
class StandIn:
    """At `address`: TLS on one port, `/readyz` on another."""

    address: str
    seen: list[Seen] = field(default_factory=list)
    ready: bool = True
    breaks: bool = False  # takes a request, and is gone without a word
    half: threading.Event = field(default_factory=threading.Event)  # the first half of an upload is there
    go_on: threading.Event = field(default_factory=threading.Event)  # the second half of an answer may go
    asked: int = 0  # how often it was asked whether it is ready
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)
    _idle: set[socket.socket] = field(default_factory=set)

    @contextlib.contextmanager
    def serving(self, tls: Path, port: int, ops: int) -> Iterator[None]:
        """`tls`: the folder of gateway.crt and gateway.key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "gateway.crt", tls / "gateway.key")
        public = _Quiet((self.address, port), _public(self))
        public.socket = context.wrap_socket(public.socket, server_side=True, do_handshake_on_connect=False)
        self._servers = [public, _Quiet((self.address, ops), _ops(self))]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            self.go_on.set()
            self.stop()

    def stop(self) -> None:
        """No new connection is taken and idle ones are closed; what was begun goes on."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers = []
        for one in list(self._idle):
            _shut(one)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Balancers close when they like."""


def _public(place: StandIn) -> type[BaseHTTPRequestHandler]:
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.number = next(numbers)

        def handle_one_request(self) -> None:
            place._idle.add(self.connection)
            super().handle_one_request()

        def do_GET(self) -> None:
            self._note()
            if place.breaks:
                self._gone()
            elif self.path == "/stream":
                self._stream()
            else:
                self._say(place.address.encode())

        def do_POST(self) -> None:
            self._note()
            length = int(self.headers["content-length"])
            self.rfile.read(length // 2)
            place.half.set()
            self.rfile.read(length - length // 2)
            if place.breaks:
                self._gone()
            else:
                self._say(place.address.encode())

        do_PUT = do_DELETE = do_POST

        def _note(self) -> None:
            place._idle.discard(self.connection)
            headers = {name.lower(): value for name, value in self.headers.items()}
            place.seen.append(Seen(self.command, self.path, headers, self.number))

        def _gone(self) -> None:
            self.close_connection = True
            _shut(self.connection)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"7\r\nfirst\n\n\r\n")
            place.go_on.wait(30)
            self.wfile.write(b"6\r\nlast\n\n\r\n0\r\n\r\n")

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    return Handler


def _ops(place: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked += 1
            self.send_response(200 if place.ready and self.path == "/readyz" else 503)
            self.end_headers()
            self.wfile.write(json.dumps({"ready": place.ready}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    return Handler
