"""Redis with a lasting copy keeps the contract of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from gateway.store_places import redis_place
from gateway.stores.base import Store
from gateway.stores.redis.connection import Server
from gateway.stores.redis.store import RedisStore
from gateway.stores.replicated import ReplicatedStore
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import StoreContract
from sso.seal import Seal
from tests.counterparts.redis_servers import RedisServer

KEY = b"k" * 32


def come_to(client: redis.Redis, now: float) -> None:
    """What the server does at that time by itself: keys whose time is over are gone."""
    for key in client.scan_iter():
        if 0 < client.pexpiretime(key) <= now * 1000:
            client.delete(key)


class TestReplicatedStore(StoreContract):
    """The contract, on Redis and a file."""

    @pytest.fixture(autouse=True)
    async def _opened(self, tmp_path: Path, redis_running: RedisServer) -> AsyncIterator[None]:
        self._path, self._redis = tmp_path / "sessions.db", redis_running
        self._stores: list[Store] = []
        with redis_running.client() as self._client:
            self._client.flushall()
            self.store = await self.open()
            yield
            for store in self._stores:
                await store.close()

    async def open(self) -> Store:
        server = Server(redis_place(self._redis.url), password=self._redis.password, timeout=5.0)
        lasting = SqliteStore(self._path, Seal([KEY]), shared=True)
        self._stores.append(ReplicatedStore(RedisStore(server, Seal([KEY])), lasting))
        return self._stores[-1]

    async def come_to(self, now: float) -> None:
        """As the server would by itself."""
        come_to(self._client, now)
        await self.store.sweep(now)
