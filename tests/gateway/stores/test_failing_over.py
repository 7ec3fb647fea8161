"""A Redis server that lost the last second takes nobody's session away, and brings none back."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.store_places import database_place, redis_place
from gateway.stores.base import Cookie
from gateway.stores.postgres import PostgresStore
from gateway.stores.redis.connection import Server
from gateway.stores.redis.store import RedisStore
from gateway.stores.replicated import Lasting, ReplicatedStore
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN, NURSE, PAS, T0, session, shift
from policies.model import Device
from sso.errors import StoreFull, StoreUnavailable
from sso.seal import Seal
from sso.session import token_hash
from tests.counterparts.postgres import PASSWORD, PostgresServer
from tests.counterparts.redis_servers import RedisServer, Sentinels, redis_server, sentinels

T = TypeVar("T")
KEY = b"k" * 32
NOWHERE = Device("", "")


def over(url: str, password: str, lasting: Lasting, **options: float) -> ReplicatedStore:
    """One gateway's store."""
    server = Server(redis_place(url), password=password, **{"timeout": 1.0, **options})  # type: ignore[arg-type]  # its one float
    return ReplicatedStore(RedisStore(server, Seal([KEY])), lasting)


async def seat(store: ReplicatedStore, name: str) -> None:
    """A clinician with one session, whose cookie is the name."""
    own = shift(f"shift-{name}", replace(NURSE, subject=name))
    await store.seat(own, session(name, own.id, device=NOWHERE), MAIN, token_hash(name))


async def at_last(ask: Callable[[], Awaitable[T]], within: float = 30.0) -> T:
    """What it answers as soon as it does."""
    async with asyncio.timeout(within):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await ask()
            await asyncio.sleep(0.02)


async def opens(store: ReplicatedStore, name: str) -> bool:
    """Whether a cookie is worth something."""
    found = await at_last(lambda: store.by_token(token_hash(name)))
    assert found is None or found.session.id == name.partition("@")[0]  # never anybody else's
    return found is not None and found.session.ended is None and found.shift.ended is None


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that may be killed. It keeps what it was told to save."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
async def store(own_redis: RedisServer, tmp_path: Path) -> AsyncIterator[ReplicatedStore]:
    """On that server, and a file in place of the database."""
    lasting = SqliteStore(tmp_path / "sessions.db", Seal([KEY]), shared=True)
    opened = over(own_redis.url, own_redis.password, lasting)
    yield opened
    await opened.close()


def begin_anew(running: RedisServer) -> None:
    running.kill()
    running.begin()


async def test_an_empty_server_costs_nobody_their_session(store: ReplicatedStore, own_redis: RedisServer) -> None:
    """It is found in the copy and put back; whoever had signed off is signed off still."""
    for name in ("stays", "went"):
        await seat(store, name)
    await end(store, "went")
    await store.watch()
    begin_anew(own_redis)
    assert await opens(store, "stays")
    assert not await opens(store, "went")
    assert not await opens(store, "nobody")
    with own_redis.client() as client:
        assert [key for key in client.scan_iter() if ":session:" in key] != []


async def end(store: ReplicatedStore, name: str) -> None:
    """Sign off."""
    kept = await at_last(lambda: store.session(name))
    assert kept is not None
    await store.put_session(replace(kept, ended=T0 + 9, end_reason="signed-off"))
    await store.forget_tokens(name)


async def test_what_ended_since_an_old_memory_was_saved_stays_ended(
    store: ReplicatedStore, own_redis: RedisServer
) -> None:
    """A session, a shift, cookies that were replaced, and a lock: as the copy has them, for another gateway too."""
    for name in ("stays", "went", "over", "renewed", "locked"):
        await seat(store, name)
    await store.add_token("renewed", PAS, token_hash("renewed@pas"), T0 + 300)
    await store.watch()
    with own_redis.client() as client:
        client.save()
    await end(store, "went")
    kept = await store.shift("shift-over")
    assert kept is not None
    await store.put_shift(replace(kept, ended=T0 + 9))
    await store.renew_tokens("renewed", MAIN, token_hash("renewed@2"), T0 + 9)
    locked = await store.session("locked")
    assert locked is not None
    locked.lock(T0 + 9, "clinician")
    await store.put_session(locked)
    begin_anew(own_redis)
    assert await opens(store, "stays")
    assert [await opens(store, name) for name in ("went", "over", "renewed", "renewed@pas")] == [False] * 4
    assert await opens(store, "renewed@2")
    found = await store.session("locked")
    assert found is not None
    assert found.locked == T0 + 9


async def test_whose_session_changed_a_moment_ago_keeps_the_cookies_for_minutes(
    store: ReplicatedStore, own_redis: RedisServer
) -> None:
    """They are in Redis alone, and go only where cookies were taken back since: nobody at work in a system is sent to sign on."""
    for name in ("busy", "left"):
        await seat(store, name)
        await store.add_token(name, PAS, token_hash(f"{name}@pas"), T0 + 300)
    await store.watch()
    with own_redis.client() as client:
        client.save()
    for name in ("busy", "left"):
        kept = await store.session(name)
        assert kept is not None
        await store.put_session(replace(kept, last_seen=T0 + 9))
    await store.forget_tokens("left")
    begin_anew(own_redis)
    assert [await opens(store, cookie) for cookie in ("busy", "busy@pas")] == [True, True]
    assert [await opens(store, cookie) for cookie in ("left", "left@pas")] == [False, False]


async def test_a_memory_of_which_nobody_knows_the_age_is_held_against_the_copy(
    store: ReplicatedStore, own_redis: RedisServer
) -> None:
    """Each answer: what has ended has, what was replaced is nothing, and whoever is signed on is."""
    for name in ("stays", "went", "over", "renewed"):
        await seat(store, name)
    await store.watch()
    with own_redis.client() as client:
        client.hset("{lanyard}:copied", "place", "999999")
        client.save()
    await end(store, "went")
    kept = await store.shift("shift-over")
    assert kept is not None
    await store.put_shift(replace(kept, ended=T0 + 9))
    await store.renew_tokens("renewed", MAIN, token_hash("renewed@2"), T0 + 9)
    begin_anew(own_redis)
    assert [await opens(store, name) for name in ("stays", "renewed@2")] == [True, True]
    assert [await opens(store, name) for name in ("went", "over", "renewed")] == [False] * 3
    went = await store.session("went")
    assert went is not None
    assert went.ended == T0 + 9
    assert await store.by_subject(NURSE.issuer, "over") == []
    assert [one.id for one in await store.by_subject(NURSE.issuer, "stays")] == ["shift-stays"]


async def test_nothing_is_read_from_a_new_server_before_the_copy_was_asked(
    store: ReplicatedStore, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database is away as well, nobody can know what has ended: 503, and not somebody's old session."""
    await seat(store, "stays")
    await store.watch()
    with own_redis.client() as client:
        client.save()
    begin_anew(own_redis)

    async def away(place: str) -> None:
        raise StoreUnavailable("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(store._lasting, "written_since", away)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.by_token(token_hash("stays"))
    assert await opens(store, "stays")


async def test_a_database_that_is_away_stops_no_sign_on_and_no_end(
    store: ReplicatedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both hold at once; the copy has them as soon as it answers again, in their order."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("the database is away")

    with monkeypatch.context() as patched:
        for name in ("seat", "put_session", "put_shift", "forget_tokens"):
            patched.setattr(store._lasting, name, away)
        await seat(store, "stays")
        await seat(store, "went")
        await end(store, "went")
        assert [await opens(store, name) for name in ("stays", "went")] == [True, False]
        assert store.owed > 0
    await at_last(store.watch)
    assert store.owed == 0
    assert await store._lasting.by_token(token_hash("stays")) is not None
    kept = await store._lasting.session("went")
    assert kept is not None
    assert kept.ended == T0 + 9


async def test_a_full_server_takes_nobody_new_and_sends_nobody_away(
    store: ReplicatedStore, own_redis: RedisServer
) -> None:
    """Who is signed on goes on, locks, unlocks and signs off; nothing was evicted (F13)."""
    for name in ("stays", "went"):
        await seat(store, name)
    with own_redis.client() as client:
        client.config_set("maxmemory", "1mb")
        with pytest.raises(StoreFull):
            await seat(store, "new")
        with pytest.raises(StoreFull):
            await store.put_code("pending", "state", b"value", T0 + 60)
        found = await store.by_token(token_hash("stays"))
        assert isinstance(found, Cookie)
        found.session.lock(T0 + 5, "clinician")
        await store.put_session(found.session)
        await store.touch([replace(found.session, last_seen=T0 + 6)])
        await store.add_token("stays", PAS, token_hash("stays@pas"), T0 + 60)
        await store.put_code("enter", "code", b"value", T0 + 60)
        assert await store.take_code("enter", "code", T0) == b"value"
        await end(store, "went")
        assert not await opens(store, "went")
        client.config_set("maxmemory", "0")
        await seat(store, "newer")
        assert client.info("stats")["evicted_keys"] == 0


@pytest.mark.counterpart
async def test_a_promoted_replica_that_lost_the_last_second_resurrects_nobody(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Ends, locks and renewed cookies hold at every gateway from its first answer on, and whoever had just signed on is (F11)."""
    url = postgres.new_database(f"fail-over-{secrets.token_hex(4)}")

    def opened(running: Sentinels) -> ReplicatedStore:
        lasting = PostgresStore(database_place(url), PASSWORD, Seal([KEY]))
        return over(running.url, running.primary.password, lasting, timeout=0.5)

    with sentinels(tmp_path) as running:
        one, other = opened(running), opened(running)
        await until_replicated(running)
        before, lost = [f"before-{n}" for n in range(20)], [f"lost-{n}" for n in range(5)]
        for name in before:
            await seat(one, name)
        for store in (one, other):
            await store.watch()
            assert await opens(store, before[0])
        await until_replicated(running)
        with running.primary.client() as primary:
            running.replica.stand_still()
            primary.client_kill_filter(_type="replica")
        for name in before[:10]:
            await end(one, name)
        for name in lost:
            await seat(one, name)
        running.primary.kill()
        running.replica.go_on()
        answered = await at_last(lambda: other.by_token(token_hash(before[-1])))
        promoted = time.monotonic()
        assert answered is not None
        for store in (other, one):
            assert [await opens(store, name) for name in before] == [False] * 10 + [True] * 10
            assert [await opens(store, name) for name in lost] == [True] * 5
        assert time.monotonic() - promoted < 10.0
        with running.replica.client() as replica:
            assert replica.info("replication")["role"] == "master"
        for store in (one, other):
            await store.close()


async def until_replicated(running: Sentinels) -> None:
    """The replica has heard everything, and the sentinels know of it."""
    async with asyncio.timeout(30):
        with running.primary.client() as primary, running.sentinels[0].log.open() as log:
            said = ""
            while "+slave" not in said or not primary.execute_command("WAIT", 1, 100):
                said += log.read()
                await asyncio.sleep(0.05)
