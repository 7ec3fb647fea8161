"""Requests to systems over pooled HTTP/1.1 connections: a pool for each origin, deadlines, and one safe retry."""

from __future__ import annotations

import asyncio
import contextlib

from connectors.errors import SystemUnavailable
from connectors.messages import Body, UpstreamRequest, UpstreamResponse

from ..errors import UpstreamUnavailable
from .connection import Connection
from .exchange import Exchange
from .origin import Origin
from .pool import Pool

_SWEEP = 0.25  # seconds: how coarse deadlines are
_SAFE = frozenset({"GET", "HEAD"})
# How the message is delimited is said here and nowhere else.
FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"te", b"trailer"})


class Transport:
    """`start` it in the loop that it serves; `close` it."""

    def __init__(self) -> None:
        self._pools: dict[Origin, Pool] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="upstream-deadlines")

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    async def send(self, origin: Origin, request: UpstreamRequest, *, once: bool = False) -> UpstreamResponse:
        """The answer's head, its body streaming. `once`: never repeated, not even a GET on a stale connection.

        Raises UpstreamUnavailable, SystemMisbehaves, SystemUnavailable (too many connections), and what the body's
        source raises. Cancelled: the connection is closed.
        """
        assert self._sweeper is not None, "deadlines need a transport that was started"
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(origin)
        body = request.body.whole if request.body is not None else b""
        repeatable = not once and body == b"" and request.method in _SAFE
        data = encoded(origin, request, body)
        connection = pool.take(repeatable=repeatable)
        if connection is not None:
            exchange = connection.ask(data, to_head=request.method == "HEAD", whole=body is not None)
            try:
                return await _answer(connection, exchange, request, body)
            except UpstreamUnavailable:
                # The system may have closed a kept connection as we wrote: only what changes nothing is asked again.
                if not (repeatable and exchange.stale):
                    raise
        connection = await pool.connect()
        exchange = connection.ask(data, to_head=request.method == "HEAD", whole=body is not None)
        return await _answer(connection, exchange, request, body)

    async def _sweep(self) -> None:
        """Deadlines, coarse and cheap: what is overdue is aborted, what idled too long is closed."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            for pool in list(self._pools.values()):
                pool.sweep(now)


async def _answer(
    connection: Connection, exchange: Exchange, request: UpstreamRequest, whole: bytes | None
) -> UpstreamResponse:
    if whole is None and exchange.error is None:
        assert request.body is not None
        sending = _send_body(connection, exchange, request.body, request.length)
        exchange.sending = asyncio.get_running_loop().create_task(sending)
    try:
        return await exchange.answer
    except BaseException:
        exchange.close()
        raise


async def _send_body(connection: Connection, exchange: Exchange, body: Body, length: int | None) -> None:
    """Stream a request's body. Only the source's own end completes the message; anything else gives it up unfinished."""
    sent = 0
    try:
        connection.wait_for_sender(exchange)
        async for chunk in body.chunks():
            sent += len(chunk)
            if length is not None and sent > length:
                raise SystemUnavailable("more was sent than was declared")
            connection.write(exchange, chunk if length is not None else b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await connection.drain()
            connection.wait_for_sender(exchange)
        if length is not None and sent < length:
            raise SystemUnavailable("less was sent than was declared")
        connection.write(exchange, b"0\r\n\r\n" if length is None else b"")
        exchange.written = True
    except asyncio.CancelledError:
        raise  # the exchange has ended or failed, or the system refused: that is decided there
    except Exception as error:
        connection.give_up(exchange, error)


def encoded(origin: Origin, request: UpstreamRequest, body: bytes | None) -> bytes:
    """The request's head, and its body where that is in memory: one write.

    Raises ValueError where a header would change the message's form: a connector's mistake, never the browser's (the edge has judged that).
    """
    lines = [b"%s %s%s HTTP/1.1\r\n" % (request.method.encode("ascii"), origin.base_path, request.target)]
    lines += [b"%s: %s\r\n" % pair for pair in request.headers]
    if body is None:
        length = request.length
        lines.append(b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length)
    elif body or request.method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
        lines.append(b"content-length: %d\r\n" % len(body))
    head = b"".join(lines)
    ends = len(lines)
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or lines[0].count(b" ") != 2:
        raise ValueError("a target or header that is sent to a system holds a line end or a blank")
    if not FRAMING.isdisjoint(dict(request.headers)):
        raise ValueError("a header that is sent to a system says how the message is framed: leave it out")
    return b"%s\r\n%s" % (head, body) if body else head + b"\r\n"
