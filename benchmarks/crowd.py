"""Many shifts at once, each with a log-on at the system: written to Redis by the product's own rooms, as a gateway does it.

Nobody signs on over HTTP for it, and PostgreSQL gets no copy: that is not asked while Redis has not forgotten anything.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, cast

from connectors.base import UpstreamSession
from gateway.app import seal_of
from gateway.config import Config
from gateway.log_on import LogOn
from gateway.sessions import Seat, Sessions
from gateway.store_places import redis_place
from gateway.stores.base import Store
from gateway.stores.redis.connection import Server
from gateway.stores.redis.store import RedisStore
from tests.counterparts.redis_servers import PASSWORD

from .seats import seat_one

T = TypeVar("T")

_AT_ONCE = 16
_PATIENCE = 10.0  # seconds: on a busy machine nobody is to begin again
_COOKIE = {
    "name": "SID",
    "value": "",
    "domain": "127.0.0.1",
    "path": "/",
    "secure": False,
    "expires": None,
    "discard": True,
}


class Crowd:
    """`cookies` at the system's host, one for each shift."""

    def __init__(self, config: Config, host: str) -> None:
        self._config = config
        self._host = host
        self._seats: list[Seat] = []
        self.cookies: list[str] = []

    def seat(self, many: int, *, first: int) -> None:
        """`first`: the number of the first clinician."""

        async def one(store: RedisStore, number: int) -> None:
            sessions = Sessions(cast("Store", store), time.time, longest=self._config.shift.longest)
            seated = await seat_one(sessions, self._config, number)
            self._seats.append(seated)
            self.cookies.append(await sessions.token(seated, self._host))

        asyncio.run(self._each(range(first, first + many), one))

    def log_on(self, system: str) -> None:
        """Each of them."""

        async def one(store: RedisStore, seat: Seat) -> None:
            session = UpstreamSession(
                secrets.token_hex(16), system, {"cookies": [_COOKIE | {"value": secrets.token_hex(16)}]}
            )
            live = LogOn(("session", seat.session.id, system), seat.session.id, session, 1, again=False)
            await store.put_upstream(live.key, live.kept(whole=True), live.holder)

        asyncio.run(self._each(self._seats, one))

    async def _each(self, of: Iterable[T], do: Callable[[RedisStore, T], Awaitable[None]]) -> None:
        place = redis_place(str(self._config.gateway.redis_url))
        store = RedisStore(Server(place, password=PASSWORD, timeout=_PATIENCE), seal_of(self._config))
        waiting = iter(of)

        async def one_after_another() -> None:
            for each in waiting:
                await do(store, each)

        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(one_after_another())
        await store.close()
