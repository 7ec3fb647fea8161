"""Of two PostgreSQL servers the gateway finds the primary by itself, and is not led back to one that was it before."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest

from gateway.central.connection import Central
from gateway.primary import Primary
from gateway.store_places import DatabasePlace, database_place
from gateway.stores.postgres import PostgresStore
from gateway.stores.testing import session
from sso.errors import StoreUnavailable
from sso.seal import Seal
from tests.counterparts.postgres import PASSWORD, PostgresServer, postgres_server
from tests.counterparts.standby import has, promote, reached, standby_of

pytestmark = pytest.mark.counterpart

Pair = tuple[PostgresServer, PostgresServer]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A primary, and a standby that follows it."""
    with postgres_server() as primary, standby_of(primary) as standby:
        yield primary, standby


def place(*servers: PostgresServer) -> DatabasePlace:
    hosts = ",".join(f"127.0.0.1:{one.port}" for one in servers)
    return database_place(f"postgresql://lanyard@{hosts}/lanyard")


def asked(primary: Primary, user: str = "lanyard") -> int:
    """The port of the server that it finds."""

    def connect(host: str, port: int) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            f"host={host} port={port} user={user} password={PASSWORD} dbname=lanyard connect_timeout=2 "
            "target_session_attrs=read-write"
        )

    with primary.connected(connect) as c:
        return c.info.port


def test_the_one_that_takes_writes_is_found_wherever_it_stands(pair: Pair) -> None:
    """A standby that answers is passed over; nobody has to change an address."""
    primary, standby = pair
    assert asked(Primary(place(standby, primary).hosts)) == primary.port
    assert asked(Primary(place(primary, standby).hosts)) == primary.port


def test_nobody_goes_back_to_a_primary_from_before_a_promotion(pair: Pair) -> None:
    """It is switched on again and takes what is written: neither who knew better nor who has only begun believes it."""
    primary, standby = pair
    knows = Primary(place(primary, standby).hosts)
    assert asked(knows) == primary.port
    promote(standby)
    primary.kill()
    assert asked(knows) == standby.port
    primary.begin()
    assert asked(knows) == standby.port
    assert asked(Primary(place(primary, standby).hosts)) == standby.port
    standby.kill()
    with pytest.raises(psycopg.OperationalError, match="before a promotion"):
        asked(knows)


async def test_a_store_goes_on_with_the_standby_that_was_promoted(pair: Pair) -> None:
    """The primary stands still, as a machine whose power is gone: refusals in time, and service again without a word to the gateway."""
    primary, standby = pair
    told: list[tuple[str, str]] = []
    store = PostgresStore(place(primary, standby), PASSWORD, Seal([b"k" * 32]), alarm=lambda *said: told.append(said))
    try:
        await store.put_session(session("before"))
        until, there = time.monotonic() + 30, reached(primary)
        while not has(standby, there):
            assert time.monotonic() < until, "it does not arrive at the standby"
            await asyncio.sleep(0.05)
        primary.signal(signal.SIGSTOP)
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.session("before")
        assert time.monotonic() - begun < 3
        promote(standby)
        until = time.monotonic() + 30
        while True:
            try:
                assert await store.session("before") is not None
                break
            except StoreUnavailable:
                assert time.monotonic() < until, "not found by itself"
                await asyncio.sleep(0.1)
        await store.put_session(session("after"))
        with standby.connect() as c:
            assert c.execute("SELECT count(*) FROM session").fetchone() == (2,)
    finally:
        primary.go_on()
        await store.close()


def test_the_central_journal_is_sent_to_nobody_who_only_reads(pair: Pair) -> None:
    """Its connection is the primary's, too."""
    primary, standby = pair
    with Central(place(standby, primary), PASSWORD).connect(1.0) as c:
        assert c.info.port == primary.port


async def test_a_standby_that_confirms_loses_nothing() -> None:
    """With `synchronous_standby_names = '*'`: what was acknowledged in the moment before the primary died is at the standby."""
    with postgres_server(durable=True) as primary, standby_of(primary) as standby:
        with primary.connect("postgres") as c:
            c.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            c.execute("SELECT pg_reload_conf()")
        store = PostgresStore(place(primary, standby), PASSWORD, Seal([b"k" * 32]))
        try:
            for n in range(20):
                await store.put_session(session(f"session-{n}"))
            primary.kill()
        finally:
            await store.close()
        promote(standby)
        with standby.connect() as c:
            assert c.execute("SELECT count(*) FROM session").fetchone() == (20,)


def test_a_role_without_powers_may_ask_who_is_primary(pair: Pair) -> None:
    """The gateway's own is no superuser."""
    primary, standby = pair
    with primary.connect() as c:
        c.execute("CREATE ROLE plain LOGIN PASSWORD 'only-for-tests'")
    assert asked(Primary(place(standby, primary).hosts), "plain") == primary.port
