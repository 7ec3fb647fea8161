"""Answers' heads and chunks, without a socket."""

from __future__ import annotations

import pytest

from connectors.errors import SystemMisbehaves
from gateway.proxy.answer import Chunks, Head

# Heads of which two readers could think two things. Keys that begin with UP are cases of the catalogue of bad inputs.
REFUSED = {
    "UP-194 two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 13\r\n\r\n",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n",
    "UP-195 a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and a length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
    "chunks twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "identity as a coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    "a coding with a vertical tab": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
    "chunks of an HTTP/1.0 server": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n",
    "an empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "a length that overflows": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "UP-202 no head at all": b"<html>RECORD-CANARY</html>\r\n\r\n",
    "UP-203 status 999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "UP-204 a line end in the reason": b"HTTP/1.1 200 O\rK<script>\r\nContent-Length: 0\r\n\r\n",
    "UP-205 a bare CR in a value": b"HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: x=1\r\nContent-Length: 0\r\n\r\n",
    "a bare LF as line end": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "a bare LF in a value": b"HTTP/1.1 200 OK\r\nX-A: a\nX-B: b\r\n\r\n",
    "a NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "an escape in a value": b"HTTP/1.1 200 OK\r\nX-A: \x1b[0m\r\nContent-Length: 0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a folded coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "a line without colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
    "an empty name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "a name in UTF-8": "HTTP/1.1 200 OK\r\nÄ: x\r\n\r\n".encode(),
    "HTTP/2 in text": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a leading line": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two blanks": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "200 headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_a_head_that_can_be_read_two_ways_is_refused(raw: bytes) -> None:
    """Whoever reads after us (a browser, a cache, an auditor) must read what we read."""
    with pytest.raises(SystemMisbehaves):
        Head(raw, to_head=False)


ACCEPTED = {
    "a reason": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 2, True),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n", 2, True),
    "no blank either": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n", 2, True),
    "Latin-1 in a reason": (b"HTTP/1.1 404 Pas trouv\xe9\r\nContent-Length: 0\r\n\r\n", 0, True),
    "blanks around a length": (b"HTTP/1.1 200 OK\r\nContent-Length: \t2 \r\n\r\n", 2, True),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Head.CHUNKED, True),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\n", Head.UNTIL_CLOSE, False),
    "an old server": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", 2, False),
    "an old server that says it keeps": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n", 2, False),
    "close said": (b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n", 2, False),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n", 0, True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 0, True),
    "UP-197 204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 13\r\n\r\n", 0, False),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "length", "keeps"), ACCEPTED.values(), ids=ACCEPTED)
def test_an_answers_end_is_known_from_its_head(raw: bytes, length: int, keeps: bool) -> None:
    """How long the body is, and whether the connection may carry another request, follow RFC 9112 section 6.3."""
    head = Head(raw, to_head=False)
    assert (head.length, head.keep_alive) == (length, keeps)


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    """A HEAD answer tells the length of what it does not send."""
    assert Head(b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n", to_head=True).length == 0


def test_names_are_folded_and_values_and_order_are_kept() -> None:
    """Repeated headers stay repeated, in order, with their bytes."""
    head = Head(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nSet-Cookie: a=\xe4\r\nset-cookie: b\r\n\r\n", to_head=False)
    assert head.headers == ((b"x-a", b"1"), (b"set-cookie", b"a=\xe4"), (b"set-cookie", b"b"))


def test_chunks_are_joined_and_trailers_dropped() -> None:
    """A trailer is no header: what comes after the body says nothing that we pass on."""
    chunks = Chunks()
    assert chunks.feed(b"2\r\nok\r\n3;x=y\r\nabc\r\n") == b"okabc"
    assert not chunks.ended
    assert chunks.feed(b"0\r\nX-User: admin\r\n\r\n") == b""
    assert (chunks.ended, chunks.extra) == (True, False)


BROKEN_CHUNKS = {
    "no number": b"zz\r\nok\r\n",
    "a sign": b"+2\r\nok\r\n",
    "0x": b"0x2\r\nok\r\n",
    "a length that overflows": b"fffffffffffffffff\r\nok\r\n",
    "a bare LF after the size": b"2\nok\r\n0\r\n\r\n",
    "a bare CR after the size": b"2\rok\r\n",
    "two bytes that are no line end after the data": b"2\r\nokXX0\r\n\r\n",
    "a blank before the size": b" 2\r\nok\r\n",
}


@pytest.mark.parametrize("raw", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_a_broken_chunk_is_an_error_and_never_an_end(raw: bytes) -> None:
    """UP-196: half a record must not look like a whole one."""
    with pytest.raises(SystemMisbehaves):
        Chunks().feed(raw)


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\n", b"x", b"\0"])
def test_bytes_after_the_last_chunk_are_noticed(extra: bytes) -> None:
    """A second answer behind the first would become the next request's."""
    chunks = Chunks()
    assert chunks.feed(b"2\r\nok\r\n0\r\n\r\n" + extra) == b"ok"
    assert (chunks.ended, chunks.extra) == (True, True)


def test_endless_trailers_are_refused() -> None:
    """Trailers are dropped, and still may not fill the memory."""
    chunks = Chunks()
    with pytest.raises(SystemMisbehaves):
        chunks.feed(b"0\r\n" + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n")
