"""An upstream on raw sockets: it keeps the bytes of each request that it saw, and answers exactly what a test says."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PATIENCE = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.I)


@dataclass
class Seen:
    """A request as it arrived. `whole`: its body came to its end, by length or by last chunk."""

    head: bytes
    body: bytes = b""
    whole: bool = False

    @property
    def method(self) -> str:
        return self.head.partition(b" ")[0].decode()

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def content(self) -> bytes:
        """The body without its chunks' framing."""
        if b"\r\ntransfer-encoding: chunked" not in self.head.lower():
            return self.body
        content, rest = b"", self.body
        while size := int((line := rest.partition(b"\r\n"))[0], 16):
            content, rest = content + line[2][:size], line[2][size + 2 :]
        return content

    def header(self, name: str) -> list[str]:
        """Every value of a header, as it was sent."""
        lines = (line.partition(b":") for line in self.head.split(b"\r\n")[1:] if line)
        return [value.strip().decode("latin-1") for key, _, value in lines if key.decode("latin-1").lower() == name]


Answer = Callable[[Seen], bytes]


def reply(body: bytes = b"", kind: str = "text/html", status: str = "200 OK", **headers: str) -> bytes:
    """A plain answer with a length; `headers` with `_` for `-`."""
    lines = {"Content-Type": kind, "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


@dataclass
class Recorder:
    """`answer` gives each request its bytes; a test may put another in its place."""

    port: int
    answer: Answer
    seen: list[Seen] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def origin(self) -> str:
        # By name: cookie jars refuse cookies for addresses, and a test would pass either way.
        return f"http://localhost:{self.port}"

    def asked(self, *, beside: tuple[str, ...] = ()) -> list[Seen]:
        """What it saw, without the requests for the paths `beside`."""
        return [one for one in self.seen if one.path not in beside]

    def wait(self, true: Callable[[list[Seen]], bool]) -> None:
        """Until `true` says yes to what has been seen."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: true(self.seen), PATIENCE), self.seen

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    if not (data := connection.recv(65536)):
                        return
                    rest += data
                head, _, rest = rest.partition(b"\r\n\r\n")
                seen = Seen(head + b"\r\n\r\n")
                self._tell(lambda seen=seen: self.seen.append(seen))  # type: ignore[misc]  # default binds this turn's value
                rest = self._body(connection, seen, rest)
                if not seen.whole:
                    return
                said = self.answer(seen)
                connection.sendall(said)
                if not said or b"\r\nconnection: close" in said.lower() or b"\r\ncontent-length" not in said.lower():
                    return

    def _body(self, connection: socket.socket, seen: Seen, rest: bytes) -> bytes:
        """Read the request's body into `seen`; what came behind it."""
        chunked = b"\r\ntransfer-encoding: chunked" in seen.head.lower()
        length = _LENGTH.search(seen.head)
        size = int(length[1]) if length else 0
        while True:
            end = rest.find(b"0\r\n\r\n") + 5 if chunked else size
            if len(rest) >= end and end >= (5 if chunked else 0):
                seen.body = rest[:end]
                self._tell(lambda: setattr(seen, "whole", True))
                return rest[end:]
            if not (data := connection.recv(65536)):
                seen.body = rest
                return b""
            rest += data

    def _tell(self, change: Callable[[], None]) -> None:
        with self._arrived:
            change()
            self._arrived.notify_all()


@contextlib.contextmanager
def recorder(answer: Answer) -> Iterator[Recorder]:
    listening = socket.create_server(("127.0.0.1", 0))
    made = Recorder(listening.getsockname()[1], answer)
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: it is over
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=made.serve, args=(connection,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield made
    finally:
        for one in (listening, *connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
