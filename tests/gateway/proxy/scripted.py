"""An upstream that plays exact bytes and writes down exact bytes: what it answers is a script, not a server's good manners."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from gateway.proxy.origin import Origin
from gateway.proxy.upstream import Transport


@dataclass(eq=False)
class Peer:
    """One connection as the upstream sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytes = b""
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> bytes:
        """One whole request: its head, and its body by length or chunks."""
        head = await self.until(b"\r\n\r\n")
        if length := re.search(rb"content-length: (\d+)", head):
            return head + await self._exactly(int(length[1]))
        return head + await self.until(b"0\r\n\r\n") if b"transfer-encoding: chunked" in head else head

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def until(self, end: bytes) -> bytes:
        data = await self.reader.readuntil(end)
        self.received += data
        return data

    async def _exactly(self, size: int) -> bytes:
        data = await self.reader.readexactly(size)
        self.received += data
        return data

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65536):
                self.received += data
        return self.received

    async def send(self, data: bytes) -> None:
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    def write_now(self, data: bytes) -> None:
        """On the socket, before the loop turns."""
        os.write(self.writer.get_extra_info("socket").fileno(), data)

    def half_close(self) -> None:
        """FIN, before the loop turns."""
        with socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno())) as own:
            own.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST rather than FIN."""
        own = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Upstream:
    port: int
    peers: list[Peer]

    def origin(self, **fixed: object) -> Origin:
        return Origin("http", "127.0.0.1", self.port, **fixed)  # type: ignore[arg-type]  # a test's own words


@contextlib.asynccontextmanager
async def upstream(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Runs `script` on each connection, then closes it."""
    peers: list[Peer] = []
    failed: list[BaseException] = []
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        peers.append(peer)
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:
            failed.append(error)
        finally:
            running.discard(task)
            writer.close()
            peer.closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=2**20)
    try:
        yield Upstream(server.sockets[0].getsockname()[1], peers)
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert not failed, repr(failed)


@contextlib.asynccontextmanager
async def transport(kind: type[Transport] = Transport) -> AsyncIterator[Transport]:
    one = kind()
    await one.start()
    try:
        yield one
    finally:
        await one.close()


def plays(*answers: bytes) -> Script:
    """Answers the requests of each connection in turn, then closes it."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.request()
            await peer.send(answer)
        await peer.rest()

    return script


async def until(true: Callable[[], bool]) -> None:
    """Wait for a thing that happens by itself, for five seconds at most."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)
