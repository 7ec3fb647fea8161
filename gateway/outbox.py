"""What is written in one turn of the event loop, written together at its end.

A write to a peer that sleeps wakes it, which costs more than the write. Written one after another, the first wakes the peer and the
others find it awake.
"""

from __future__ import annotations

import asyncio


class Outbox:
    """For one loop. Whoever writes past it, or closes a transport that may be in it, flushes it first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write `data` when this turn ends."""
        waiting = self._waiting
        if not waiting:
            self.loop.call_soon(self.flush)
        waiting.append((transport, data))

    def flush(self) -> None:
        """Write now what waits. A transport that has been closed meanwhile takes nothing."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            for transport, data in waiting:
                if not transport.is_closing():
                    transport.write(data)
