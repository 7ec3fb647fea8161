"""One connection to a system: one request at a time, and whether it may carry another.

It may only if the request was written whole, the answer was read whole, both sides keep alive, and not one byte came beyond the
answer. Everything else closes it.
"""

from __future__ import annotations

import asyncio
import select
from typing import Protocol, cast

from connectors.errors import ConnectorError

from ..errors import UpstreamUnavailable
from ..outbox import Outbox
from .exchange import Exchange

# Bytes a second below which an answer's body is too slow to go on with (`read_timeout` is the credit that it starts with).
_SLOWEST = 1024
# How long the other side (a browser that reads or sends slowly) may keep an exchange waiting at all.
LONGEST_PAUSE = 300.0


class Owner(Protocol):
    """The pool: takes a connection back, and hears that one is gone."""

    def give_back(self, connection: Connection) -> None: ...

    def gone(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """`ask` begins an exchange. `deadline` is on the loop's clock, 0: none; the pool's sweep aborts what is overdue."""

    __slots__ = ("_aborted", "_drained", "_exchange", "_loop", "_outbox", "_owner", "_paused_writing", "_poll", "_read_timeout",
                 "_reading", "_tcp", "deadline", "idle_since")  # fmt: skip

    def __init__(self, owner: Owner, read_timeout: float, outbox: Outbox) -> None:
        self._owner = owner
        self._read_timeout = read_timeout
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._tcp: asyncio.Transport | None = None
        self._poll = select.poll()
        self._exchange: Exchange | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused_writing = False
        self._reading = True
        self._aborted = False
        self.idle_since = 0.0
        self.deadline = 0.0

    # From the pool and whoever asks

    def silent(self) -> bool:
        """Open, and nothing waits on the socket: neither its end nor an answer that nobody asked for."""
        return self._open() is not None and not self._poll.poll(0)

    def _open(self) -> asyncio.Transport | None:
        """uvloop raises when a closed transport is written to or paused, before `connection_lost` has said that it is."""
        return self._tcp if self._tcp is not None and not self._tcp.is_closing() else None

    def ask(self, data: bytes, *, to_head: bool, whole: bool) -> Exchange:
        """Write a request's head (and its body when `whole`)."""
        assert self._exchange is None
        exchange = self._exchange = Exchange(self, to_head=to_head, written=whole)
        self.deadline = self._loop.time() + self._read_timeout
        if tcp := self._open():
            self._outbox.put(tcp, data)
        else:
            self._exchange = None
            exchange.stale = True
            exchange.fail(UpstreamUnavailable("the system closed the connection", sent=False))
        return exchange

    def write(self, exchange: Exchange, data: bytes) -> None:
        """More of the request, as long as its exchange is the one on this connection."""
        if self._exchange is exchange and (tcp := self._open()):
            self.deadline = self._loop.time() + self._read_timeout
            self._outbox.flush()
            tcp.write(data)

    def wait_for_sender(self, exchange: Exchange) -> None:
        """The browser is sending: the system's time to answer has not begun."""
        if self._exchange is exchange and exchange.head is None:
            self.deadline = self._loop.time() + LONGEST_PAUSE

    async def drain(self) -> None:
        """Wait while the system is slower than the browser."""
        if self._paused_writing and self._tcp is not None:
            self._drained = self._loop.create_future()
            await self._drained

    def overdue(self) -> None:
        self.abort(UpstreamUnavailable("the system did not answer in time", sent=True))

    def abort(self, error: Exception | None = None) -> None:
        """Give the connection up, now; whoever waits for its answer gets `error`."""
        self._aborted = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(error or UpstreamUnavailable("the exchange was given up", sent=True))
        if self._tcp is not None:
            self._tcp.abort()

    # Wire

    def head_came(self) -> None:
        self.deadline = self._loop.time() + self._read_timeout

    def progressed(self, size: int) -> None:
        """Each byte buys time, and never more than the read deadline."""
        self.deadline = min(self._loop.time() + self._read_timeout, self.deadline + size / _SLOWEST)

    def pause(self) -> None:
        if self._reading and (tcp := self._open()):
            self._reading = False
            tcp.pause_reading()
        self.deadline = self._loop.time() + LONGEST_PAUSE

    def resume(self) -> None:
        if not self._reading and (tcp := self._open()):
            self._reading = True
            tcp.resume_reading()
        self.deadline = self._loop.time() + self._read_timeout

    def finished(self, exchange: Exchange, *, extra: bool) -> None:
        """The answer is whole."""
        self._exchange = None
        keep = exchange.head is not None and exchange.head.keep_alive and exchange.written and not extra
        tcp = self._open()
        if not keep or tcp is None or tcp.get_write_buffer_size():
            self.abort()
            return
        if not self._reading:
            self._reading = True
            tcp.resume_reading()
        self.deadline = 0.0
        self._owner.give_back(self)

    def give_up(self, exchange: Exchange, error: Exception | None = None) -> None:
        if self._exchange is exchange:
            self.abort(error)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            # Bytes that nobody asked for: an answer to no request would become the next one's.
            self.abort()
            return
        try:
            exchange.receive(data)
        except ConnectorError as error:
            self.abort(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tcp = None
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost(by_peer=not self._aborted, clean=exc is None and not self._aborted)
        self.resume_writing()
        self._owner.gone(self)

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
