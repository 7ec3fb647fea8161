"""How long somebody waits for an answer, counted in turns of the event loop, and not by the clock alone.

Where the machine is busy, or a process stood still, the clock has gone on while nobody was there to take what came: an answer that lies
there already is not late. So a limit of a quarter of a second is ten looks at what has come, 25 ms apart: on time it is what it
says, and where the loop is late it lasts until the loop has looked as often.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

_TURN = 0.025  # seconds between two looks at the clock


class own_time:  # reads as asyncio.timeout does
    """`async with own_time(seconds)`: as asyncio.timeout, TimeoutError included."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._loop = asyncio.get_running_loop()
        self._next()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _next(self) -> None:
        turn = min(self._left, _TURN)
        self._timer = self._loop.call_later(turn, self._turned, turn)

    def _turned(self, turn: float) -> None:
        """However long it was: what came meanwhile is taken before the next."""
        self._left -= turn
        if self._left > 0:
            self._next()
        else:
            self._limit.reschedule(self._loop.time())
