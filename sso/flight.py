"""Many callers who want the same answer into one call for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """Single flight: whoever asks while a call is under way gets that call's answer or error.

    The call runs in a task of its own, so that a caller who goes away (a closed browser) takes nobody else's answer
    with them.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    @property
    def under_way(self) -> bool:
        return self._task is not None and not self._task.done()

    async def join(self) -> T:
        """The answer of the call under way, or of a new one. Raises what the call raises."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(_look_at)
        return await asyncio.shield(self._task)

    async def _run(self) -> T:
        return await self._call()


def _look_at(task: asyncio.Task[T]) -> None:
    """When every caller has gone, a failed call has nobody to raise to: that is no error of the event loop."""
    if not task.cancelled():
        task.exception()
