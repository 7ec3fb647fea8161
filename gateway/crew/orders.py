"""What the parent and a worker say to each other: one JSON object a line, over a socket pair that nobody else has."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from typing import Any

import orjson

_LONGEST = 16 << 20  # bytes of a message: policies are in one of them


class Line:
    """One end. `say` waits for nobody; `ask` waits for its answer, and not for long."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}

    @classmethod
    async def over(cls, end: socket.socket) -> Line:
        return cls(*await asyncio.open_connection(sock=end, limit=_LONGEST))

    def say(self, **message: Any) -> None:
        """Lost when the other end is gone, which `hear` tells."""
        if not self._writer.is_closing():
            self._writer.write(orjson.dumps(message) + b"\n")

    async def hear(self) -> dict[str, Any] | None:
        """The next message that is no answer; None when the other end is gone."""
        while line := await self._read():
            message: dict[str, Any] = orjson.loads(line)
            if (number := message.get("answers")) is None:
                return message
            if (told := self._asked.pop(number, None)) is not None and not told.done():
                told.set_result(message["value"])
        return None

    async def _read(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            line = await self._reader.readline()
            return line if line.endswith(b"\n") else b""
        return b""

    async def ask(self, what: str, patience: float) -> Any:
        """Whatever the other end answers. Somebody must `hear` meanwhile. Raises TimeoutError after `patience` seconds."""
        number = next(self._numbers)
        self._asked[number] = told = asyncio.get_running_loop().create_future()
        self.say(ask=what, number=number)
        try:
            async with asyncio.timeout(patience):
                return await told
        finally:
            self._asked.pop(number, None)

    def answer(self, question: dict[str, Any], value: Any) -> None:
        self.say(answers=question["number"], value=value)

    async def close(self) -> None:
        """Behind what was said last."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
