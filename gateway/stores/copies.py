"""Writes to the lasting copy, one after another: at once where it answers, else as soon as it does again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from sso.errors import StoreUnavailable

_MOST = 50_000  # writes that may wait
_AGAIN = 1.0  # seconds for which nobody waits for one that did not answer

Write = Callable[[], Awaitable[None]]


class Copies:
    """What waits is lost with this process: then a session that has ended could come back with an older server's memory."""

    def __init__(self) -> None:
        self._owed: deque[Write] = deque()
        self._failed = 0.0
        self._one_after_another = asyncio.Lock()

    @property
    def owed(self) -> int:
        """How many wait."""
        return len(self._owed)

    async def write(self, work: Write) -> None:
        """It is there, or waits behind the others. Raises StoreUnavailable where too many wait."""
        if len(self._owed) >= _MOST:
            raise StoreUnavailable("the database has not taken the copy of shifts for too long")
        if not self._owed and time.monotonic() - self._failed >= _AGAIN:
            try:
                await work()
                return
            except StoreUnavailable:
                self._failed = time.monotonic()
        self._owed.append(work)

    async def catch_up(self) -> None:
        """Write what waits, in its order. Raises StoreUnavailable where the database does not take it."""
        async with self._one_after_another:
            try:
                while self._owed:
                    await self._owed[0]()
                    self._owed.popleft()
            except StoreUnavailable:
                self._failed = time.monotonic()
                raise
