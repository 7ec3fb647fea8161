"""How many sit down at once: whoever signs on waits a little, so that those who are at work wait for nobody.

A place is held for what a sign-on writes, never while the provider is asked: a slow provider keeps nobody out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Places:
    """`most` at once; whoever has waited for `patience` seconds goes on without one."""

    def __init__(self, most: int, patience: float) -> None:
        self._free = asyncio.Semaphore(most)
        self._patience = patience

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """In the order of arrival. Never refuses."""
        taken = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                taken = await self._free.acquire()
        try:
            yield
        finally:
            if taken:
                self._free.release()
