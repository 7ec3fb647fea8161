"""`lanyard database`: where the database stands, and moving it; and every other command on a database."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from gateway.config import load
from gateway.installation import opened_store
from gateway.stores.postgres import PostgresStore
from gateway.stores.testing import enrolled
from tests.counterparts.postgres import PASSWORD, PostgresServer

from .installation import Installation, Terminal

pytestmark = pytest.mark.counterpart


@pytest.fixture
def on_database(place: Installation, postgres: PostgresServer) -> Installation:
    (place.folder / "database.password").write_text(PASSWORD + "\n")
    place.values["gateway"]["database_url"] = postgres.new_database(f"commands-{secrets.token_hex(4)}")
    place.values["gateway"]["database_password"] = {"file": str(place.folder / "database.password")}
    place.write()
    return place


def test_a_database_is_brought_up_and_back_and_says_where_it_stands(
    on_database: Installation, lanyard: Terminal
) -> None:
    """Exit 1 while it is not where this release wants it; what is there already is said too."""
    said = lanyard("database", "status")
    assert (said.code, said.out.split(";")[0]) == (1, "database: empty")
    assert lanyard("database", "migrate", "--to", "0001").out == "database: 0001, was empty\n"
    assert lanyard("database", "migrate", "--to", "0001").out == "database: 0001, as it was\n"
    assert lanyard("database", "migrate").code == 0
    assert lanyard("database", "status").code == 0
    refused = lanyard("database", "migrate", "--to", "nowhere")
    assert (refused.code, "`nowhere` is no revision" in refused.err) == (2, True)


def test_without_a_database_there_is_nothing_to_migrate(place: Installation, lanyard: Terminal) -> None:
    """The key is named."""
    said = lanyard("database", "status")
    assert (said.code, "gateway.database_url" in said.err) == (2, True)


def test_a_database_that_refuses_us_is_told_without_the_password(on_database: Installation, lanyard: Terminal) -> None:
    """By this command and by any other that needs the store."""
    (on_database.folder / "database.password").write_text("wrong-password")
    for command in (("database", "status"), ("device", "list")):
        said = lanyard(*command)
        assert said.code == 2
        assert "password authentication failed" in said.err
        assert "wrong-password" not in said.err


def test_commands_work_on_the_database(on_database: Installation, lanyard: Terminal) -> None:
    """A device that a gateway has enrolled is listed, and revoked there."""

    async def enrol() -> None:
        async with opened_store(load(str(on_database.path), {})) as store:
            assert isinstance(store, PostgresStore)
            await store.put_device(enrolled("5f0c2a91b3d4" + "0" * 20))

    asyncio.run(enrol())
    assert "Ward 7 PC 3" in lanyard("device", "list").out
    assert lanyard("device", "revoke", "5f0c2a91b3d4").code == 0
    assert "revoked" in lanyard("device", "list").out


def test_a_check_asks_the_database(on_database: Installation, lanyard: Terminal) -> None:
    """Its password is looked for in any case, and with `--live` it is asked whether it takes us and is not of a later release."""
    assert "gateway.database_url" not in lanyard("check", "--live").err
    (on_database.folder / "database.password").write_text("wrong-password")
    assert lanyard("check").code == 0
    said = lanyard("check", "--live")
    assert (said.code, "gateway.database_url: the database" in said.err) == (1, True)
    assert "wrong-password" not in said.err
    (on_database.folder / "database.password").unlink()
    said = lanyard("check")
    assert (said.code, "gateway.database_password" in said.err) == (1, True)
