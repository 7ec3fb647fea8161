"""A head has exactly one framing, or a reason why not."""

from __future__ import annotations

import re

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edge.framing import Head, Refused, read, status
from tests.gateway.edge import cases, raw

HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\n"
LINES = st.sampled_from(
    [b"Content-Length: 5", b"content-length:5", b"Content-Length: 05", b"Content-Length: 5 ", b"Content-Length: 6", b"Content-Length: 5,5",
     b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING:\tChunked ", b"Transfer-Encoding: identity", b"Transfer-Encoding : chunked",
     b"X: Content-Length: 7", b"X-Content-Length: 7", b"Connection: close", b"Host: b", b" folded", b"Expect: 100-continue", b"X: y\n", b"",
     b"Upgrade: h2c", b"Content_Length: 7"]
)  # fmt: skip


class Llhttp:
    """Another reader of the same head: what it takes for the body's end."""

    def __init__(self) -> None:
        self.body = b""
        self.ended = False
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.ended = True


@given(st.lists(LINES, max_size=4))
@settings(max_examples=800, deadline=None)
def test_another_reader_finds_the_same_end(lines: list[bytes]) -> None:
    """Whatever is let through has for llhttp the headers that it has for us, and ends where it ends for us."""
    head = HEAD + b"".join(one + b"\r\n" for one in lines) + b"\r\n"
    head = head[: head.index(b"\r\n\r\n") + 4]
    framing = read(head)
    if isinstance(framing, Refused):
        assert 400 <= status(framing) < 600
        return
    body = b"3\r\nabc\r\n0\r\n\r\n" if framing.length == Head.CHUNKED else b"x" * framing.length
    other = Llhttp()
    parser = httptools.HttpRequestParser(other)
    parser.feed_data(head + body[:-1])
    assert other.headers == framing.headers
    assert (parser.get_method().decode(), parser.get_http_version()) == (framing.method, framing.version)
    assert other.ended is (not body)
    parser.feed_data(body[-1:])
    assert other.ended
    assert other.body == (b"abc" if framing.length == Head.CHUNKED else body)


@given(st.binary(max_size=200).map(lambda data: re.sub(rb"\r\n\r\n", b"", data) + b"\r\n\r\n"))
def test_any_bytes_have_a_verdict(head: bytes) -> None:
    """No bytes make the reader fail; noise is never a request."""
    assert isinstance(read(head), Refused)


@pytest.mark.parametrize(("head", "expected"), [
    (HEAD + b"\r\n", (0, True, False)),
    (HEAD + b"Content-Length: 7\r\n\r\n", (7, True, False)),
    (HEAD + b"Transfer-Encoding: Chunked\r\n\r\n", (Head.CHUNKED, True, False)),
    (HEAD.replace(b"1.1", b"1.0") + b"\r\n", (0, False, False)),
    (HEAD + b"Connection: keep-alive, Close\r\n\r\n", (0, False, False)),
    (HEAD + b"Expect: 100-continue\r\n\r\n", (0, True, True)),
    (HEAD + b"Content-Length: 1234567890123456\r\n\r\n", Refused.LENGTH),
    (HEAD.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\n\r\n", Refused.EXPECTATION),
])  # fmt: skip
def test_a_framing_is_named(head: bytes, expected: tuple[int, bool, bool] | Refused) -> None:
    """Length, chunks, or nothing, and whether the connection goes on; and the reason where there is none."""
    found = read(head)
    assert (found if isinstance(found, Refused) else (found.length, found.keep_alive, found.expects)) == expected


def test_a_connection_carries_one_request_after_another(gate: raw.Listening) -> None:
    """OK-306, OK-310: a hundred requests, some with bodies in chunks, go through one connection, each once and in order."""
    import socket

    with socket.create_connection(gate.address, timeout=raw.PATIENCE) as connection:
        for turn in range(100):
            connection.sendall(cases.post(cases.CHUNKED, b"2\r\n%02d\r\n0\r\n\r\n" % turn) if turn % 2 else cases.get())
            answer = b""
            while not answer.endswith(b"\r\n\r\nok"):
                answer += connection.recv(1000)
    assert [request.body for request in gate.seen] == [b"%02d" % t if t % 2 else b"" for t in range(100)]


def test_an_old_client_is_served_and_closed(gate: raw.Listening) -> None:
    """OK-309: HTTP/1.0 with a Host gets its answer, and the connection ends."""
    found = gate.ask(cases.get(line=b"GET /ward/7/list HTTP/1.0"))
    assert (found.statuses, found.closed) == ([200], True)


def test_a_scan_of_twenty_megabytes_arrives_whole(gate: raw.Listening) -> None:
    """OK-307: a large upload arrives byte for byte."""
    scan = bytes(range(256)) * 81_920
    assert gate.ask(cases.post(b"Content-Length: %d\r\n" % len(scan), scan)).statuses == [200]
    assert gate.seen[0].body == scan
