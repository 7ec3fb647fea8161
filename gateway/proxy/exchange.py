"""One request's answer as it arrives: bytes from the connection in, an UpstreamResponse out, read at the reader's pace.

An exchange knows its own connection only as long as it is the one on it: whoever was cancelled or closes late can never touch
the exchange that came after.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from connectors.errors import SystemMisbehaves
from connectors.messages import Body, UpstreamResponse

from ..errors import UpstreamUnavailable
from .answer import LONGEST_HEAD, Chunks, Head

_HIGH, _LOW = 256 * 1024, 64 * 1024
_MOST_INTERIM = 8
# A body of a known, small length is handed over when it is whole: one wake-up, and a lie about its length is an error, not half a page.
_WHOLE = 64 * 1024


class Wire(Protocol):
    """What an exchange asks of its connection."""

    def head_came(self) -> None: ...

    def progressed(self, size: int) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def finished(self, exchange: Exchange, *, extra: bool) -> None: ...

    def give_up(self, exchange: Exchange, error: Exception | None = None) -> None: ...


class Exchange:
    """`answer` is done when the head is there (a small body: when that is whole too), or has failed."""

    __slots__ = ("_buffer", "_chunks", "_data", "_held", "_interim", "_left", "_more", "_paused", "_to_head", "_wire",
                 "answer", "ended", "error", "head", "sending", "stale", "touched", "written")  # fmt: skip

    def __init__(self, wire: Wire, *, to_head: bool, written: bool) -> None:
        self.answer: asyncio.Future[UpstreamResponse] = asyncio.get_running_loop().create_future()
        self.written = written  # the request is written whole
        self.sending: asyncio.Task[None] | None = None  # what still writes the request's body
        self.touched = False  # a byte of the answer has come
        self.stale = False  # the connection was closed before one had
        self.ended = False  # the answer is whole
        self.error: Exception | None = None
        self.head: Head | None = None
        self._wire = wire
        self._to_head = to_head
        self._buffer = b""
        self._interim = 0
        self._left = 0
        self._chunks: Chunks | None = None
        self._data: deque[bytes] | None = None
        self._held = 0
        self._paused = False
        self._more: asyncio.Future[None] | None = None

    # From the connection

    def receive(self, data: bytes) -> None:
        """Raises SystemMisbehaves."""
        self.touched = True
        if self.head is None:
            self._read_head(data)
        else:
            self._wire.progressed(len(data))
            self._read_body(data)

    def lost(self, *, by_peer: bool, clean: bool) -> None:
        """The connection is gone: the end of a close-delimited body, and of nothing else."""
        if clean and self.head is not None and self.head.length == Head.UNTIL_CLOSE:
            self.ended = True
            self._wake()
            self._stop_sending()
        else:
            self.stale = by_peer and not self.touched
            self.fail(UpstreamUnavailable("the system closed the connection before it had answered whole", sent=True))

    def fail(self, error: Exception) -> None:
        if self.ended or self.error is not None:
            return
        self.error = error
        if not self.answer.done():
            self.answer.set_exception(error)
        self._wake()
        self._stop_sending()

    # From whoever asked

    def close(self) -> None:
        """Give up what is not whole yet; a whole answer's connection is not ours any more."""
        if not self.ended and self.error is None:
            self._wire.give_up(self)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body. Raises what the connection failed with, after what came before it."""
        data = self._data
        assert data is not None
        try:
            while True:
                while data:
                    chunk = data.popleft()
                    self._taken(len(chunk))
                    yield chunk
                if self.ended:
                    return
                if self.error is not None:
                    raise self.error
                self._more = asyncio.get_running_loop().create_future()
                await self._more
        finally:
            self.close()

    # Reading

    def _read_head(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        while (end := data.find(b"\r\n\r\n", 0, LONGEST_HEAD)) >= 0:
            head = Head(data[: end + 4], to_head=self._to_head)
            data = data[end + 4 :]
            if head.status >= 200:
                self._begin(head, data)
                return
            self._interim += 1
            if head.status == 101 or self._interim > _MOST_INTERIM:
                raise SystemMisbehaves("the system answered with an interim status that was not asked for")
        if len(data) >= LONGEST_HEAD or not data.startswith(b"HTTP/1."[: len(data)]):
            raise SystemMisbehaves("the system answered with something that is no head, or a head that does not end")
        self._buffer = data

    def _begin(self, head: Head, rest: bytes) -> None:
        self.head = head
        if head.length == len(rest):
            self.ended = True
            self._hand_over(Body.of(rest))
            self._wire.finished(self, extra=False)
            self._stop_sending()
            return
        self._wire.head_came()
        self._data = deque()
        self._left = head.length
        if head.length == Head.CHUNKED:
            self._chunks = Chunks()
        if rest or head.length == 0:
            self._read_body(rest)
        if not self.ended and not 0 <= head.length <= _WHOLE:
            self._hand_over(Body(self.stream()))
        if head.status >= 400:
            self._stop_sending()  # refused; a system that has begun to agree still gets all of it

    def _read_body(self, data: bytes) -> None:
        if self._chunks is not None:
            body = self._chunks.feed(data)
            self._keep(body)
            if self._chunks.ended:
                self._end(extra=self._chunks.extra)
        elif self._left >= 0:
            body = data[: self._left] if len(data) > self._left else data
            self._left -= len(body)
            self._keep(body)
            if self._left == 0:
                self._end(extra=len(data) > len(body))
        else:
            self._keep(data)

    def _keep(self, body: bytes) -> None:
        if not body:
            return
        assert self._data is not None
        self._data.append(body)
        self._held += len(body)
        if self._held > _HIGH and not self._paused:
            self._paused = True
            self._wire.pause()
        self._wake()

    def _taken(self, size: int) -> None:
        self._held -= size
        if self._paused and self._held < _LOW and not self.ended and self.error is None:
            self._paused = False
            self._wire.resume()

    def _end(self, *, extra: bool) -> None:
        self.ended = True
        if not self.answer.done():
            assert self._data is not None
            self._hand_over(Body.of(b"".join(self._data)))
        self._wake()
        self._wire.finished(self, extra=extra)
        self._stop_sending()

    def _hand_over(self, body: Body) -> None:
        if self.answer.done():  # whoever asked was cancelled; the connection is closed by it
            return
        head = self.head
        assert head is not None
        if self.ended:
            self.answer.set_result(UpstreamResponse(head.status, head.headers, body, head.reason))
        else:
            self.answer.set_result(UpstreamResponse(head.status, head.headers, body, head.reason, self.close))

    def _stop_sending(self) -> None:
        """What was not written whole stays unfinished, and `finished` has closed or will close the connection for it."""
        if self.sending is not None:
            self.sending.cancel()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
