"""A wire between a gateway and a server, which may be slow, or cut."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Link:
    """Listens on `port` and passes bytes on to `to`; what comes back is `delay` seconds late."""

    to: int
    port: int = 0
    delay: float = 0.0
    _server: asyncio.Server | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Also again, after a cut, at the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Nothing listens any more, and what was connected is reset."""
        if self._server is not None:
            self._server.close()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        there = None
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self.to)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, there, late=False))
                group.create_task(self._pass(back, writer, late=True))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # one of the two has gone, and so goes the other
        finally:
            self._running.discard(task)
            for one in (writer, there):
                if one is not None:
                    one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        while data := await reader.read(65536):
            if late and self.delay:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("the other side ended")
