"""Redis with a lasting copy keeps the contract of every store."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from gateway.store_places import database_place, redis_place
from gateway.stores.base import Store
from gateway.stores.postgres import PostgresStore
from gateway.stores.redis.connection import Server
from gateway.stores.redis.scripts import DOUBTED
from gateway.stores.redis.store import LOST, RedisStore
from gateway.stores.replicated import Lasting, ReplicatedStore
from gateway.stores.schema import metadata
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN, NURSE, StoreContract, session, shift
from sso.seal import Seal
from sso.session import token_hash
from tests.counterparts.postgres import PASSWORD, PostgresServer
from tests.counterparts.redis_servers import RedisServer

KEY = b"k" * 32


def come_to(client: redis.Redis, now: float) -> None:
    """What the server does at that time by itself: keys whose time is over are gone."""
    for key in client.scan_iter():
        if 0 < client.pexpiretime(key) <= now * 1000:
            client.delete(key)


class OnServers(StoreContract):
    """The contract, on Redis and a store that lasts."""

    def lasting(self) -> Lasting:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    async def _opened(self, _emptied: None, redis_running: RedisServer) -> AsyncIterator[None]:
        self._redis = redis_running
        self._stores: list[Store] = []
        with redis_running.client() as self._client:
            self._client.flushall()
            self.store = await self.open()
            yield
            for store in self._stores:
                await store.close()

    async def open(self) -> Store:
        server = Server(redis_place(self._redis.url), password=self._redis.password, timeout=5.0)
        self._stores.append(ReplicatedStore(RedisStore(server, Seal([KEY])), self.lasting()))
        return self._stores[-1]

    async def test_a_new_installation_has_lost_nothing(self) -> None:
        """So nobody's sign-on asks the copy; once there was somebody, an empty Redis has lost them."""
        await self.store.begin()
        await self.store.seat(shift(), session(), MAIN, token_hash("cookie"))
        assert await self.store.by_subject(NURSE.issuer, NURSE.subject) == [shift()]
        assert self._client.get(DOUBTED) is None
        self._client.flushall()
        other = await self.open()
        assert await other.by_subject(NURSE.issuer, NURSE.subject) == [shift()]
        assert self._client.get(DOUBTED) == LOST

    async def come_to(self, now: float) -> None:
        """As the server would by itself."""
        come_to(self._client, now)
        await self.store.sweep(now)


class TestOverAFile(OnServers):
    """Redis and a file."""

    @pytest.fixture
    def _emptied(self, tmp_path: Path) -> None:
        self._path = tmp_path / "sessions.db"

    def lasting(self) -> Lasting:
        return SqliteStore(self._path, Seal([KEY]), shared=True)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> str:
    return postgres.new_database(f"replicated-{secrets.token_hex(4)}")


@pytest.mark.counterpart
class TestOverPostgres(OnServers):
    """Redis and PostgreSQL, as in production."""

    @pytest.fixture
    async def _emptied(self, postgres: PostgresServer, database: str) -> None:
        self._database = database
        await self.lasting().close()  # its tables are there
        tables = ", ".join(f'"{name}"' for name in metadata.tables)
        with postgres.connect(database.rpartition("/")[2]) as c:
            c.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())

    def lasting(self) -> Lasting:
        return PostgresStore(database_place(self._database), PASSWORD, Seal([KEY]))
