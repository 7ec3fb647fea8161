"""Requests that have broken gateways, one row each: what is sent, what is answered, and what the app may have seen of it.

`status` None: closed without an answer. `saw`: `nothing`; `cut` (the app was asked, and told that the body broke off: bodies
stream through, so that what is wrong behind the head shows only when the app is at work already); `whole`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Case:
    id: str
    words: str
    sent: bytes
    status: int | None
    saw: Literal["nothing", "cut", "whole"] = "nothing"
    fin: bool = False  # our side is closed after that


HOST = b"Host: pas.records.test\r\n"
SEAT = b"Cookie: __Host-lanyard=" + b"s" * 43 + b"\r\n"
SECOND = b"GET /admin/users?smuggled=1 HTTP/1.1\r\n" + HOST + SEAT + b"\r\n"
CHUNKS_THEN_SECOND = b"0\r\n\r\n" + SECOND
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(framing: bytes, body: bytes = b"", *, version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST /ward/7/notes " + version + b"\r\n" + HOST + SEAT + framing + b"\r\n" + body


def get(more: bytes = b"", *, line: bytes = b"GET /ward/7/list HTTP/1.1", host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + more + b"\r\n"


def _coding(value: bytes) -> bytes:
    return post(b"Transfer-Encoding: " + value + b"\r\nContent-Length: 5\r\n", CHUNKS_THEN_SECOND)


def _length(value: bytes) -> bytes:
    return post(b"Content-Length: " + value + b"\r\n", b"hello" + SECOND)


def _chunks(body: bytes) -> bytes:
    return post(CHUNKED, body)


def _with_body(method: bytes) -> bytes:
    return get(SEAT + b"Content-Length: %d\r\n" % len(SECOND), line=method + b" /ward/7/list HTTP/1.1") + SECOND


SMUGGLING = (
    Case("RAW-001", "a length and chunks", post(b"Content-Length: 103\r\n" + CHUNKED, CHUNKS_THEN_SECOND), 400),
    Case("RAW-003", "a coding that only contains `chunked`", _coding(b"xchunked"), 400),
    Case("RAW-004", "chunked, but not last", _coding(b"chunked, identity"), 400),
    Case("RAW-005", "the identity coding of old", _coding(b"identity"), 400),
    Case("RAW-009", "a trailing comma", _coding(b"chunked,"), 400),
    Case("RAW-010", "a vertical tab before the coding", _coding(b"\x0bchunked"), 400),
    Case("RAW-013", "a coding that we do not speak", _coding(b"gzip, chunked"), 400),
    Case("RAW-013b", "the same without a length beside it", post(b"Transfer-Encoding: gzip, chunked\r\n", SECOND), 501),
    Case("RAW-015", "an empty coding", _coding(b""), 400),
    Case("RAW-016", "a coding with bytes beyond ASCII", _coding(b"\xc3\x83hunked"), 400),
    Case(
        "RAW-017",
        "a blank before the colon",
        post(b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", SECOND),
        400,
    ),
    Case("RAW-019", "chunked said twice", post(CHUNKED * 2, b"1\r\nZ\r\n0\r\n\r\n"), 400),
    Case(
        "RAW-020", "chunked, then identity", post(CHUNKED + b"Transfer-Encoding: identity\r\n", CHUNKS_THEN_SECOND), 400
    ),
    Case(
        "RAW-021",
        "chunks in HTTP/1.0",
        post(CHUNKED + b"Content-Length: 5\r\n", CHUNKS_THEN_SECOND, version=b"HTTP/1.0"),
        400,
    ),
    Case("RAW-021b", "chunks alone in HTTP/1.0", post(CHUNKED, CHUNKS_THEN_SECOND, version=b"HTTP/1.0"), 501),
    # Another name, so no length; that it never reaches a system is for the header table (it folds `_`).
    Case(
        "RAW-023",
        "Content_Length beside the real one",
        post(b"Content_Length: 99\r\nContent-Length: 5\r\n", b"hello"),
        200,
        "whole",
    ),
    Case(
        "RAW-024", "two different lengths", post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello" + SECOND), 400
    ),
    Case("RAW-026", "length 0, then another", post(b"Content-Length: 0\r\nContent-Length: 44\r\n", SECOND), 400),
    Case("RAW-028", "a list of lengths", _length(b"5, 6"), 400),
    Case("RAW-029", "a length with a plus", _length(b"+5"), 400),
    Case("RAW-030", "a negative length", _length(b"-1"), 400),
    Case("RAW-031", "minus nought", _length(b"-0"), 400),
    Case("RAW-033", "a blank within the length", _length(b"5 5"), 400),
    Case("RAW-035", "an empty length", _length(b""), 400),
    Case("RAW-036", "a length that ends in NUL", _length(b"5\x00"), 400),
    Case("RAW-037", "a full-width digit", _length(b"\xef\xbc\x95"), 400),
    Case("RAW-039", "a length with a semicolon", _length(b"5;"), 400),
    Case("RAW-040", "a length with a vertical tab", _length(b"5\x0b"), 400),
    Case("RAW-041", "an octal length", _length(b"0o5"), 400),
    Case("RAW-044", "a chunk size with a plus", _chunks(b"+5\r\nhello\r\n0\r\n\r\n"), 400, "cut"),
    Case("RAW-046", "an underscore in a chunk size", _chunks(b"0_2e\r\n\r\n" + SECOND + b"0\r\n\r\n"), 400, "cut"),
    Case("RAW-047", "a blank before a chunk size", _chunks(b" 5\r\nhello\r\n0\r\n\r\n"), 400, "cut"),
    Case("RAW-049", "a bare LF behind a chunk size", _chunks(b"5\nhello\r\n0\r\n\r\n"), 400, "cut"),
    Case("RAW-050", "a bare CR behind a chunk size", _chunks(b"5\rhello\r\n0\r\n\r\n"), 400, "cut"),
    Case("RAW-053", "a chunk size beyond 64 bits", _chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 400, "cut"),
    Case("RAW-054", "a chunk that ends in two other bytes", _chunks(b"5\r\nhelloXX0\r\n\r\n"), 400, "cut"),
    Case("RAW-055", "a chunk that ends in LF", _chunks(b"5\r\nhello\n0\r\n\r\n"), 400, "cut"),
    Case("RAW-057", "no chunk size", _chunks(b"\r\nhello\r\n0\r\n\r\n"), 400, "cut"),
    Case(
        "RAW-058", "a chunk size of 23 digits", _chunks(b"00000000000000000000005\r\nhello\r\n0\r\n\r\n"), 200, "whole"
    ),
    Case("RAW-060", "no last chunk", _chunks(b"5\r\nhello\r\n"), None, "cut", fin=True),
    Case("RAW-061", "less than was declared", post(b"Content-Length: 50\r\n", b"hello"), None, "cut", fin=True),
    Case(
        "RAW-062",
        "trailers that speak for us, one of them a length",
        post(
            CHUNKED + b"Trailer: X-Forwarded-User\r\n",
            b"0\r\nX-Forwarded-User: admin\r\nContent-Length: 0\r\nHost: evil\r\nAuthorization: Basic YTpi\r\n\r\n",
        ),
        400,
        "cut",
    ),
    Case(
        "RAW-062b",
        "trailers that speak for us are read and dropped",
        post(CHUNKED, b"5\r\nhello\r\n0\r\nX-Forwarded-User: admin\r\nAuthorization: Basic YTpi\r\n\r\n"),
        200,
        "whole",
    ),
    Case("RAW-066", "a request as a GET's body stays a body", _with_body(b"GET"), 200, "whole"),
    Case("RAW-067", "and a HEAD's", _with_body(b"HEAD"), 200, "whole"),
    Case("RAW-068", "and an OPTIONS's", _with_body(b"OPTIONS"), 200, "whole"),
    Case(
        "RAW-069",
        "we answer Expect ourselves",
        post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
        200,
        "whole",
    ),
    Case(
        "RAW-070", "an expectation that is none", post(b"Expect: y 100-continue\r\nContent-Length: 32\r\n", SECOND), 417
    ),
    # What comes before its turn is not read: the connection ends with the answer that is due.
    Case("RAW-071", "a request behind a body", post(b"Content-Length: 5\r\n", b"hello" + SECOND), 200, "whole"),
    Case("RAW-072", "two requests in one write", get(SEAT) + SECOND, 200, "whole"),
    Case("RAW-073", "a thousand requests in one write", get(SEAT) + SECOND * 999, 200, "whole"),
    # Nothing that would change the protocol is answered by an app: WebSockets are not brokered.
    Case(
        "RAW-074",
        "an upgrade to HTTP/2",
        get(
            SEAT
            + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        ),
        501,
    ),
    Case(
        "RAW-075", "HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 505
    ),
)

LIST = b"/ward/7/list"


def _line(line: bytes, host: bytes = HOST) -> bytes:
    return get(line=line, host=host)


SYNTAX = (
    # A line alone is no request to us: it is waited for, and ends with the other side.
    Case("RAW-078", "HTTP/0.9", b"GET /ward/7/list\r\n", None, fin=True),
    Case("RAW-078b", "HTTP/0.9 with a head behind it", _line(b"GET /ward/7/list"), 400),
    Case("RAW-079", "HTTP/1.2", _line(b"GET /ward/7/list HTTP/1.2"), 505),
    Case("RAW-080", "HTTP/2.0 in a line of HTTP/1", _line(b"GET /ward/7/list HTTP/2.0"), 505),
    Case("RAW-082", "a blank behind the version", _line(b"GET /ward/7/list HTTP/1.1 "), 400),
    Case("RAW-085", "two blanks in the line", _line(b"GET  /ward/7/list HTTP/1.1"), 400),
    Case("RAW-086", "tabs in the line", _line(b"GET\t/ward/7/list\tHTTP/1.1"), 400),
    Case("RAW-088", "a bare LF behind the line", b"GET /ward/7/list HTTP/1.1\n" + HOST + b"\r\n", 400),
    Case("RAW-089", "a bare LF between headers", get(host=b"Host: pas.records.test\nX-A: b\r\n"), 400),
    Case("RAW-091", "NUL in a value", get(b"X-A: b\0c\r\n"), 400),
    Case("RAW-092", "controls in a value", get(b"X-A: b\x01\x7f\r\n"), 400),
    Case("RAW-094", "a header without a name", get(b": x\r\n"), 400),
    Case("RAW-095", "a blank in a name", get(b"X A: b\r\n"), 400),
    Case("HTTP-092", "a name of ours with a blank behind it", get(b"X-Lanyard-User : admin\r\n"), 400),
    Case("RAW-096", "a byte beyond ASCII in a name", get(b"X\x80A: b\r\n"), 400),
    Case("RAW-097", "a folded line", get(b"X-A: b\r\n c\r\n"), 400),
    Case("RAW-098", "a blank before the first header", get(host=b" X-A: b\r\n" + HOST), 400),
    Case("RAW-099", "no target", _line(b"GET HTTP/1.1"), 400),
    Case("RAW-100", "a relative target", _line(b"GET ward/7/list HTTP/1.1"), 400),
    Case("RAW-101", "an authority as target", _line(b"GET pas.records.test:443 HTTP/1.1"), 400),
    Case("RAW-101b", "a tunnel", _line(b"CONNECT pas.records.test:443 HTTP/1.1"), 405),
    Case("RAW-101c", "OPTIONS for the whole server", _line(b"OPTIONS * HTTP/1.1"), 400),
    Case("RAW-104", "a method of odd characters", _line(b'G=":<>(e),[T];?" /ward/7/list HTTP/1.1'), 400),
    Case("RAW-105", "a raw byte beyond ASCII in the target", _line(b"GET /ward/7/\x80list HTTP/1.1"), 400),
    Case("RAW-108", "NUL in the target", _line(b"GET /ward/7/\0list HTTP/1.1"), 400),
    Case("RAW-109", "backslashes in the target", _line(b"GET /ward/7\\..\\..\\admin HTTP/1.1"), 400),
    Case("RAW-111", "blank lines first", b"\r\n" * 4 + get(), 400),
    Case("RAW-113", "TRACK", _line(b"TRACK /ward/7/list HTTP/1.1"), 405),
)

HOSTS = (
    Case("RAW-114", "no Host", get(SEAT, host=b""), 400),
    Case("RAW-116", "Host twice, both equal", get(SEAT, host=HOST * 2), 400),
    Case("RAW-117", "an empty Host", get(SEAT, host=b"Host:\r\n"), 400),
    Case("RAW-118", "a path in the Host", get(SEAT, host=b"Host: pas.records.test/healthz?\r\n"), 400),
    Case("RAW-119", "a hash in the Host", get(SEAT, host=b"Host: pas.records.test#\r\n"), 400),
    Case("RAW-120", "a user in the Host", get(SEAT, host=b"Host: x@pas.records.test\r\n"), 400),
    Case("RAW-121", "two hosts in one", get(SEAT, host=b"Host: pas.records.test, path.records.test\r\n"), 400),
    Case("RAW-122", "upper case is the same host", get(SEAT, host=b"Host: PAS.Records.Test\r\n"), 200, "whole"),
    # One spelling of each host: a trailing dot would be a second origin to a browser.
    Case("RAW-123", "a trailing dot", get(SEAT, host=b"Host: pas.records.test.\r\n"), 400),
    Case("RAW-124", "the scheme's own port", get(SEAT, host=b"Host: pas.records.test:443\r\n"), 200, "whole"),
    Case("RAW-124b", "the other scheme's port", get(SEAT, host=b"Host: pas.records.test:80\r\n"), 421),
    Case("RAW-125", "another port", get(SEAT, host=b"Host: pas.records.test:8443\r\n"), 421),
    Case("RAW-126", "a port that is none", get(SEAT, host=b"Host: pas.records.test:99999\r\n"), 421),
    Case("RAW-128", "an address of ours", get(SEAT, host=b"Host: 10.0.0.12\r\n"), 421),
    Case("RAW-129", "an IPv6 address", get(SEAT, host=b"Host: [::1]\r\n"), 421),
    Case("RAW-131", "NUL in the Host", get(SEAT, host=b"Host: pas.records.test\0.evil\r\n"), 400),
    # No configured host can be spelt so: malformed rather than unknown.
    Case("RAW-132", "an underscore", get(SEAT, host=b"Host: pas_records.test\r\n"), 400),
    Case("RAW-133", "a look-alike", get(SEAT, host=b"Host: xn--ps-lia.records.test\r\n"), 421),
    Case("RAW-134", "letters beyond ASCII", get(SEAT, host=b"Host: p\xc3\xa0s.records.test\r\n"), 400),
    Case("RAW-135", "localhost", get(SEAT, host=b"Host: localhost\r\n"), 421),
    Case("RAW-136", "a whole URL as target", _line(b"GET https://path.records.test/ward/7/list HTTP/1.1"), 400),
    Case("RAW-136b", "even for the same host", _line(b"GET https://pas.records.test/ward/7/list HTTP/1.1"), 400),
    Case(
        "HTTP-045",
        "a path in the Host, another as target",
        _line(b"GET /admin/users HTTP/1.1", b"Host: pas.records.test/ward?\r\n"),
        400,
    ),
)

METHODS = (
    Case("HTTP-064", "HEAD is asked like GET", _line(b"HEAD /records/123 HTTP/1.1"), 200, "whole"),
    Case("HTTP-065", "a method in lower case", _line(b"get /records/123 HTTP/1.1"), 405),
    Case("HTTP-066", "a verb of WebDAV", _line(b"PROPFIND /records/123 HTTP/1.1"), 405),
    Case("HTTP-069", "a verb of nobody", _line(b"FOO /records/123 HTTP/1.1"), 405),
    Case("HTTP-070", "a verb that is new", _line(b"QUERY /records/123 HTTP/1.1"), 405),
    Case("HTTP-070b", "TRACE", _line(b"TRACE /records/123 HTTP/1.1"), 405),
    # The guard passes a verb in another's clothes; the header table takes them off (tests/gateway/proxy/test_headers.py).
    Case("HTTP-072", "X-HTTP-Method", post(b"X-HTTP-Method: DELETE\r\nContent-Length: 3\r\n", b"t=1"), 200, "whole"),
)
