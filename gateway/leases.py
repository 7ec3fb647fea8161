"""One at a time, wherever they are: a lock that is renewed while it is held, and that runs out when its holder is gone.

Within a gateway whoever comes second waits for the first. Where the store is shared, so do those at other gateways, by a lease
in it: a holder who dies blocks nobody longer than the lease lasts, and one who takes longer than that goes on holding it. A
holder who was stopped for longer than its lease may find that another has taken it: what it then writes has to be refused
by what it writes to (a version, a count), and is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

from sso.errors import StoreUnavailable

from . import logs
from .stores.base import LeaseStore, key_hash

LASTS = 5.0  # seconds
_ASKED_AGAIN = 0.02, 0.1  # seconds until whoever waits asks again: from, to


@dataclass(slots=True)
class Lease:
    """Held just now. `fence` rises with every taking."""

    fence: int = 0
    lost: bool = False  # another may have it: it could not be renewed in time


class Leases:
    def __init__(self, store: LeaseStore, *, shared: bool, lasts: float = LASTS) -> None:
        """`shared`: whether there may be other gateways. `lasts`: seconds that a holder who is gone still holds."""
        self._store = store
        self._shared = shared
        self._lasts = lasts
        self._here: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def held(self, *name: str) -> AsyncIterator[Lease]:
        """Wait for one's turn, and have it. Raises StoreUnavailable."""
        key = key_hash(*name)
        async with self._here.setdefault(key, asyncio.Lock()):
            if not self._shared:
                yield Lease()
                return
            async with self._everywhere(key) as lease:
                yield lease

    @contextlib.asynccontextmanager
    async def _everywhere(self, key: str) -> AsyncIterator[Lease]:
        holder = secrets.token_hex(16)
        lease = Lease(await self._fence(key, holder))
        renewing = asyncio.ensure_future(self._renewed(key, holder, lease))
        try:
            yield lease
        finally:
            renewing.cancel()
            with contextlib.suppress(StoreUnavailable):  # then it runs out by itself
                await self._store.drop_lease(key, holder)

    async def _fence(self, key: str, holder: str) -> int:
        """Once it is this one's turn."""
        while True:
            if (fence := await self._store.take_lease(key, holder, self._lasts)) is not None:
                return fence
            await asyncio.sleep(random.uniform(*_ASKED_AGAIN))  # noqa: S311  # spreads those who wait, and keeps no secret

    async def _renewed(self, key: str, holder: str, lease: Lease) -> None:
        """At a third of its time, until it is lost."""
        good = time.monotonic() + self._lasts
        while time.monotonic() < good:
            await asyncio.sleep(self._lasts / 3)
            asked = time.monotonic()
            try:
                if not await self._store.renew_lease(key, holder, self._lasts):
                    break
                good = asked + self._lasts
            except StoreUnavailable:
                continue
        lease.lost = True
        logs.log().warning("a lease was lost while its work went on", fence=lease.fence)
