"""Connections from a listening socket that several workers share: one in each turn of the loop, so that who is busy takes fewer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

_AGAIN = 0.5  # seconds, when no descriptor is free


class Acceptor:
    """In the place of an asyncio server, which would take all that wait at once and leave the other workers none."""

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._tls = tls
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        listener.setblocking(False)
        self._begin()

    def close(self) -> None:
        """Take nobody new. Once is enough."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Nothing is waited for: connections are the server's own."""

    def _begin(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has gone
        except OSError:
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_AGAIN, self._begin)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._open(connection), name="connection")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        """A handshake that fails concerns nobody but the client."""
        with contextlib.suppress(OSError, TimeoutError):
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)
