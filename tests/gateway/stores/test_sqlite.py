"""The embedded store keeps the contract, opens nothing to a thief, and says so when it cannot answer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.stores import sqlite as sqlite_store
from gateway.stores.base import Heard, Store, key_hash
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import MAIN, NURSE, PAS, T0, StoreContract, session, shift
from sso.errors import StoreUnavailable
from sso.seal import Seal
from sso.session import token_hash

KEY = b"k" * 32


class TestSqliteStore(StoreContract):
    """The contract, on a file."""

    @pytest.fixture(autouse=True)
    async def _opened(self, tmp_path: Path) -> AsyncIterator[None]:
        self._path = tmp_path / "sessions.db"
        self._opened_stores: list[SqliteStore] = []
        self.store = await self.open()
        yield
        for store in self._opened_stores:
            await store.close()

    async def open(self) -> Store:
        self._opened_stores.append(SqliteStore(self._path, Seal([KEY]), shared=True))
        return self._opened_stores[-1]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "sessions.db", Seal([KEY]), timeout=0.05)
    yield opened
    await opened.close()


def rows(path: Path, statement: str) -> list[tuple[str, ...]]:
    """As somebody who has the file would ask."""
    connection = sqlite3.connect(path)
    found = connection.execute(statement).fetchall()
    connection.commit()
    connection.close()
    return found


def test_keys_of_several_parts_never_join_alike() -> None:
    """The length of each part goes in (HTTP-130)."""
    assert len({key_hash("a", "bc"), key_hash("ab", "c"), key_hash("abc"), key_hash("a", "b", "c")}) == 4


async def test_a_stolen_file_holds_no_name_no_token_and_no_id(store: SqliteStore, tmp_path: Path) -> None:
    """Every byte of the database and its log is searched (COOKIE-032)."""
    await store.seat(
        shift(refresh_token="refresh-me", id_token="a.b.c"), session(hosts=(PAS,)), MAIN, token_hash("t0ken")
    )
    await store.put_code("enter", "one-time-code", b"/patients/9990001112", T0)
    await store.put_upstream(("session-1", "pas"), b"JSESSIONID", "session-1")
    held = b"".join(path.read_bytes() for path in tmp_path.glob("sessions.db*"))
    assert token_hash("t0ken").encode() in held, "the search itself finds what is there"
    for secret in (NURSE.subject, NURSE.name, "refresh-me", "t0ken", "session-1", "shift-1", "sid-1", PAS,
                   "one-time-code", "9990001112", "JSESSIONID"):  # fmt: skip
        assert secret.encode() not in held


async def test_only_the_gateway_s_own_user_may_read_the_file(store: SqliteStore, tmp_path: Path) -> None:
    """Mode 600, whatever the umask."""
    assert (tmp_path / "sessions.db").stat().st_mode & 0o777 == 0o600


async def test_every_commit_is_synced(store: SqliteStore) -> None:
    """An end that was answered for is not lost with the machine's power."""
    found = await store._do(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar())
    assert found == 2, "FULL"


@pytest.mark.parametrize("table", ["token", "session", "shift"])
async def test_a_sealed_value_moved_to_another_row_opens_nothing(
    store: SqliteStore, tmp_path: Path, table: str
) -> None:
    """Whoever can write the file but has no key cannot give one person's seat to another (COOKIE-034)."""
    await store.seat(shift(), session(), MAIN, token_hash("nurse"))
    await store.seat(shift("shift-2"), session("session-2", "shift-2"), MAIN, token_hash("doctor"))
    key = "hash" if table == "token" else "id"
    one, two = (row[0] for row in rows(tmp_path / "sessions.db", f"select {key} from {table} order by value"))
    rows(tmp_path / "sessions.db", f"update {table} set value = (select value from {table} where {key} = '{one}') "
                                   f"where {key} = '{two}'")  # fmt: skip
    answers = []
    for token in ("nurse", "doctor"):
        try:
            answers.append(await store.by_token(token_hash(token)))
        except StoreUnavailable:
            answers.append(None)
    assert answers.count(None) == 1


async def test_a_code_s_value_moved_to_another_code_opens_nothing(store: SqliteStore, tmp_path: Path) -> None:
    """A ticket for one page is never a ticket for another."""
    await store.put_code("ticket", "mine", b"/mine", T0 + 30)
    await store.put_code("ticket", "theirs", b"/theirs", T0 + 30)
    mine, theirs = key_hash("ticket", "mine"), key_hash("ticket", "theirs")
    rows(tmp_path / "sessions.db", f"update code set value = (select value from code where hash = '{theirs}') "
                                   f"where hash = '{mine}'")  # fmt: skip
    with pytest.raises(StoreUnavailable):
        await store.take_code("ticket", "mine", T0)


async def test_a_key_that_was_replaced_is_told_and_not_taken_for_signed_off(store: SqliteStore, tmp_path: Path) -> None:
    """StoreUnavailable names the setting; nobody is told that they have no session."""
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    await store.put_code("ticket", "code", b"/", T0 + 30)
    other = SqliteStore(tmp_path / "sessions.db", Seal([b"n" * 32]))
    with pytest.raises(StoreUnavailable, match=r"keys\.seal"):
        await other.by_token(token_hash("token"))
    with pytest.raises(StoreUnavailable, match=r"keys\.seal"):
        await other.take_code("ticket", "code", T0)
    await other.close()


async def test_a_key_put_in_front_opens_what_the_old_one_sealed(store: SqliteStore, tmp_path: Path) -> None:
    """Rotation signs nobody off."""
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    other = SqliteStore(tmp_path / "sessions.db", Seal([b"n" * 32, KEY]))
    assert await other.by_token(token_hash("token")) is not None
    await other.close()


async def test_a_locked_file_is_unavailable_and_then_available_again(store: SqliteStore, tmp_path: Path) -> None:
    """A write that cannot be made is an error, never silence; afterwards the store goes on."""
    holder = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.seat(shift(), session(), MAIN, token_hash("token"))
    holder.execute("ROLLBACK")
    holder.close()
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    assert await store.by_token(token_hash("token")) is not None


async def test_half_a_seat_is_never_left_behind(store: SqliteStore, tmp_path: Path) -> None:
    """When the cookie cannot be written, neither session nor shift is."""
    await store.seat(shift(), session(), MAIN, token_hash("token"))
    with pytest.raises(StoreUnavailable):
        await store.seat(shift("shift-2"), session("session-2", "shift-2"), MAIN, token_hash("token"))
    assert await store.shift("shift-2") is None
    assert await store.session("session-2") is None


@pytest.mark.parametrize("place", ["missing/sessions.db", "folder"])
async def test_a_place_that_cannot_be_opened_is_named(tmp_path: Path, place: str) -> None:
    """At start, with the path."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreUnavailable, match=place.partition("/")[0]):
        SqliteStore(tmp_path / place, Seal([KEY]))


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """A damaged file is told at start."""
    (tmp_path / "sessions.db").write_bytes(b"not a database, " * 512)
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "sessions.db", Seal([KEY]))


async def test_who_watches_hears_when_the_store_fails_and_when_it_is_back(tmp_path: Path) -> None:
    """Once each: while another holds the file, and again when it answers."""
    heard: list[tuple[str, str]] = []
    opened = SqliteStore(
        tmp_path / "sessions.db", Seal([KEY]), timeout=0.01, alarm=lambda *said: heard.append((said[0], said[1]))
    )
    with closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await opened.put_code("door", "c", b"v", 10.0)
        other.execute("ROLLBACK")
    for _ in range(3):
        await opened.put_code("door", "c", b"v", 10.0)
    await opened.close()
    assert heard == [("session-store", "failing"), ("session-store", "ok")]


async def test_a_gateway_alone_on_its_file_believes_nothing_after_a_command_has_written(
    store: SqliteStore, tmp_path: Path
) -> None:
    """What it writes itself changes nothing for it, and leaves no rows behind."""
    place = (await store.heard(None)).place
    await store.put_shift(shift())
    assert await store.heard(place) == Heard(place, frozenset())
    assert rows(tmp_path / "sessions.db", "select * from change") == []
    beside = SqliteStore(tmp_path / "sessions.db", Seal([KEY]))
    await beside.put_shift(shift())
    assert (await store.heard(place)).keys is None
    await beside.close()


async def test_whoever_has_slept_long_believes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is known for a bounded number of changes; later places are heard one by one still."""
    monkeypatch.setattr("gateway.stores.changes._KEPT", 10)
    monkeypatch.setattr("gateway.stores.changes._TRIMMED_EVERY", 5)
    one, other = (SqliteStore(tmp_path / "sessions.db", Seal([KEY]), shared=True) for _ in range(2))
    begun = (await one.heard(None)).place
    for turn in range(12):
        await other.put_session(session(f"session-{turn}"))
        if turn == 5:
            halfway = (await one.heard(None)).place
    assert (await one.heard(begun)).keys is None
    keys = (await one.heard(halfway)).keys
    assert keys == frozenset(key_hash(f"session-{turn}") for turn in range(6, 12))
    assert (await one.heard("999")).keys is None, "the file was put back from a copy"
    ((count,),) = rows(tmp_path / "sessions.db", "select count(*) from change")
    assert int(count) <= 15
    await one.close()
    await other.close()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_taken_away_is_not_believed(tmp_path: Path, replaced: bool) -> None:
    """SQLite would go on in a file without a name, where nobody else's revocations arrive; put back, all is well."""
    path, aside = tmp_path / "sessions.db", tmp_path / "aside.db"
    opened = SqliteStore(path, Seal([KEY]))
    before = await opened.heard(None)
    path.rename(aside)
    if replaced:
        path.write_bytes(aside.read_bytes())
    with pytest.raises(StoreUnavailable, match="was taken away"):
        await opened.heard(None)
    aside.rename(path)
    assert await opened.heard(None) == before
    await opened.close()


async def test_a_disk_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is told in time, and it is alarmed; when the disk goes on, so does the store."""
    heard: list[str] = []
    opened = SqliteStore(tmp_path / "sessions.db", Seal([KEY]), alarm=lambda _, state: heard.append(state))
    monkeypatch.setattr(sqlite_store, "_DEADLINE", 0.05)
    hangs = threading.Event()
    stuck = opened._thread.submit(hangs.wait, 20)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="in time"):
            await opened.heard(None)
    hangs.set()
    assert stuck.result(20)
    monkeypatch.undo()
    assert await opened.heard(None) == await opened.heard(None)
    await opened.close()
    assert heard == ["failing", "ok"]
