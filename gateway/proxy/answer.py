"""The bytes of an HTTP/1.1 answer: a head in one reading only, chunks by llhttp (RFC 9112).

Sans I/O: bytes in, events out. A head that is not exactly well formed is refused, since two readers of it could disagree.
"""

from __future__ import annotations

import re
from typing import Any

import httptools

from connectors.errors import SystemMisbehaves
from connectors.messages import Headers

from ..fields import fields, lines_are_plain

LONGEST_HEAD = 64 * 1024
_MOST_HEADERS = 128
_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")


class Head:
    """An answer's head, and how its body is delimited: a length, chunks (-1), or the connection's end (-2)."""

    __slots__ = ("headers", "keep_alive", "length", "modern", "reason", "status")

    CHUNKED, UNTIL_CLOSE = -1, -2

    def __init__(self, raw: bytes, *, to_head: bool) -> None:
        """Raises SystemMisbehaves."""
        line = _LINE.match(raw)
        found = fields(raw[line.end() : -4]) if line and lines_are_plain(raw) else None
        if line is None or found is None:
            raise SystemMisbehaves("the system answered with a malformed head")
        if len(found) > _MOST_HEADERS:
            raise SystemMisbehaves("the system answered with too many headers")
        self.status = int(line[2])
        self.reason: bytes = line[3] or b""
        self.headers: Headers = tuple(found)
        self.modern = line[1] == b"1"
        self.keep_alive = self.modern
        self.length = self._delimiter(to_head=to_head)

    def _delimiter(self, *, to_head: bool) -> int:
        """RFC 9112, section 6.3. Raises SystemMisbehaves where a length and chunks, or two lengths, are given."""
        last = dict(self.headers)
        length, coding = last.get(b"content-length"), last.get(b"transfer-encoding")
        if len(last) != len(self.headers):
            self._refuse_doubles()
        if length is not None and coding is not None:
            raise SystemMisbehaves("the system answered with two lengths")
        if length is not None and not (length.isdigit() and len(length) < 19):
            raise SystemMisbehaves("the system answered with a length that is none")
        if coding is not None and (coding.lower() != b"chunked" or not self.modern):
            raise SystemMisbehaves("the system answered with an unknown transfer coding")
        if b"connection" in last and self._says_close():
            self.keep_alive = False
        status = self.status
        if status == 204 and (coding is not None or int(length or b"0")):
            self.keep_alive = False  # a body that may not be (RFC 9110, section 8.6) may still be on its way
        if to_head or status in (204, 304) or status < 200:
            return 0
        if coding is not None:
            return self.CHUNKED
        if length is not None:
            return int(length)
        self.keep_alive = False
        return self.UNTIL_CLOSE

    def _refuse_doubles(self) -> None:
        names = [name for name, _ in self.headers]
        if names.count(b"content-length") > 1 or names.count(b"transfer-encoding") > 1:
            raise SystemMisbehaves("the system answered with two lengths")

    def _says_close(self) -> bool:
        return any(b"close" in value.lower() for name, value in self.headers if name == b"connection")


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
