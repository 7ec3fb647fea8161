"""Two crews on one file for a while: one takes over, and the other finishes what it has begun.

A gateway whose one worker has the file to itself keeps log-ons and their jars in memory and writes them once a second. Before another
crew begins, all of it is written; from then on both do as gateways on a shared store do, until one is left.
"""

from __future__ import annotations

from .sessions import Sessions
from .stores.base import Store
from .stores.sqlite import SqliteStore
from .upstreams import UpstreamSessions


class Company:
    def __init__(self, store: Store, sessions: Sessions, upstreams: UpstreamSessions, *, always: bool) -> None:
        """`always`: there are other workers in any case."""
        self._file = store if isinstance(store, SqliteStore) and not always else None
        self._sessions = sessions
        self._upstreams = upstreams

    async def begins(self) -> None:
        """Another crew is about to begin. Raises StoreUnavailable."""
        if self._file is None or self._file.shared:
            return
        self._file.shared = True
        self._sessions.believe_nothing()
        await self._sessions.flush(all_of_it=True)
        await self._upstreams.share()

    async def ends(self) -> None:
        """The other crew is gone. Raises StoreUnavailable: then it goes on as if it were not."""
        if self._file is None or not self._file.shared:
            return
        await self._upstreams.catch_up()
        self._file.shared = False
        self._sessions.believe_nothing()
