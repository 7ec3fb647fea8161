"""What one system may take of us: so many requests at once, and a bounded wait for a place.

One slow system must not slow another: its requests wait before its own door, and are told so when the wait is too long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import TracebackType

from connectors.errors import SystemUnavailable

_QUEUE = 8  # requests that may wait, for each place


class Bulkhead:
    """`async with bulkhead:` holds one of `places` for as long as the block runs."""

    def __init__(self, title: str, places: int, wait: float = 5.0) -> None:
        """`wait`: seconds for which a request waits for a place."""
        self._title = title
        self._free = places
        self._wait = wait
        self._longest = places * _QUEUE
        self._queue: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if len(self._queue) >= self._longest:
            raise SystemUnavailable(f"`{self._title}` is busy: too many requests wait for it")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout(self._wait):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._give_back()
            else:
                with contextlib.suppress(ValueError):  # passed over by `_give_back` already
                    self._queue.remove(place)
            if isinstance(error, TimeoutError):
                raise SystemUnavailable(f"`{self._title}` is busy: too many requests wait for it") from None
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _give_back(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
