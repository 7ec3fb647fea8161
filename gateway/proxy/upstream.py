"""Requests to systems over pooled HTTP/1.1 connections: a pool for each origin, deadlines, and one safe retry.

The address is checked when it is connected to, not when it was configured: a name that resolves to somewhere else later gets
no connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from connectors.errors import SystemUnavailable
from connectors.messages import Body, UpstreamRequest, UpstreamResponse

from ..errors import UpstreamUnavailable
from .connection import Connection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_IDLE_LIFE = 25.0  # seconds; below what servers usually allow
_FRESH_FOR_WRITES = 1.0  # a write takes a connection that was used this recently, or a new one
_MOST_IDLE = 128
_SWEEP = 0.25
# Metadata services that are not link-local.
_NEVER = frozenset(ipaddress.ip_address(a) for a in ("fd00:ec2::254", "100.100.100.200"))
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A system's place: compared by identity, so that two systems on one host share no connection."""

    scheme: str
    host: str
    port: int
    base_path: bytes = b""
    sni: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    networks: tuple[Network, ...] = ()  # none: any but link-local, multicast and metadata
    connect_timeout: float = 5.0
    read_timeout: float = 30.0


class Transport:
    """`start` it in the loop that it serves; `close` it."""

    def __init__(self) -> None:
        self._idle: dict[Origin, deque[Connection]] = {}
        self._busy: set[Connection] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="upstream-deadlines")

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        for connection in [*self._busy, *(c for pool in self._idle.values() for c in pool)]:
            connection.abort()
        self._idle.clear()

    async def send(self, origin: Origin, request: UpstreamRequest) -> UpstreamResponse:
        """The answer's head, its body streaming. Raises UpstreamUnavailable, SystemMisbehaves, and what the body's
        source raises. Cancelled: the connection is closed."""
        safe = request.method in _SAFE and request.body is None
        connection = self._pooled(origin, safe=safe)
        if connection is not None:
            try:
                return await self._exchange(origin, connection, request)
            except UpstreamUnavailable:
                # The system may have closed a kept connection as we wrote: only what changes nothing is asked again.
                if not safe or connection.answered or connection.deadline < 0:
                    raise
        return await self._exchange(origin, await self._connect(origin), request)

    def _pooled(self, origin: Origin, *, safe: bool) -> Connection | None:
        pool = self._idle.get(origin)
        now = asyncio.get_running_loop().time()
        life = _IDLE_LIFE if safe else _FRESH_FOR_WRITES
        while pool:
            connection = pool.pop()
            if connection.usable and now - connection.idle_since < life:
                return connection
            connection.abort()
        return None

    async def _exchange(self, origin: Origin, connection: Connection, request: UpstreamRequest) -> UpstreamResponse:
        body = request.body.whole if request.body is not None else b""
        self._busy.add(connection)
        connection.deadline = asyncio.get_running_loop().time() + origin.read_timeout
        answer = connection.ask(_head(origin, request, body), to_head=request.method == "HEAD", whole=body is not None)
        sending = None
        if body is None:
            assert request.body is not None
            sending = asyncio.get_running_loop().create_task(
                _send_body(connection, request.body, request.length, origin)
            )
        try:
            return await answer
        except BaseException:
            connection.abort()
            if sending is not None and sending.done() and not sending.cancelled() and (failed := sending.exception()):
                raise failed from None
            raise
        finally:
            if sending is not None and not sending.done():
                sending.cancel()
            if sending is not None:
                sending.add_done_callback(_seen)

    async def _connect(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(origin.connect_timeout):
                address = await self._resolve(origin)
                _tcp, connection = await loop.create_connection(
                    lambda: Connection(self._free(origin), self._busy.discard),
                    address,
                    origin.port,
                    ssl=origin.tls,
                    server_hostname=(origin.sni or origin.host) if origin.tls else None,
                )
        except TimeoutError:
            raise UpstreamUnavailable("the system did not take the connection in time", sent=False) from None
        except ssl.SSLError as error:
            raise UpstreamUnavailable(
                f"the system's certificate was not accepted: {error.reason}", sent=False
            ) from None
        except OSError as error:
            raise UpstreamUnavailable(f"the system refused the connection: {error.strerror}", sent=False) from None
        return connection

    async def _resolve(self, origin: Origin) -> str:
        found = await asyncio.get_running_loop().getaddrinfo(origin.host, origin.port, type=1)
        for *_, place in found:
            address = str(place[0])
            if allowed(address, origin.networks):
                return address
        raise UpstreamUnavailable("the system's name leads to an address outside its `networks`", sent=False)

    def _free(self, origin: Origin) -> Callable[[Connection], None]:
        pool = self._idle.setdefault(origin, deque(maxlen=_MOST_IDLE))
        loop = asyncio.get_running_loop()

        def give_back(connection: Connection) -> None:
            self._busy.discard(connection)
            connection.idle_since = loop.time()
            if len(pool) == pool.maxlen:
                pool.popleft().abort()
            pool.append(connection)

        return give_back

    async def _sweep(self) -> None:
        """Deadlines, coarse and cheap: what is overdue is aborted, what idled too long is closed."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP)
            now = loop.time()
            for connection in [c for c in self._busy if 0 < c.deadline < now]:
                connection.abort(UpstreamUnavailable("the system did not answer in time", sent=True))
                connection.deadline = -1.0
            for pool in self._idle.values():
                while pool and (not pool[0].usable or now - pool[0].idle_since > _IDLE_LIFE):
                    pool.popleft().abort()


def allowed(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether a resolved address may be connected to."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _NEVER:
        return False
    return not networks or any(ip in network for network in networks if network.version == ip.version)


def _head(origin: Origin, request: UpstreamRequest, body: bytes | None) -> bytes:
    """The request's head, and its body where that is in memory: one write."""
    lines = [b"%s %s%s HTTP/1.1\r\n" % (request.method.encode("ascii"), origin.base_path, request.target)]
    lines += [b"%s: %s\r\n" % pair for pair in request.headers]
    if body is None:
        length = request.length
        lines.append(b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length)
    elif body or request.method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
        lines.append(b"content-length: %d\r\n" % len(body))
    lines.append(b"\r\n")
    if body:
        lines.append(body)
    return b"".join(lines)


async def _send_body(connection: Connection, body: Body, length: int | None, origin: Origin) -> None:
    """Stream a request's body. Ends the message only when the source ended it; else the connection is given up."""
    loop = asyncio.get_running_loop()
    sent = 0
    try:
        async for chunk in _timed(body.chunks(), connection, origin, loop):
            sent += len(chunk)
            if length is not None and sent > length:
                raise SystemUnavailable("more was sent than was declared")
            connection.write(chunk if length is not None else b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await connection.drain()
        if length is not None and sent < length:
            raise SystemUnavailable("less was sent than was declared")
        if length is None:
            connection.write(b"0\r\n\r\n")
        connection.written = True
    except BaseException as error:
        connection.abort(error if isinstance(error, Exception) else None)
        raise


async def _timed(
    chunks: AsyncIterator[bytes], connection: Connection, origin: Origin, loop: asyncio.AbstractEventLoop
) -> AsyncIterator[bytes]:
    """While the browser is sending, the system's time to answer has not begun."""
    async for chunk in chunks:
        connection.deadline = loop.time() + origin.read_timeout
        yield chunk


def _seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
