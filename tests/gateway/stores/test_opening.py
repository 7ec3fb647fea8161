"""A configuration that names Redis is served from it, and `lanyard check` says what is wrong with it before anybody signs on."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from gateway.app import open_gateway
from gateway.config import load
from gateway.errors import ConfigError
from gateway.installation import opened_store
from gateway.keys import seal_of
from gateway.stores.opening import open_store, redis_problems
from gateway.stores.replicated import ReplicatedStore
from gateway.stores.testing import MAIN, session, shift
from sso.session import token_hash
from tests.counterparts.postgres import PASSWORD as DATABASE_PASSWORD
from tests.counterparts.postgres import PostgresServer
from tests.counterparts.redis_servers import RedisServer
from tests.gateway.installation import Installation, installation

pytestmark = pytest.mark.counterpart


@pytest.fixture
def place(tmp_path: Path, postgres: PostgresServer, redis_running: RedisServer) -> Installation:
    """One with both servers."""
    with redis_running.client() as client:
        client.flushall()
    made = installation(tmp_path)
    for name, password in (("database", DATABASE_PASSWORD), ("redis", redis_running.password)):
        (tmp_path / f"{name}.password").write_text(password)
        made.values["gateway"][f"{name}_password"] = {"file": str(tmp_path / f"{name}.password")}
    made.values["gateway"]["database_url"] = postgres.new_database(f"opening-{secrets.token_hex(4)}")
    made.values["gateway"]["redis_url"] = redis_running.url
    made.write()
    return made


async def test_gateways_and_commands_share_what_redis_keeps(place: Installation) -> None:
    """What a gateway has seated, a command finds; the gateway opens by the same configuration."""
    config = load(place.path)
    store = open_store(config, seal_of(config))
    assert isinstance(store, ReplicatedStore)
    await store.begin()
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    async with opened_store(config) as other:
        assert await other.by_token(token_hash("token")) is not None
    await store.watch()
    await store.close()
    running = await open_gateway(config)
    await running.closing.aclose()


async def test_a_policy_that_lets_sessions_vanish_stops_the_start(
    place: Installation, redis_running: RedisServer
) -> None:
    """With its name, and what to set; `lanyard check --live` says the same (F13)."""
    config = load(place.path)
    assert await redis_problems(config, live=True) == []
    with redis_running.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            (said,) = await redis_problems(config, live=True)
            with pytest.raises(ConfigError, match="allkeys-lru"):
                await open_gateway(config)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert "set `maxmemory-policy noeviction`" in said


async def test_a_check_names_what_of_redis_cannot_be_used(place: Installation, tmp_path: Path) -> None:
    """A server that is away, authorities that cannot be read, a password file that is gone: each by its key."""
    place.values["gateway"]["redis_url"] = "redis://127.0.0.1:1/0"
    place.write()
    assert await redis_problems(load(place.path), live=False) == []
    (away,) = await redis_problems(load(place.path), live=True)
    assert away.startswith("gateway.redis_url: ")
    place.values["gateway"]["redis_ca_file"] = str(tmp_path / "none.pem")
    place.write()
    (unread,) = await redis_problems(load(place.path), live=False)
    assert unread.startswith("gateway.redis_ca_file: ")
    (tmp_path / "redis.password").unlink()
    del place.values["gateway"]["redis_ca_file"]
    place.write()
    (gone,) = await redis_problems(load(place.path), live=False)
    assert "redis_password" in gone
