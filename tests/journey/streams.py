"""Both ends of a large transfer in one test's hands: the browser's socket, and the system's socket for the same request."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httptools

from .recorder import PATIENCE, Answer, Seen

MIB = 1 << 20
_SMALL = 64 * 1024  # of a test's own sockets: what is on its way stands in the gateway, or in the kernel for it
_STUCK = 1.5  # seconds without room for one more byte: the other side does not read


class Message:
    """A request or an answer as it comes in; `whole` only when its own framing says so."""

    def __init__(self, connection: socket.socket, parser: type, before: bytes = b"") -> None:
        self.connection = connection
        self.content = bytearray()
        self.whole = self.closed = False
        self._parser = parser(self)
        if before:
            self._parser.feed_data(before)

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        self.content += body

    def on_message_complete(self) -> None:
        self.whole = True

    def more(self) -> bool:
        """Wait for more; no when the other side has closed."""
        try:
            data = self.connection.recv(MIB)
        except ConnectionError:
            data = b""
        self.closed = not data
        if data:
            self._parser.feed_data(data)
        return not self.closed

    def until(self, true: Callable[[], bool]) -> None:
        while not true():
            assert self.more(), f"closed after {len(self.content)} bytes"

    def to_the_end(self) -> None:
        """Until it is whole, or nothing comes any more."""
        while not self.whole and self.more():
            pass


@dataclass
class Outgoing:
    """A body of MiB, one different from the other, on its way into a socket; `piece` frames a part of it."""

    connection: socket.socket
    mib: int
    chunked: bool
    sent: int = 0  # bytes, framing included
    _number: int = 0
    _rest: bytes = b""

    def one(self) -> None:
        """The next MiB, and nothing beyond it."""
        self.connection.sendall(self._next())

    def fill(self) -> bool:
        """Send until nobody takes any more; yes when that happened before everything was gone."""
        self.connection.settimeout(_STUCK)
        try:
            while self._rest or self._number < self.mib:
                self._send()
        except TimeoutError:
            return True
        finally:
            self.connection.settimeout(PATIENCE)
        return False

    def all_into(self, incoming: Message) -> None:
        """Send what is left while `incoming` is read, until both are through."""
        here, there = incoming.connection, self.connection
        while self._rest or self._number < self.mib:
            readable, writable, _ = select.select([here], [there], [], PATIENCE)
            assert readable or writable, "nothing moves"
            if readable:
                assert incoming.more()
            if writable:
                self._send()
        self.end()
        incoming.to_the_end()

    def end(self) -> None:
        """The last chunk; a body of a length ends by itself."""
        if self.chunked:
            self.connection.sendall(b"0\r\n\r\n")

    def _send(self) -> None:
        self._rest = self._rest or self._next()
        sent = self.connection.send(self._rest[:_SMALL])
        self.sent += sent
        self._rest = self._rest[sent:]

    def _next(self) -> bytes:
        data = block(self._number)
        self._number += 1
        return b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data


def block(number: int) -> bytes:
    return number.to_bytes(4, "big") * (MIB // 4)


def whole(mib: int) -> bytes:
    return b"".join(map(block, range(mib)))


@dataclass
class Streams:
    """A system that answers pages itself, and hands over the connection on which a large thing is asked for."""

    port: int
    answer: Answer
    _given: queue.Queue[tuple[socket.socket, bytes]] = field(default_factory=queue.Queue)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def given(self) -> tuple[socket.socket, Message]:
        """The next connection with a large request on it, and the request."""
        connection, before = self._given.get(timeout=PATIENCE)
        return connection, Message(connection, httptools.HttpRequestParser, before)

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            data = b""
            while part := connection.recv(65536):
                data += part
                head, end, body = data.partition(b"\r\n\r\n")
                if not end:
                    continue
                seen = Seen(head + end)
                if seen.path.startswith("/records/"):
                    self._given.put((connection, data))
                    return
                if len(body) >= int("".join(seen.header("content-length")) or 0):
                    connection.sendall(self.answer(seen))
                    data = b""
        connection.close()


@contextlib.contextmanager
def streams(answer: Answer) -> Iterator[Streams]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    made = Streams(listening.getsockname()[1], answer)
    open_ones: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: it is over
            while True:
                connection, _ = listening.accept()
                open_ones.append(connection)
                threading.Thread(target=made.serve, args=(connection,), daemon=True).start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield made
    finally:
        for one in (listening, *open_ones):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        accepting.join(PATIENCE)


@contextlib.contextmanager
def asking(port: int, request: bytes) -> Iterator[Message]:
    """A browser's connection with a request on it, and the answer to come."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", port))
        connection.sendall(request)
        yield Message(connection, httptools.HttpResponseParser)
