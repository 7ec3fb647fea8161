"""Log-ons that are live: held here, kept in the store, and, where that is shared, the same at every gateway.

A clinician's requests may come to one gateway after another. So before each, it is looked whether the log-on has another version
than the one held here; and what an answer changed in it is kept before that answer is let out, by whoever read the latest
version: whoever did not reads it, and does the same again to that. What nobody used for some minutes is in the store alone. With one
process on the store none of this is needed: what has changed is written once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from weakref import WeakValueDictionary

from .leases import Lease, Leases
from .log_on import Key, LogOn
from .stores.base import UpstreamStore

Change = Callable[[LogOn], Awaitable[bool]]


class SharedOrNot(UpstreamStore, Protocol):
    """Where they are kept, and whether others write there."""

    @property
    def shared(self) -> bool: ...


async def _as_it_is(live: LogOn) -> bool:
    return True


class LogOns:
    def __init__(self, store: SharedOrNot, leases: Leases) -> None:
        self._store = store
        self._leases = leases
        self._held: dict[Key, LogOn] = {}
        self._let_go: dict[Key, str] = {}  # whose they were
        self._changing: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    @property
    def shared(self) -> bool:
        """Just now: another crew may come and go."""
        return self._store.shared

    def turn(self, key: Key) -> AbstractAsyncContextManager[Lease]:
        """One at a time logs on and off under a key, at whichever gateway. Raises StoreUnavailable."""
        return self._leases.held("log-on", *key)

    def known(self) -> list[tuple[Key, str]]:
        """Those that were used here, and by which session last as far as is known here. Others may have ended them."""
        return [*((live.key, live.holder) for live in self._held.values()), *self._let_go.items()]

    def let_go(self) -> None:
        """Of those whom nobody has used since this was last called. Every few minutes."""
        if not self.shared:
            return
        for key, live in list(self._held.items()):
            if live.idle:
                self._forget(key)
                self._let_go[key] = live.holder
            live.idle = True

    async def now(self, key: Key) -> LogOn | None:
        """As it is, wherever it was changed last. Raises StoreUnavailable."""
        held = self._held.get(key)
        if not self.shared:
            return held
        version = await self._store.upstream_version(key)
        if held is not None and held.version == version:
            held.idle = False
            return held
        if version:
            return await self._read(key)
        self._forget(key)
        return None

    async def kept(self, key: Key) -> LogOn | None:
        """The same, also from before a restart. In its turn only."""
        return await self.now(key) or await self._read(key)

    async def _read(self, key: Key) -> LogOn | None:
        found = await self._store.get_upstream(key)
        if found is None:
            self._forget(key)
            return None
        version, value = found
        return self._hold(LogOn.of(key, value, version))

    def _hold(self, live: LogOn) -> LogOn:
        self._let_go.pop(live.key, None)
        self._held[live.key] = live
        return live

    def _forget(self, key: Key) -> None:
        self._held.pop(key, None)
        self._let_go.pop(key, None)

    async def made(self, live: LogOn, *, in_place_of: LogOn | None) -> bool:
        """Keep a new one, in its turn. False where the turn had passed meanwhile, and another one stands there."""
        after = in_place_of.version if in_place_of is not None else 0
        while (version := await self._put(live, after if self.shared else None)) is None:
            other = await self.now(live.key)
            if other is not None and (in_place_of is None or other.id != in_place_of.id):
                return False
            after = other.version if other is not None else 0
        live.version = version
        self._hold(live)
        return True

    async def change(self, live: LogOn, work: Change) -> LogOn | None:
        """Do this to the log-on as it is by now, and keep what comes of it; the one it was done to. `work` says whether it changed
        anything, and may be asked again. None, and nothing is kept, where this log-on is over. Raises StoreUnavailable."""
        if not self.shared:
            held = self._held.get(live.key)  # another object where it was read anew, when the store was shared
            live = held if held is not None and held.id == live.id else live
            live.dirty |= await work(live)
            return live
        async with self._changing.setdefault(live.key, asyncio.Lock()):
            found = self._held.get(live.key) or await self.now(live.key)
            try:
                while found is not None and found.id == live.id:
                    if not await work(found) or await self._written(found):
                        return found
                    found = await self._read(live.key)
            except BaseException:
                self._forget(live.key)  # what is held here and what is kept may differ
                raise
        return None

    async def _written(self, live: LogOn) -> bool:
        version = await self._put(live, live.version)
        if version is None:
            return False
        live.version = version
        self._hold(live)
        return True

    async def end(self, live: LogOn) -> bool:
        """Forget it, in its turn; False where somebody else has, or has made another."""
        found = await self.now(live.key)
        if found is None or found.id != live.id:
            return False
        self._forget(live.key)
        await self._store.delete_upstream(live.key)
        return True

    async def keep(self) -> None:
        """Write what has changed, where that was not done at once. Called every second and at the end."""
        for live in [one for one in self._held.values() if one.dirty]:
            live.dirty = False
            if self.shared:  # changed just before it was
                await self.change(live, _as_it_is)
            else:
                live.version = await self._put(live, None) or 0

    async def share(self) -> None:
        """Others may read them from here on: all that is known of each is written. The store is `shared` already."""
        for live in list(self._held.values()):
            async with self._changing.setdefault(live.key, asyncio.Lock()):
                live.dirty = False
                live.version = await self._put(live, None) or 0

    async def catch_up(self) -> None:
        """Nobody else writes any more: what others have changed is read. The store is `shared` still."""
        for key, _ in self.known():
            await self.now(key)

    async def _put(self, live: LogOn, after: int | None) -> int | None:
        return await self._store.put_upstream(live.key, live.kept(whole=self.shared), live.holder, after=after)
