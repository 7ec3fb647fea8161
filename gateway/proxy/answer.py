"""The bytes of an HTTP/1.1 answer, read by llhttp and held to our own, stricter form (RFC 9112).

Sans I/O: bytes in, events out. A head that is not exactly well formed is refused, since two readers of it could disagree.
"""

from __future__ import annotations

import re
from typing import Any

import httptools

from connectors.errors import SystemMisbehaves
from connectors.messages import Headers

LONGEST_HEAD = 64 * 1024
_MOST_HEADERS = 128
_HEAD = re.compile(
    rb"HTTP/1\.[01] [1-5][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n"
)


class Head:
    """An answer's head, and how its body is delimited: a length, chunks (-1), or the connection's end (-2)."""

    __slots__ = ("headers", "keep_alive", "length", "modern", "reason", "status")

    CHUNKED, UNTIL_CLOSE = -1, -2

    def __init__(self, raw: bytes, *, to_head: bool) -> None:
        """Raises SystemMisbehaves."""
        if not _HEAD.fullmatch(raw):
            raise SystemMisbehaves("the system answered with a malformed head")
        collected = _Collector()
        parser = httptools.HttpResponseParser(collected)
        try:
            parser.feed_data(raw)
        except httptools.HttpParserError:
            raise SystemMisbehaves("the system answered with a head that cannot be read one way only") from None
        self.status: int = parser.get_status_code()
        self.reason = collected.reason
        self.headers: Headers = tuple(collected.headers)
        if len(self.headers) > _MOST_HEADERS:
            raise SystemMisbehaves("the system answered with too many headers")
        self.modern = raw.startswith(b"HTTP/1.1")
        self.keep_alive = self.modern  # llhttp's own word is gone once a message without body is complete
        self.length = self._delimiter(to_head=to_head)

    def _delimiter(self, *, to_head: bool) -> int:
        """RFC 9112, section 6.3. Raises SystemMisbehaves where a length and chunks, or two lengths, are given."""
        lengths: list[bytes] = []
        codings: list[bytes] = []
        for name, value in self.headers:
            if name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                codings.append(value)
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
        if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
            raise SystemMisbehaves("the system answered with two lengths")
        length = lengths[0].strip(b" \t") if lengths else b"0"
        if not (length.isdigit() and len(length) < 19):
            raise SystemMisbehaves("the system answered with a length that is none")
        if codings and (codings[0].strip(b" \t").lower() != b"chunked" or not self.modern):
            raise SystemMisbehaves("the system answered with an unknown transfer coding")
        if self.status == 204 and (codings or int(length)):
            self.keep_alive = False  # a body that may not be (RFC 9110, section 8.6) may still be on its way
        if to_head or self.status in (204, 304) or self.status < 200:
            return 0
        if codings:
            return self.CHUNKED
        if lengths:
            return int(length)
        self.keep_alive = False
        return self.UNTIL_CLOSE


class _Collector:
    """llhttp's callbacks for a head."""

    __slots__ = ("headers", "reason")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.reason = b""

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


class Chunks:
    """A chunked body, read by llhttp. `feed` gives the data; `ended` says that the last chunk and its trailers came."""

    __slots__ = ("_data", "_parser", "_trailers", "ended", "extra")

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._trailers = 0
        self.ended = False
        self.extra = False  # bytes after the end: a second answer that nobody asked for
        self._parser: Any = httptools.HttpResponseParser(self)
        # llhttp reads chunks only after a head: this is the smallest one that says so.
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def feed(self, data: bytes) -> bytes:
        """Raises SystemMisbehaves."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self.ended:
                self.extra = True
            else:
                raise SystemMisbehaves("the system sent a broken chunk") from None
        body = b"".join(self._data)
        self._data.clear()
        return body

    def on_body(self, data: bytes) -> None:
        if not self.ended:
            self._data.append(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer (or the opening head's own line): dropped, and bounded."""
        self._trailers += len(name) + len(value)
        if self._trailers > LONGEST_HEAD:
            raise SystemMisbehaves("the system sent too many trailers")

    def on_message_complete(self) -> None:
        self.ended = True

    def on_message_begin(self) -> None:
        if self.ended:
            self.extra = True
