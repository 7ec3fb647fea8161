"""The migration makes the tables of the central journal that the code expects."""

from __future__ import annotations

import secrets

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from gateway.central.tables import SCHEMA, metadata
from gateway.store_places import database_place
from gateway.stores.connections import engine_of
from gateway.stores.migrating import migrate
from tests.counterparts.postgres import PASSWORD, PostgresServer

pytestmark = pytest.mark.counterpart


def test_the_second_revision_makes_the_central_journal_and_one_back_keeps_it(postgres: PostgresServer) -> None:
    """Column by column, with types, defaults and indices; what it holds is there after one back and forwards again."""
    url = postgres.new_database(f"tables-{secrets.token_hex(4)}")
    engine = engine_of(database_place(url), PASSWORD, lasts=30.0, most=2)
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_schemas": True,
        "include_name": lambda name, kind, parents: kind != "schema" or name == SCHEMA,
    }
    with engine.connect() as c:
        migrate(c, "0002")
        assert compare_metadata(MigrationContext.configure(c, opts=options), metadata) == []
        assert set(inspect(c).get_table_names(schema=SCHEMA)) == {table.name for table in metadata.tables.values()}
        c.exec_driver_sql("INSERT INTO journal.writer (writer, installation, folder) VALUES ('gw1', 'x', 'gw1')")
        c.commit()
        migrate(c, "0001")
        migrate(c, "0002")
        assert c.exec_driver_sql("SELECT writer FROM journal.writer").fetchall() == [("gw1",)]
    engine.dispose()
