"""Sizes are counted as bytes arrive, and who keeps us waiting is cut off, while everybody else is served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.edge.deadlines import Deadlines
from gateway.errors import ClientGone
from tests.gateway.edge import cases, raw

QUICK = Deadlines(head=0.2, idle=0.2, body_grace=0.2, body_rate=1_000_000, stalled=0.3, sweep=0.02)


@pytest.fixture(scope="module")
def hasty() -> Iterator[raw.Listening]:
    """The same server with short deadlines."""
    with raw.listening(deadlines=QUICK) as running:
        yield running


@pytest.fixture(autouse=True)
def forget(hasty: raw.Listening) -> None:
    hasty.seen.clear()
    hasty.rejected.clear()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + raw.PATIENCE
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            found += data
    return found


SIZES = (
    ("RAW-140", cases.get(line=b"GET /ward/7/" + b"a" * 65536 + b" HTTP/1.1"), {414}),
    ("RAW-140b", b"GET /" + b"a" * 20_000, {414}),  # no end of the line in sight
    ("RAW-143", cases.get(b"Cookie: a=" + b"b" * 65000 + b"\r\n"), {431}),
    ("RAW-144", cases.get(b"Cookie: " + b"a\x01,; " * 1500 + b"\r\n"), {400}),
    ("RAW-144b", cases.get(b"X-A: b\r\n" * 200), {431}),
    ("RAW-155", cases.post(b"Content-Type: multipart/form-data; boundary=" + b"b" * 100_000 + b"\r\n"), {431}),
    ("a head without an end", b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 6000, {431}),
)


@pytest.mark.parametrize(("sent", "statuses"), [case[1:] for case in SIZES], ids=[case[0] for case in SIZES])
def test_a_head_has_bounds(gate: raw.Listening, sent: bytes, statuses: set[int]) -> None:
    """Lines, heads and numbers of headers beyond the bounds are refused before the app hears of them."""
    found = gate.ask(sent)
    assert found.closed
    assert set(found.statuses) <= statuses  # the answer may be lost, since we do not read on for it
    assert not gate.seen
    assert len(gate.rejected) == 1


def test_a_long_line_in_small_pieces_is_refused_as_soon_as_it_is_too_long(gate: raw.Listening) -> None:
    """RAW-145: what comes in pieces is counted as a whole."""
    with socket.create_connection(gate.address, timeout=raw.PATIENCE) as connection:
        sent = 0
        connection.sendall(b"GET /")
        with contextlib.suppress(ConnectionError):
            while not gate.rejected and sent < 16_000_000:
                connection.sendall(b"a" * 1024)
                sent += 1024
    until(lambda: bool(gate.rejected))
    assert gate.rejected[0][1] == "line-too-long"
    assert sent < 16_000_000


def test_trailers_and_chunk_extensions_are_bounded(gate: raw.Listening) -> None:
    """RAW-063, RAW-065: a body that is nearly all framing ends; no write comes of it."""
    trailers = cases.post(cases.CHUNKED, b"0\r\n" + b"X-T: a\r\n" * 10_000 + b"\r\n")
    extensions = cases.post(cases.CHUNKED, b"1;" + b"e" * 100 + b"\r\nA\r\n")
    for sent in (trailers, extensions + (b"1;" + b"e" * 100 + b"\r\nA\r\n") * 100_000 + b"0\r\n\r\n"):
        gate.seen.clear()
        found = gate.ask(sent)
        assert set(found.statuses) <= {400}
        assert found.closed
        assert [request.ended for request in gate.seen] == [False]


@pytest.mark.parametrize(
    "body", [b"a&" * 1_000_000, b"--B\r\n\r\n\r" + b"A" * 2_000_000, b"\x1f\x8b" + b"\0" * 1_000_000]
)
def test_a_large_body_is_carried_unread(gate: raw.Listening, body: bytes) -> None:
    """RAW-152, RAW-157, RAW-158: forms, parts and packed bodies are bytes to us; nothing is parsed or unpacked here."""
    found = gate.ask(cases.post(b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(body), body))
    assert found.statuses == [200]
    assert gate.seen[0].body == body


def test_a_head_that_drips_is_cut_off(hasty: raw.Listening) -> None:
    """RAW-146: the whole head has one deadline, however many bytes come now and then; others are served meanwhile."""
    slow = [socket.create_connection(hasty.address, timeout=raw.PATIENCE) for _ in range(50)]
    with contextlib.ExitStack() as open_ones:
        for connection in slow:
            open_ones.enter_context(connection)
            connection.sendall(b"G")
        assert hasty.ask(cases.get()).statuses == [200]
        with contextlib.suppress(ConnectionError):
            while len(hasty.rejected) < len(slow):
                slow[0].sendall(b"E")
                time.sleep(0.01)
        for connection in slow:
            assert rest(connection)[:12] in (b"HTTP/1.1 408", b"")
    assert {reason for _, reason in hasty.rejected} == {"too-slow"}


def test_a_connection_that_says_nothing_is_closed(hasty: raw.Listening) -> None:
    """A socket held open for nothing is given back, before its first request and between two."""
    with socket.create_connection(hasty.address, timeout=raw.PATIENCE) as silent:
        rest(silent)
    with socket.create_connection(hasty.address, timeout=raw.PATIENCE) as idle:
        idle.sendall(cases.get())
        assert rest(idle).count(b"HTTP/1.1") == 1  # no 408 behind the answer: it could be taken for the next one's


def test_a_body_that_drips_is_cut_off_and_never_looks_whole(hasty: raw.Listening) -> None:
    """RAW-147: a body that comes too slowly ends the request as broken."""
    with socket.create_connection(hasty.address, timeout=raw.PATIENCE) as slow:
        slow.sendall(cases.post(b"Content-Length: 1000000\r\n", b"a"))
        assert rest(slow).startswith(b"HTTP/1.1 408")
    hasty.settle()
    assert [request.ended for request in hasty.seen] == [False]


class Endless:
    """An app that streams as long as somebody takes it."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 16384, "more_body": True})
                self.sent += 16384
        except Exception as error:  # whatever ended it is what the test asks for
            self.ended = error


def test_a_browser_that_takes_nothing_is_cut_off() -> None:
    """RAW-148: who does not read is given what fits into the sockets, then waited for, then cut off."""
    app = Endless()
    with raw.listening(app, deadlines=QUICK) as gate:
        with socket.create_connection(gate.address, timeout=raw.PATIENCE) as deaf:
            deaf.sendall(cases.get())
            until(lambda: app.ended is not None)
        assert type(app.ended).__name__ == "ClientGone"
        assert app.sent < 32 * 1024 * 1024


def test_a_browser_that_leaves_ends_the_app_s_work() -> None:
    """Nobody reads on from a system for somebody who has gone."""
    app = Endless()
    with raw.listening(app) as gate:
        with socket.create_connection(gate.address, timeout=raw.PATIENCE) as leaving:
            leaving.sendall(cases.get())
            leaving.recv(1000)
        until(lambda: app.ended is not None)
        assert type(app.ended).__name__ == "ClientGone"


@pytest.mark.parametrize("error", [ClientGone("said of a browser that is still there"), asyncio.CancelledError()])
@pytest.mark.parametrize("begun", [False, True])
def test_an_app_that_gives_up_leaves_nobody_waiting(error: BaseException, begun: bool) -> None:
    """Whatever ends the app before its answer is whole, a browser that is there gets a 500 or a cut answer, never silence."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    with (
        raw.listening(app) as gate,
        socket.create_connection(gate.address, timeout=raw.PATIENCE) as browser,
    ):
        browser.sendall(cases.get())
        answer = b""
        while more := browser.recv(1000):
            answer += more
    if begun:
        assert answer.endswith(b"\r\n\r\nhalf")
    else:
        assert answer.startswith(b"HTTP/1.1 500 ")
