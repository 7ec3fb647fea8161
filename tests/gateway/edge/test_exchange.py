"""From one socket to the other: what breaks off on either side never looks whole on the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import ConnectorError
from connectors.messages import UpstreamRequest
from gateway.edge.exchange import inbound, send_answer
from gateway.errors import ClientGone
from gateway.proxy.origin import Origin
from gateway.proxy.upstream import Transport
from tests.gateway.edge import cases, raw
from tests.gateway.edge.test_server import rest, until


class Old:
    """A system on a thread of its own: takes a connection, answers each head at once, keeps what else comes."""

    def __init__(self, answer: bytes, *, then: str = "") -> None:
        self._answer, self._then = answer, then
        self.received: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._talk, args=(self.listener.accept()[0],), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        index = len(self.received)
        self.received.append(b"")
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.received[index] += data
                if b"\r\n\r\n" in data and self._answer:
                    connection.sendall(self._answer)
                    if self._then == "end":
                        return


class Carrier:
    """The smallest gateway: no session, no policy, no journal."""

    def __init__(self, port: int) -> None:
        self._origin = Origin("http", "127.0.0.1", port)
        self.ended: list[BaseException | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        transport = Transport()
        await transport.start()
        try:
            asked = inbound(scope, receive, host="pas.records.test", prefix="", session="")
            length = asked.header(b"content-length")
            body = asked.body if asked.body.whole is None else None
            request = UpstreamRequest(
                asked.method, asked.target, ((b"host", b"old"),), body, int(length) if length else None
            )
            answer = await transport.send(self._origin, request)
            kept = tuple(pair for pair in answer.headers if pair[0] not in (b"transfer-encoding", b"connection"))
            answer.headers = kept
            scope["lanyard.stoppable"] = True
            await send_answer(send, answer, head=asked.method == "HEAD")
            self.ended.append(None)
        except (ConnectorError, ClientGone, asyncio.CancelledError) as error:
            self.ended.append(error)
            if not isinstance(error, ConnectorError):
                return
            raise
        finally:
            await transport.close()


@contextlib.contextmanager
def carried(answer: bytes, *, then: str = "") -> Iterator[tuple[raw.Listening, Carrier, Old]]:
    old = Old(answer, then=then)
    carrier = Carrier(old.port)
    with raw.listening(carrier) as gate:
        yield gate, carrier, old
    old.listener.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("framing", [cases.CHUNKED, b"Content-Length: 100\r\n"], ids=["chunks", "length"])
@pytest.mark.parametrize("leaving", ["fin", "reset", "broken"])
def test_half_a_write_is_never_completed(framing: bytes, leaving: str) -> None:
    """HTTPX-320, HTTPX-321: a browser that breaks off, or sends nonsense, has written nothing at the system."""
    with carried(b"") as (gate, carrier, old):
        chunked = framing == cases.CHUNKED
        with socket.create_connection(gate.address, timeout=raw.PATIENCE) as browser:
            browser.sendall(cases.post(framing, b"5\r\nhello\r\n" if chunked else b"hello"))
            until(lambda: bool(old.received) and b"hello" in old.received[0])
            if leaving == "broken" and chunked:
                browser.sendall(b"XX\r\n")
                assert rest(browser).startswith(b"HTTP/1.1 400")
            elif leaving == "reset":
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        until(lambda: bool(carrier.ended))
        gate.settle()
    assert carrier.ended[0] is not None
    assert not old.received[0].endswith(b"0\r\n\r\n")
    assert old.received[0].count(b"hello") == 1


CUT = {
    "UP-192": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50,
    "chunks without a last one": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXX\r\n",
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT.keys())
def test_half_an_answer_never_looks_whole(answer: bytes) -> None:
    """A record that breaks off at the system breaks off at the browser; it has no proper end."""
    with carried(answer, then="end") as (gate, carrier, _):
        found = gate.ask(cases.get(), answers=99)
    assert found.closed
    assert not found.raw.endswith(b"0\r\n\r\n")
    assert found.statuses[0] in (200, 500)
    if found.statuses == [200] and b"content-length: 100" in found.raw:
        assert len(found.raw.partition(b"\r\n\r\n")[2]) < 100
    assert isinstance(carrier.ended[0], ConnectorError)


WHOLE = {
    "a length": (OK, b"ok"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n", b"ok"),
    "until the end": (b"HTTP/1.0 200 OK\r\n\r\nok", b"ok"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "304 that tells a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: x\r\n\r\n", b""),
    "an interim answer first": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
    "an unusual status": (b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", b"ok"),
}


@pytest.mark.parametrize(("answer", "body"), WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_arrives_whole(answer: bytes, body: bytes) -> None:
    """However a system ends its answer, the browser gets the same bytes and a proper end."""
    with carried(answer, then="end") as (gate, carrier, _):
        found = gate.ask(cases.get(b"Connection: close\r\n"), answers=99)
        until(lambda: bool(carrier.ended))
    assert carrier.ended == [None]
    head, _, got = found.raw.partition(b"\r\n\r\n")
    assert len(found.statuses) == 1
    if b"transfer-encoding: chunked" in head:
        assert got.endswith(b"0\r\n\r\n")
        got = b"".join(line for line in got.split(b"\r\n")[1::2] if line)
    assert got == body


def test_a_head_s_answer_tells_a_length_and_sends_nothing() -> None:
    """HEAD goes through with its length and without a body, and the connection carries on."""
    with (
        carried(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n") as (gate, carrier, _),
        socket.create_connection(gate.address, timeout=raw.PATIENCE) as browser,
    ):
        for turn in range(1, 4):
            browser.sendall(cases.get(line=b"HEAD /a HTTP/1.1"))
            until(lambda turn=turn: len(carrier.ended) == turn)  # type: ignore[misc]  # mypy sees no default in a lambda
            answer = browser.recv(1000)
            assert b"\r\ncontent-length: 2\r\n" in answer
            assert answer.endswith(b"\r\n\r\n")
    assert carrier.ended == [None] * 3


def test_a_browser_that_goes_away_frees_the_system() -> None:
    """OK-317: an aborted read ends at the system too, without an error anywhere else."""
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1000
    with carried(endless) as (gate, carrier, _):
        with socket.create_connection(gate.address, timeout=raw.PATIENCE) as browser:
            browser.sendall(cases.get())
            browser.recv(100)
        # The system is silent now: it is the disconnect itself that must be noticed.
        until(lambda: bool(carrier.ended))
    assert isinstance(carrier.ended[0], asyncio.CancelledError)
