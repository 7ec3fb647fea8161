"""What one system may take of us: so many requests at once, for all and for each clinician, and a bounded wait for a place.

One slow system must not slow another: its requests wait before its own door, and are told so when the wait is too long. And one
clinician's page that asks for a hundred things must not keep the others waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from types import TracebackType

from connectors.errors import SystemUnavailable

_QUEUE = 8  # requests that may wait, for each place
# A browser holds six connections to a host; a clinician may have two devices at work.
_LEAST_EACH = 6


class SystemBusy(SystemUnavailable):
    """It was not asked: too many wait for it already."""


class Places:
    """`async with places:` holds one of them for as long as the block runs."""

    def __init__(self, title: str, places: int, wait: float = 5.0) -> None:
        """`wait`: seconds for which a request waits for a place."""
        self._title = title
        self._free = places
        self._wait = wait
        self._longest = places * _QUEUE
        self._queue: deque[asyncio.Future[None]] = deque()
        self.holders = 0  # those inside and those who wait

    async def __aenter__(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        if len(self._queue) >= self._longest:
            raise SystemBusy(f"`{self._title}` is busy: too many requests wait for it")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            async with asyncio.timeout(self._wait):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self.give_back()
            else:
                with contextlib.suppress(ValueError):  # passed over by `give_back` already
                    self._queue.remove(place)
            if isinstance(error, TimeoutError):
                raise SystemBusy(f"`{self._title}` is busy: too many requests wait for it") from None
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()

    def give_back(self) -> None:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1


class Bulkhead:
    """`async with bulkhead.of(who):` holds one of the system's places, and one of the clinician's own share."""

    def __init__(self, title: str, places: int, wait: float = 5.0) -> None:
        """`wait`: seconds for which a request waits for each of the two."""
        self._title = title
        self._wait = wait
        self.all = Places(title, places, wait)
        self.each = min(places, max(_LEAST_EACH, places // 4))
        self.own: dict[object, Places] = {}  # of those who are inside or wait

    def of(self, who: object) -> Held:
        own = self.own.get(who)
        if own is None:
            own = self.own[who] = Places(self._title, self.each, self._wait)
        return Held(self, who, own)


class Held:
    """Both places of one request, for as long as the block runs. Raises SystemBusy."""

    __slots__ = ("_bulkhead", "_own", "_who")

    def __init__(self, bulkhead: Bulkhead, who: object, own: Places) -> None:
        self._bulkhead, self._who, self._own = bulkhead, who, own
        own.holders += 1

    async def __aenter__(self) -> None:
        try:
            await self._own.__aenter__()
            try:
                await self._bulkhead.all.__aenter__()
            except BaseException:
                self._own.give_back()
                raise
        except BaseException:
            self._left()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bulkhead.all.give_back()
        self._own.give_back()
        self._left()

    def _left(self) -> None:
        self._own.holders -= 1
        if not self._own.holders:
            self._bulkhead.own.pop(self._who, None)
