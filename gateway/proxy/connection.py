"""One connection to a system: one request at a time, its answer, and whether it may be used again.

It may only if the request was written whole, the answer was read whole, both sides keep alive, and not one byte came beyond the
answer. Everything else closes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

from connectors.errors import ConnectorError, SystemMisbehaves
from connectors.messages import Body, UpstreamResponse

from ..errors import UpstreamUnavailable
from .answer import LONGEST_HEAD, Chunks, Head

_HIGH, _LOW = 256 * 1024, 64 * 1024
_MOST_INTERIM = 8


class Connection(asyncio.Protocol):
    """Created by Transport; `ask` begins an exchange, `give_back` is called when it may be used again."""

    def __init__(self, give_back: Callable[[Connection], None], gone: Callable[[Connection], None]) -> None:
        self._give_back = give_back
        self._gone = gone
        self._tcp: asyncio.Transport | None = None
        self.used = False  # has carried an answer already
        self.idle_since = 0.0
        self.deadline = 0.0  # on the loop's clock; 0: none. A sweep aborts what is overdue
        self.answered = False  # a byte of the answer has come
        self.written = True  # the request is written whole
        self._waiter: asyncio.Future[UpstreamResponse] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused_writing = False
        self._reset()

    def _reset(self) -> None:
        self._head: Head | None = None
        self._to_head = False
        self._buffer = b""
        self._interim = 0
        self._left = 0
        self._chunks: Chunks | None = None
        self._data: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._error: Exception | None = None
        self._more: asyncio.Future[None] | None = None
        self._reading = True

    # The exchange

    @property
    def usable(self) -> bool:
        return self._tcp is not None and not self._tcp.is_closing()

    def ask(self, data: bytes, *, to_head: bool, whole: bool) -> asyncio.Future[UpstreamResponse]:
        """Write a request's head (and its body when `whole`); the future is its answer."""
        assert self._tcp is not None
        self._reset()
        self._to_head = to_head
        self.answered = False
        self.written = whole
        self._waiter = asyncio.get_running_loop().create_future()
        self._tcp.write(data)
        return self._waiter

    def write(self, data: bytes) -> None:
        if self._tcp is not None:
            self._tcp.write(data)

    async def drain(self) -> None:
        """Wait while the system is slower than the browser."""
        if self._paused_writing:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def abort(self, error: Exception | None = None) -> None:
        """Give the connection up, now; whoever waits for its answer gets `error`."""
        self._fail(error or UpstreamUnavailable("the exchange was given up", sent=True))
        if self._tcp is not None:
            self._tcp.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tcp = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._head is not None and self._head.length == Head.UNTIL_CLOSE and exc is None and not self._ended:
            self._end()
        else:
            self._fail(UpstreamUnavailable("the system closed the connection", sent=True))
        self._gone(self)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.answered = True
        try:
            if self._waiter is None:
                # Bytes that nobody asked for: an answer to no request poisons what comes after.
                self.abort()
            elif self._head is None:
                self._read_head(data)
            elif self._ended:
                self._close_after()
            else:
                self._read_body(data)
        except ConnectorError as error:
            self.abort(error)

    # Reading

    def _read_head(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or end > LONGEST_HEAD:
            if len(self._buffer) > LONGEST_HEAD:
                raise SystemMisbehaves("the system answered with a head that does not end")
            return
        raw, rest = self._buffer[: end + 4], self._buffer[end + 4 :]
        self._buffer = b""
        head = Head(raw, to_head=self._to_head)
        if head.status < 200:
            self._interim += 1
            if head.status == 101 or self._interim > _MOST_INTERIM:
                raise SystemMisbehaves("the system answered with an interim status that was not asked for")
            if rest:
                self._read_head(rest)
            return
        self._head = head
        self._left = head.length
        if head.length == Head.CHUNKED:
            self._chunks = Chunks()
        if head.length == 0 or rest:
            self._read_body(rest)
        self._answer(head)

    def _read_body(self, data: bytes) -> None:
        if self._chunks is not None:
            body = self._chunks.feed(data)
            if body:
                self._keep(body)
            if self._chunks.ended:
                self._end(extra=self._chunks.extra)
        elif self._left >= 0:
            body = data[: self._left] if len(data) > self._left else data
            self._left -= len(body)
            if body:
                self._keep(body)
            if self._left == 0:
                self._end(extra=len(data) > len(body))
        elif data:
            self._keep(data)

    def _keep(self, body: bytes) -> None:
        self._data.append(body)
        self._held += len(body)
        if self._held > _HIGH and self._reading and self._tcp is not None:
            self._reading = False
            self._tcp.pause_reading()
        self._wake()

    def _end(self, *, extra: bool = False) -> None:
        self._ended = True
        self.deadline = 0.0
        self._wake()
        if extra or self._head is None or not self._head.keep_alive or not self.written or self._tcp is None:
            self._close_after()
        elif self._waiter is not None and self._waiter.done():
            self._finish()

    def _finish(self) -> None:
        """The answer is whole and taken: the connection is free for the next request."""
        self._waiter = None
        if self._tcp is not None and not self._tcp.is_closing():
            if not self._reading:
                self._reading = True
                self._tcp.resume_reading()
            self.used = True
            self._give_back(self)

    def _close_after(self) -> None:
        if self._tcp is not None:
            self._tcp.abort()

    def _answer(self, head: Head) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._ended:
            body = Body.of(self._data[0] if len(self._data) == 1 else b"".join(self._data))
            waiter.set_result(UpstreamResponse(head.status, head.headers, body, head.reason))
            if self._tcp is not None and not self._tcp.is_closing():
                self._finish()
            return
        body = Body(self._stream())
        waiter.set_result(UpstreamResponse(head.status, head.headers, body, head.reason, self._let_go(head)))

    def _let_go(self, head: Head) -> Callable[[], None]:
        """What closes this answer, and only this one: later it must not touch the next."""

        def close() -> None:
            if self._head is head and not self._ended:
                self.abort()

        return close

    async def _stream(self) -> AsyncIterator[bytes]:
        data = self._data  # of this answer; the next one has another
        while True:
            while data:
                chunk = data.popleft()
                if data is self._data:
                    self._taken(len(chunk))
                yield chunk
            if data is not self._data or self._ended:
                return
            if self._error is not None:
                raise self._error
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    def _taken(self, size: int) -> None:
        self._held -= size
        if not self._reading and self._held < _LOW and self._tcp is not None:
            self._reading = True
            self._tcp.resume_reading()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _fail(self, error: Exception) -> None:
        self.deadline = 0.0
        if self._error is None and not self._ended:
            self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self._wake()
