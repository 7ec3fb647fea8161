"""A way to a server that takes its time, or is cut: bytes pass both ways, each after a delay that may change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


@dataclass
class SlowWay:
    """`delay` gives the seconds that the next bytes of an answer wait."""

    server: int
    delay: Callable[[], float] = lambda: 0.0
    port: int = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side closes it."""
        with contextlib.ExitStack() as ends, contextlib.suppress(OSError):
            ends.callback(writer.transport.abort)
            answers, asks = await asyncio.open_connection("127.0.0.1", self.server)
            ends.callback(asks.transport.abort)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, asks, lambda: 0.0))
                group.create_task(self._pass(answers, writer, self.delay_now))

    def delay_now(self) -> float:
        """As it is when the bytes come."""
        return self.delay()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: Callable[[], float]) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if (waits := delay()) > 0:
                    await asyncio.sleep(waits)
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(ConnectionError, RuntimeError):
            sink.close()


@contextlib.asynccontextmanager
async def slow_way(server: int) -> AsyncIterator[SlowWay]:
    """To `server`'s port on this machine."""
    way = SlowWay(server)
    tasks: set[asyncio.Task[None]] = set()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(way.take(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(take, "127.0.0.1", 0)
    way.port = listener.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
        await asyncio.sleep(0)  # what was aborted is closed in the loop's next turn
