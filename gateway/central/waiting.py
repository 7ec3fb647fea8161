"""Whoever waits for an event to be in the central journal: asked from an event loop, answered from the shipper's thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from ..errors import JournalUnavailable


class Waiting:
    """Who waits for which sequence of one writer. Asked from an event loop, answered from the thread."""

    def __init__(self, own: str) -> None:
        self.own = own
        self.rouse = threading.Event()
        self._futures: list[tuple[int, asyncio.Future[None]]] = []
        self._last = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._futures)

    def until(self, sequence: int) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if sequence <= self._last:
                future.set_result(None)
            else:
                self._futures.append((sequence, future))
        self.rouse.set()
        return future

    def forget(self, future: asyncio.Future[None]) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._futures = [one for one in self._futures if one[1] is not future]

    def came(self, folder: str, sequence: int) -> None:
        if folder == self.own and sequence > self._last:
            with self._lock:
                self._last = sequence
                there = [future for number, future in self._futures if number <= sequence]
                self._futures = [(number, future) for number, future in self._futures if number > sequence]
            _tell_all(there, None)

    def refuse(self) -> None:
        with self._lock:
            waiting, self._futures = [future for _, future in self._futures], []
        _tell_all(waiting, unavailable())


def _tell_all(futures: list[asyncio.Future[None]], error: JournalUnavailable | None) -> None:
    """Each loop once. Somebody whose loop has gone cannot be told."""
    for loop in {future.get_loop() for future in futures}:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, [f for f in futures if f.get_loop() is loop], error)


def _tell(futures: list[asyncio.Future[None]], error: JournalUnavailable | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def unavailable() -> JournalUnavailable:
    """What is raised to whoever waits."""
    return JournalUnavailable("central-unavailable", "the central journal did not confirm the event in time")
