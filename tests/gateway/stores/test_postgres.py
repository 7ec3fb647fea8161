"""The store on PostgreSQL keeps the contract, and nobody waits for a server that is away."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlalchemy.event import listen

from gateway.store_places import database_place
from gateway.stores.base import Store, key_hash
from gateway.stores.postgres import PostgresStore
from gateway.stores.schema import metadata
from gateway.stores.testing import MAIN, NURSE, PAS, T0, StoreContract, enrolled, session, shift
from sso.errors import DeviceRefused, StoreUnavailable
from sso.seal import Seal
from sso.session import token_hash
from tests.counterparts.postgres import PASSWORD, PostgresServer, postgres_server

KEY = b"k" * 32
pytestmark = pytest.mark.counterpart


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> str:
    return postgres.new_database(f"stores-{secrets.token_hex(4)}")


def opened(url: str, alarm: Callable[[str, str], None] = lambda *_: None) -> PostgresStore:
    return PostgresStore(database_place(url), PASSWORD, Seal([KEY]), alarm=alarm)


class Gateways:
    """As many gateways on one empty database as a test opens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stores: list[PostgresStore] = []

    def open(self) -> PostgresStore:
        self.stores.append(opened(self.url))
        return self.stores[-1]

    async def close(self) -> None:
        for store in self.stores:
            await store.close()


@pytest.fixture
async def gateways(postgres: PostgresServer, database: str) -> AsyncIterator[Gateways]:
    several = Gateways(database)
    several.open()
    tables = ", ".join(f'"{name}"' for name in metadata.tables)
    with postgres.connect(database.rpartition("/")[2]) as c:
        c.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())
    yield several
    await several.close()


class TestPostgresStore(StoreContract):
    """The contract, on a server."""

    @pytest.fixture(autouse=True)
    def _opened(self, gateways: Gateways) -> None:
        self._gateways = gateways
        self.store = gateways.stores[0]

    async def open(self) -> Store:
        return self._gateways.open()


# Several gateways at once


async def test_what_several_do_at_once_comes_out_as_if_one_after_the_other(gateways: Gateways) -> None:
    """One takes a code, nobody's count is lost, one is new, one holds the lease, and one log-on is the first."""
    one, other = gateways.stores[0], gateways.open()
    await one.put_code("enter", "code", b"value", T0 + 60)
    both = [store for _ in range(20) for store in (one, other)]
    taken = await asyncio.gather(*(store.take_code("enter", "code", T0) for store in both))
    assert sorted(taken, key=bool) == [None] * 39 + [b"value"]
    counted = await asyncio.gather(*(store.tally("pin", "n.okoye", T0, T0 + 60) for store in both))
    assert sorted(counted) == list(range(1, 41))
    assert sum(await asyncio.gather(*(store.first_time("jti", "one", T0 + 60, T0) for store in both))) == 1
    fences = await asyncio.gather(*(s.take_lease("log-on", f"holder-{n}", 30.0) for n, s in enumerate(both)))
    assert [fence for fence in fences if fence is not None] == [1]
    key = ("session-1", "pas")
    versions = await asyncio.gather(*(store.put_upstream(key, b"jar", "session-1", after=0) for store in both))
    assert [version for version in versions if version is not None] == [1]
    versions = await asyncio.gather(*(store.put_upstream(key, b"jar", "session-1") for store in both))
    assert sorted(version or 0 for version in versions) == list(range(2, 42))


async def test_of_two_that_write_a_session_at_once_neither_opens_the_other_s_lock(gateways: Gateways) -> None:
    """Also where both write it for the first time; and what has ended stays ended."""
    one, other = gateways.stores[0], gateways.open()
    for turn in range(20):
        name = f"session-{turn}"
        locked, open_ = session(name, turn=1, locked=T0 + 5, lock_reason="clinician"), session(name, hosts=(PAS,))
        await asyncio.gather(*(s.put_session(what) for s in (one, other) for what in (locked, open_)))
        kept = await one.session(name)
        assert kept is not None
        assert kept.locked == T0 + 5
        ended = session(name, ended=T0 + 9)
        await asyncio.gather(one.put_session(ended), other.put_session(open_), other.touch([open_]))
        kept = await other.session(name)
        assert kept is not None
        assert kept.ended == T0 + 9


async def test_a_device_that_is_revoked_while_somebody_sits_down_seats_nobody(gateways: Gateways) -> None:
    """Either the seat is refused, or it is ended with the others: nobody is left on it."""
    one, other = gateways.stores[0], gateways.open()
    for turn in range(15):
        device = enrolled(f"device-{turn}")
        await one.put_device(device)
        sits = session(f"session-{turn}", f"shift-{turn}")
        sits.device = type(sits.device)(device.id, device.name)
        sitting = one.seat(shift(f"shift-{turn}"), sits, MAIN, token_hash(f"token-{turn}"))
        refused, _ = await asyncio.gather(sitting, other.revoke_device(device.id, T0 + 1), return_exceptions=True)
        assert refused is None or isinstance(refused, DeviceRefused)
        assert await one.sessions_on(device.id) == []


async def test_nothing_that_is_written_at_the_same_time_goes_unheard(gateways: Gateways) -> None:
    """However transactions overlap: whoever reads again and again hears each key once at least."""
    one, other, reader = gateways.stores[0], gateways.open(), gateways.open()
    place, heard = (await reader.heard(None)).place, set[str]()

    async def write(store: PostgresStore, begin: int) -> None:
        for turn in range(begin, 40, 4):
            await store.put_session(session(f"{turn}" if store is one else f"other-{turn}"))

    writing = asyncio.gather(*(write(store, begin) for store in (one, other) for begin in range(4)))
    done = False
    while not done:
        done = writing.done()
        found = await reader.heard(place)
        assert found.keys is not None
        place, heard = found.place, heard | found.keys
    await writing
    assert heard == {key_hash(f"{name}{turn}") for turn in range(40) for name in ("", "other-")}


async def test_whoever_gives_up_gets_and_leaves_nobody_else_s_answer(gateways: Gateways) -> None:
    """A caller that is gone at any moment costs its own answer only."""
    store = gateways.stores[0]
    for turn in range(20):
        await store.put_factor(NURSE.issuer, f"n{turn}", "pin", f"of n{turn}".encode())

    async def ask(turn: int) -> None:
        asking = asyncio.ensure_future(store.factor(NURSE.issuer, f"n{turn % 20}", "pin"))
        done, _ = await asyncio.wait([asking], timeout=(turn % 7) / 2000)
        if done:
            assert asking.result() == f"of n{turn % 20}".encode()
        else:
            asking.cancel()

    for begin in range(0, 200, 20):
        await asyncio.gather(*(ask(turn) for turn in range(begin, begin + 20)))
    assert await store.factor(NURSE.issuer, "n7", "pin") == b"of n7"


# A server that is away


@pytest.fixture(scope="module")
def harmed() -> Iterator[PostgresServer]:
    with postgres_server(durable=True) as running:
        yield running


@pytest.fixture
def server(harmed: PostgresServer) -> PostgresServer:
    """One that may be harmed, with an empty database; each test leaves it running."""
    with harmed.connect("postgres") as c:
        c.execute("DROP DATABASE lanyard")
        c.execute("CREATE DATABASE lanyard")
    return harmed


async def until_it_answers(store: PostgresStore) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await store.heard(None)
                return
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def test_whoever_comes_first_finds_every_connection_made(gateways: Gateways) -> None:
    """In a rush they would all be made at once, while those who are at work wait."""
    store, made = gateways.stores[0], list[object]()
    listen(store._engine, "connect", lambda connection, _: made.append(connection))
    await store.begin()
    known = len(made)
    assert known >= 5
    await asyncio.gather(*(store.session("session-1") for _ in range(20)))
    assert len(made) == known


async def test_a_sign_on_is_one_statement(gateways: Gateways) -> None:
    """Whoever signs on waits for one answer; who joins a shift for more, and gets the same."""
    store, asked = gateways.stores[0], list[str]()
    listen(store._engine, "before_cursor_execute", lambda _c, _u, statement, *_: asked.append(statement))
    await store.put_device(enrolled())
    place = (await store.heard(None)).place
    asked.clear()
    await store.seat(shift(), session(), MAIN, token_hash("cookie"))
    assert len(asked) == 1
    kept = await store.by_token(token_hash("cookie"))
    assert kept is not None
    assert (kept.session, kept.shift, kept.host) == (session(), shift(), MAIN)
    assert [one.id for one in await store.sessions_on("device-1")] == ["session-1"]
    assert (await gateways.open().heard(place)).keys == {key_hash("shift-1"), key_hash("session-1")}
    await store.seat(shift(renewed=1), session("session-2"), MAIN, token_hash("another"))
    assert await store.shift("shift-1") == shift(renewed=1)
    assert [one.id for one in await store.of_shift("shift-1")] == ["session-1", "session-2"]


async def test_a_cookie_that_is_another_session_s_seats_nobody(gateways: Gateways) -> None:
    """Neither shift nor session is there then: two people are never behind one cookie."""
    store = gateways.open()
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    with pytest.raises(StoreUnavailable):
        await store.seat(shift("shift-2"), session("session-2", "shift-2"), MAIN, token_hash("token"))
    assert await store.shift("shift-2") is None
    assert await store.session("session-2") is None
    with pytest.raises(StoreUnavailable):
        await store.seat(shift(), session("session-2"), MAIN, token_hash("token"))


async def test_a_seat_that_is_written_again_comes_to_the_same(gateways: Gateways) -> None:
    """Whoever did not hear that it was written writes it once more, and is not refused for ever."""
    store = gateways.stores[0]
    for _ in range(2):
        await store.seat(shift(), session(), MAIN, token_hash("cookie"))
    assert len(await store.of_shift("shift-1")) == 1


@pytest.mark.parametrize("how", ["stands still", "is dead"])
async def test_nobody_waits_for_a_server_that_is_away(server: PostgresServer, how: str) -> None:
    """The first few wait for a second; then everybody is refused at once, until it answers again."""
    said: list[str] = []
    store = opened(server.url(), lambda _, state: said.append(state))
    await store.put_session(session())
    (server.stand_still if how == "stands still" else server.kill)()
    for _ in range(3):
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.session("session-1")
        assert time.monotonic() - begun < 3
    begun = time.monotonic()
    for _ in range(50):
        with pytest.raises(StoreUnavailable, match="asked again"):
            await store.put_session(session())
    assert time.monotonic() - begun < 0.5
    (server.go_on if how == "stands still" else server.begin)()
    await until_it_answers(store)
    assert await store.session("session-1") == session()
    await store.close()
    assert said == ["failing", "ok"]


async def test_whoever_waits_for_others_says_nothing_of_the_server(gateways: Gateways) -> None:
    """More is asked at once than is done in time: some are refused, and everybody asks on (F23)."""
    said: list[str] = []
    store = opened(gateways.url, lambda _, state: said.append(state))
    slow = [store._do(lambda c: c.exec_driver_sql("SELECT pg_sleep(0.6)").scalar()) for _ in range(30)]
    done = await asyncio.gather(*slow, return_exceptions=True)
    assert sum(isinstance(one, StoreUnavailable) for one in done) > 6, "too little was asked"
    assert await store.session("session-1") is None
    await store.close()
    assert said == []


async def test_an_answer_that_waits_for_a_late_loop_is_taken(gateways: Gateways) -> None:
    """Nobody fails because this machine is busy (F23)."""
    store = gateways.stores[0]
    await store.put_session(session())

    async def ask(number: int) -> None:
        await asyncio.sleep(number * 0.02)
        assert await store.session("session-1") == session()

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(ask(number))
        for _ in range(4):
            time.sleep(1.2)  # nobody else comes to anything meanwhile
            await asyncio.sleep(0.01)


async def test_a_server_that_was_started_again_is_noticed_by_nobody(server: PostgresServer) -> None:
    """Its old connections are dead: what was asked over one is asked again over a new one."""
    said: list[str] = []
    store = opened(server.url(), lambda _, state: said.append(state))
    await asyncio.gather(*(store.put_session(session(f"session-{n}")) for n in range(8)))
    server.stop()
    server.begin()
    assert await store.session("session-1") is not None
    await asyncio.gather(*(store.put_session(session(f"session-{n}", hosts=(PAS,))) for n in range(8)))
    await store.close()
    assert said == []


async def test_a_table_that_somebody_holds_costs_a_second(gateways: Gateways, postgres: PostgresServer) -> None:
    """The server gives up what was asked, and the connection goes on."""
    store = gateways.stores[0]
    with postgres.connect(gateways.url.rpartition("/")[2]) as c, c.transaction():
        c.execute("LOCK TABLE session")
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.put_session(session())
        assert time.monotonic() - begun < 3
        assert await store.shift("shift-1") is None, "other tables answer"
    await store.put_session(session())
    assert await store.session("session-1") == session()


async def test_a_full_disk_takes_nobody_new_and_lets_everybody_be_looked_up(gateways: Gateways) -> None:
    """The server answers: however many writes it refuses, nobody is told that it is away (K04)."""
    (store,) = gateways.stores
    await store.put_shift(shift("at-work"))
    with store._engine.connect() as c, c.begin():
        c.exec_driver_sql(_NO_ROOM)
    try:
        for name in ("new", "newer", "newest", "too late"):
            with pytest.raises(StoreUnavailable, match="no room"):
                await store.put_shift(shift(name))
        assert await store.shift("at-work") is not None
    finally:
        with store._engine.connect() as c, c.begin():
            c.exec_driver_sql("DROP FUNCTION no_room CASCADE")


# What a server says that cannot extend a file.
_NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON shift EXECUTE FUNCTION no_room()
"""


async def test_a_gateway_that_starts_before_its_server_waits_for_it(server: PostgresServer) -> None:
    """It is unavailable until then, and its tables are made when it is there."""
    server.stop()
    said: list[str] = []
    store = opened(server.url(), lambda _, state: said.append(state))
    with pytest.raises(StoreUnavailable, match="asked again"):
        await store.heard(None)
    server.begin()
    await until_it_answers(store)
    await store.put_session(session())
    await store.close()
    assert said == ["failing", "ok"]


@pytest.mark.parametrize("wrong", ["password", "database"])
def test_a_server_that_refuses_us_is_told_at_start_without_the_password(postgres: PostgresServer, wrong: str) -> None:
    """With what the server said, and which database is meant."""
    url = postgres.url("nowhere") if wrong == "database" else postgres.url()
    password = "not-this-one" if wrong == "password" else PASSWORD
    with pytest.raises(StoreUnavailable, match=wrong) as told:
        PostgresStore(database_place(url), password, Seal([KEY]))
    assert password not in str(told.value)
    assert "127.0.0.1" in str(told.value)


async def test_a_stolen_database_holds_no_name_no_token_and_no_id(gateways: Gateways, postgres: PostgresServer) -> None:
    """Only hashes, instants and sealed values, and who held a lease."""
    store = gateways.stores[0]
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    await store.put_upstream(("session-1", "pas"), b"JSESSIONID", "session-1")
    await store.put_factor(NURSE.issuer, NURSE.subject, "pin", b"hash")
    await store.put_device(enrolled())
    with postgres.connect(gateways.url.rpartition("/")[2]) as c:
        text = "".join(str(c.execute(f'SELECT * FROM "{name}"'.encode()).fetchall()) for name in metadata.tables)
    for word in ("okoye", "Okoye", "shift-1", "session-1", "device-1", "JSESSIONID", "Ward 7", "'token'"):
        assert word not in text
