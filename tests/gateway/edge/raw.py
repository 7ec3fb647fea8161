"""A real server on a real socket, spoken to in bytes: what it answers, whether it closes, and what the app behind it saw."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop

from gateway.edge.guard import Guard
from gateway.edge.server import LanyardServer, server
from gateway.errors import ClientGone

HOST = "pas.records.test"
SITES = {HOST: "pas", "path.records.test": "pathology"}
PATIENCE = 10.0  # seconds after which a silent server fails the test
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3})[^\0]*?\r\n\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.I)


@dataclass
class Seen:
    """A request as the app saw it; `ended` says that its body came to its end."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    site: Any
    client: str
    scheme: str
    body: bytes = b""
    ended: bool = False


@dataclass
class Answers:
    statuses: list[int] = field(default_factory=list)  # final ones; interim ones are left out
    closed: bool = False
    raw: bytes = b""


class Recorder:
    """The app: writes down what it is asked, answers 200 and `answer`."""

    def __init__(self, answer: bytes = b"ok") -> None:
        self.seen: list[Seen] = []
        self.answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        query = scope["query_string"]
        target = scope.get("lanyard.target") or scope["raw_path"] + (b"?" + query if query else b"")
        seen = Seen(
            scope["method"],
            target,
            tuple(scope["headers"]),
            scope.get("lanyard.site"),
            scope["client"][0],
            scope["scheme"],
        )
        self.seen.append(seen)
        while not seen.ended:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            seen.body += message.get("body", b"")
            seen.ended = not message.get("more_body", False)
        length = str(len(self.answer)).encode()
        with contextlib.suppress(ClientGone):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self.answer})


@dataclass
class Listening:
    address: tuple[str, int]
    seen: list[Seen]
    rejected: list[tuple[str, str]]
    running: LanyardServer
    _loop: asyncio.AbstractEventLoop

    def settle(self) -> None:
        """Wait until the app has nothing left to do."""

        async def quiet() -> None:
            while self.running.server_state.tasks:
                await asyncio.sleep(0.002)

        asyncio.run_coroutine_threadsafe(quiet(), self._loop).result(PATIENCE)

    def ask(self, *parts: bytes, fin: bool = False, answers: int = 1) -> Answers:
        """Send `parts`, read until the connection closes or so many `answers` are whole; then let the app settle."""
        found = exchange(self.address, *parts, fin=fin, answers=answers)
        self.settle()
        return found


def exchange(address: tuple[str, int], *parts: bytes, fin: bool = False, answers: int = 1) -> Answers:
    found = Answers()
    bodiless = parts[0].startswith(b"HEAD")
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        with contextlib.suppress(ConnectionError):  # refused while we were still sending
            for part in parts:
                connection.sendall(part)
            if fin:
                connection.shutdown(socket.SHUT_WR)
        while True:
            try:
                data = connection.recv(65536)
            except ConnectionError:
                data = b""
            found.raw += data
            found.closed = not data
            found.statuses, whole, ends = _read(found.raw, bodiless=bodiless)
            if found.closed or (whole >= answers and not ends):
                return found


def _read(raw: bytes, *, bodiless: bool) -> tuple[list[int], int, bool]:
    """Final statuses, how many of their answers are whole, and whether the last one announces the end."""
    heads = [head for head in _HEAD.finditer(raw) if head[1] >= b"200"]
    whole = 0
    for head in heads:
        length = _LENGTH.search(head[0])
        whole += bodiless or len(raw) - head.end() >= (int(length[1]) if length else 0)
    ends = bool(heads) and b"\r\nconnection: close" in heads[-1][0].lower()
    return [int(head[1]) for head in heads], whole, ends


@contextlib.contextmanager
def listening(
    app: Any = None, *, scheme: str = "https", protocol: Any = None, address: str = "127.0.0.1", **options: Any
) -> Iterator[Listening]:
    """Our server before a recording app, in a thread and loop of its own. `protocol`: another one, without the guard."""
    recorder = app or Recorder()
    rejected: list[tuple[str, str]] = []

    def hear(source: str, reason: str) -> None:
        rejected.append((source, str(reason)))

    place = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    if protocol is None:
        made = server(Guard(recorder, SITES, scheme, hear), listen="127.0.0.1:0", rejected=hear, **options)
    else:
        made = LanyardServer(uvicorn.Config(recorder, http=protocol, ws="none", lifespan="off", log_config=None))
        made.protocol = type("Other", (protocol,), {"silent": {}})  # all that the server asks of its connections
    with _running(made, place) as loop:
        yield Listening(place.getsockname()[:2], getattr(recorder, "seen", []), rejected, made, loop)


@contextlib.contextmanager
def _running(made: LanyardServer, place: socket.socket) -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop()
    up = threading.Event()

    async def serve() -> None:
        serving = asyncio.ensure_future(made.serve_quietly([place]))
        while not made.started and not serving.done():
            await asyncio.sleep(0.002)
        up.set()
        await serving

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, name="server-under-test")
    thread.start()
    assert up.wait(PATIENCE)
    try:
        yield loop
    finally:
        made.should_exit = made.force_exit = True
        thread.join(PATIENCE)
