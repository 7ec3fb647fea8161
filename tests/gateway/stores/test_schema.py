"""A file of an earlier release is brought up to this one's tables, once, and a later release's is left alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from math import inf
from pathlib import Path

import pytest

from gateway.sessions import Seat
from gateway.stores.base import Cookie, SealedCredential, key_hash
from gateway.stores.schema import VERSION
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN, NOKOYE, NURSE, T0, session, shift
from gateway.stores.values import session_of, shift_value
from sso.errors import StoreUnavailable
from sso.seal import Seal
from sso.session import token_hash

KEY = b"k" * 32


def opened(path: Path) -> SqliteStore:
    return SqliteStore(path, Seal([KEY]))


BEFORE_REPLICAS = """
    drop table change; drop table lease; drop index upstream_session; alter table upstream drop column version;
"""


async def first_release(path: Path) -> None:
    """A file as the first release left it: no version, no devices, and sessions that know no session of the provider."""
    store = opened(path)
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    await store.close()
    hashed = key_hash("session-1")
    fields = asdict(session())
    del fields["provider_session"]
    value = Seal([KEY]).seal(json.dumps(fields).encode(), purpose=f"session:{hashed}")
    with closing(sqlite3.connect(path)) as db:
        db.executescript(BEFORE_REPLICAS)
        db.execute("drop index session_provider_session")
        db.execute("alter table session drop column provider_session")
        db.execute("drop table device")
        db.execute("drop table seated_on")
        db.execute("update session set value = ?", (value,))
        db.execute("drop table factor")
        db.execute("drop table tally")
        db.execute("drop table last_sign_on")
        db.execute("drop table login_name")
        db.execute("pragma user_version = 0")
        db.commit()


async def test_whoever_was_signed_on_before_an_upgrade_still_is(tmp_path: Path) -> None:
    """Shift, session and cookie are there, and new sessions are found by the provider's session."""
    await first_release(tmp_path / "sessions.db")
    for _ in range(2):
        store = opened(tmp_path / "sessions.db")
        assert await store.by_token(token_hash("token")) == Cookie(session(), shift(), MAIN, inf)
        await store.close()
    store = opened(tmp_path / "sessions.db")
    await store.put_session(session("session-2", provider_session="sid-a"))
    assert [s.id for s in await store.by_provider_session(NURSE.issuer, "sid-a")] == ["shift-1"]
    await store.close()


def test_a_session_from_before_locks_is_read_as_one_that_was_never_locked() -> None:
    """It locks when it is idle, stays four hours, and was proved when its shift's clinician last was."""
    fields = asdict(session())
    for name in ("stays", "locked", "lock_reason", "turn", "proof", "proved", "desk", "left", "follows"):
        del fields[name]
    found = session_of(json.loads(json.dumps(fields)))
    assert found == session(stays=4 * 3600.0)
    assert (found.may_act(T0 + 299), found.may_act(T0 + 300), found.live(T0 + 300)) == (True, False, True)
    assert Seat(found, shift(auth_time=T0 - 5), MAIN).proved == T0 - 5


async def test_an_upgraded_file_has_what_a_new_one_has(tmp_path: Path) -> None:
    """The same columns and indices, in whatever order, and the same version."""
    await first_release(tmp_path / "old.db")
    shapes = []
    for name in ("old.db", "new.db"):
        await opened(tmp_path / name).close()
        with closing(sqlite3.connect(tmp_path / name)) as db:
            tables = ("session", "upstream")
            columns = {row[1:] for table in tables for row in db.execute(f"pragma table_xinfo({table})")}
            indices = {row[0] for row in db.execute("select name from sqlite_master where type = 'index'")}
            shapes.append((columns, indices, db.execute("pragma user_version").fetchone()))
    assert shapes[0] == shapes[1]
    assert shapes[0][2] == (VERSION,)


async def test_two_gateways_that_start_on_an_old_file_upgrade_it_once(tmp_path: Path) -> None:
    """The second waits for the first, and finds nothing left to do."""
    await first_release(tmp_path / "sessions.db")
    with closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            SqliteStore(tmp_path / "sessions.db", Seal([KEY]), timeout=0.05)
        first.execute("ROLLBACK")
    stores = [opened(tmp_path / "sessions.db") for _ in range(2)]
    for store in stores:
        assert (await store.session("session-1")) == session(last_seen=T0)
        await store.close()


async def test_a_file_of_a_later_release_is_not_opened(tmp_path: Path) -> None:
    """Going back would lose what only the later one knows: said at start, with both versions."""
    await opened(tmp_path / "sessions.db").close()
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as db:
        db.execute(f"pragma user_version = {VERSION + 1}")
    with pytest.raises(StoreUnavailable, match="later release"):
        opened(tmp_path / "sessions.db")


async def test_a_file_from_before_the_vault_gets_its_tables(tmp_path: Path) -> None:
    """What was there stays, and something can be kept."""
    path = tmp_path / "sessions.db"
    store = opened(path)
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(BEFORE_REPLICAS + "drop table vault_key; drop table credential; pragma user_version = 1")
    store = opened(path)
    assert await store.by_token(token_hash("token")) == Cookie(session(), shift(), MAIN, inf)
    assert await store.put_credential("person", "wrapped", SealedCredential("k", "about", "value"))
    await store.close()


async def test_a_file_from_before_emergency_sign_on_gets_its_tables(tmp_path: Path) -> None:
    """Shifts are read as ones that the provider confirmed, and somebody can be remembered."""
    path = tmp_path / "sessions.db"
    store = opened(path)
    await store.close()
    fields = shift_value(shift())
    del fields["emergency"]
    hashed = key_hash("shift-1")
    value = Seal([KEY]).seal(json.dumps(fields).encode(), purpose=f"shift:{hashed}")
    with closing(sqlite3.connect(path)) as db:
        row = (hashed, "person", "seat", shift().ends, value)
        db.execute("insert into shift (id, person, seat, ends, value) values (?, ?, ?, ?, ?)", row)
        db.executescript(BEFORE_REPLICAS + "drop table last_sign_on; drop table login_name; pragma user_version = 2")
    store = opened(path)
    assert await store.shift("shift-1") == shift()
    await store.put_last_sign_on(NOKOYE, T0 + 9)
    assert await store.last_sign_on_named("nokoye") == NOKOYE
    await store.close()


async def test_a_file_from_before_replicas_keeps_its_log_ons(tmp_path: Path) -> None:
    """As first versions; others are heard, and leases are had."""
    path = tmp_path / "sessions.db"
    store = opened(path)
    await store.put_upstream(("session-1", "pas"), b"jar", "session-1")
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(BEFORE_REPLICAS + "pragma user_version = 3")
    store = SqliteStore(path, Seal([KEY]), shared=True)
    assert await store.get_upstream(("session-1", "pas")) == (1, b"jar")
    assert await store.put_upstream(("session-1", "pas"), b"jar 2", "session-1", after=1) == 2
    assert await store.take_lease("log-on", "gateway-1", 5.0) == 1
    assert (await store.heard(None)).place == "0"
    await store.close()
