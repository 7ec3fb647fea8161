"""Alembic's revisions make what the code expects, forwards and back, and a later release's database is left alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from gateway.store_places import database_place
from gateway.stores import migrating
from gateway.stores.connections import engine_of
from gateway.stores.migrating import known, migrate, oldest_of, standing, usable
from gateway.stores.postgres import PostgresStore
from gateway.stores.schema import metadata
from gateway.stores.testing import session
from sso.errors import StoreUnavailable
from sso.seal import Seal
from tests.counterparts.postgres import PASSWORD, PostgresServer

pytestmark = pytest.mark.counterpart


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database(f"migrating-{secrets.token_hex(4)}")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = engine_of(database_place(url), PASSWORD, lasts=30.0, most=2)
    yield made
    made.dispose()


def test_the_first_revision_makes_the_tables_that_the_code_expects(engine: Engine) -> None:
    """Column by column, with types, defaults and indices; what later revisions add is theirs to compare."""
    with engine.connect() as c:
        migrate(c, "0001")
        ours = {"include_name": lambda name, kind, _: (name, kind) != ("usable_by", "table")}
        options = {"compare_type": True, "compare_server_default": True, **ours}
        assert compare_metadata(MigrationContext.configure(c, opts=options), metadata) == []


def test_every_revision_goes_forwards_one_back_and_forwards_again(engine: Engine) -> None:
    """From nothing to the latest and to nothing but the first; each step leaves what it found when it is undone."""
    with engine.connect() as c:
        steps = standing(c).known
        shapes: list[set[str]] = []
        for revision in steps:
            migrate(c, revision)
            shapes.append(set(inspect(c).get_table_names()))
        for revision, shape in reversed(list(zip(steps[:-1], shapes[:-1], strict=True))):
            assert migrate(c, revision)[1] == revision
            assert set(inspect(c).get_table_names()) == shape
        migrate(c, steps[-1])
        assert set(inspect(c).get_table_names()) == shapes[-1]
        assert standing(c).revision == standing(c).latest


def moved_on(c: Connection, oldest: str) -> None:
    """What a release that nobody here knows has made of the database."""
    migrate(c, standing(c).latest)
    c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    c.exec_driver_sql(f"UPDATE usable_by SET oldest = '{oldest}'")
    c.commit()


async def test_a_gateway_is_started_again_on_what_the_next_release_only_added_to(engine: Engine, url: str) -> None:
    """In the middle of an upgrade, at three in the morning: the database says who may go on with it, and it is not moved."""
    with engine.connect() as c:
        moved_on(c, oldest=standing(c).latest)
    store = PostgresStore(database_place(url), PASSWORD, Seal([b"k" * 32]))
    await store.put_session(session("served"))
    await store.close()
    with engine.connect() as c:
        assert standing(c).revision == "9999"
        assert standing(c).lends_itself


def test_whoever_may_only_use_a_database_does_not_move_it(engine: Engine) -> None:
    """It does not know the way: that is for the release that has made it."""
    with engine.connect() as c:
        moved_on(c, oldest=standing(c).latest)
        with pytest.raises(StoreUnavailable, match="later release"):
            migrate(c, "0001")


def test_a_database_that_does_not_say_who_may_use_it_is_left_alone(engine: Engine) -> None:
    """Silence is no leave."""
    with engine.connect() as c:
        moved_on(c, oldest="0001")
        c.exec_driver_sql("DELETE FROM usable_by")
        c.commit()
        with pytest.raises(StoreUnavailable, match="later release"):
            usable(c)


def test_a_database_says_the_latest_of_what_its_revisions_say(engine: Engine) -> None:
    """Each says it, none of one that comes after it; one that is undone says nothing any more."""
    with engine.connect() as c:
        scripts = ScriptDirectory.from_config(migrating._config(c))
        steps = standing(c).known
        for n, revision in enumerate(steps):
            assert oldest_of(scripts, revision) in steps[: n + 1]
        for n, revision in [*enumerate(steps), *reversed(list(enumerate(steps)))]:
            migrate(c, revision)
            assert standing(c).oldest == max(oldest_of(scripts, one) for one in steps[: n + 1])


def test_a_database_of_a_later_release_is_left_alone(engine: Engine, url: str) -> None:
    """Said at start, with what to do; nothing in it is touched."""
    with engine.connect() as c:
        moved_on(c, oldest="9999")
        with pytest.raises(StoreUnavailable, match="later release"):
            known(c)
    with pytest.raises(StoreUnavailable, match="9999"):
        PostgresStore(database_place(url), PASSWORD, Seal([b"k" * 32]))
    with engine.connect() as c:
        assert standing(c).revision == "9999"


def test_a_revision_that_nobody_knows_is_refused(engine: Engine) -> None:
    """With those that there are."""
    with engine.connect() as c, pytest.raises(StoreUnavailable, match="0001"):
        migrate(c, "7777")


async def test_gateways_that_start_together_migrate_once(url: str) -> None:
    """One does, the others wait for it; then all of them work."""
    place, seal = database_place(url), Seal([b"k" * 32])
    stores = await asyncio.gather(*(asyncio.to_thread(PostgresStore, place, PASSWORD, seal) for _ in range(4)))
    await asyncio.gather(*(store.put_session(session(f"session-{n}")) for n, store in enumerate(stores)))
    assert await stores[0].session("session-3") is not None
    for store in stores:
        await store.close()
