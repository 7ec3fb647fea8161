"""The vault: one data key for each clinician, rows that open in their own place only, rotation without downtime."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Credential
from connectors.errors import CredentialRefused, PasswordChangeDue
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import NURSE
from gateway.vault import OperatorKeys, Vault
from sso.errors import StoreUnavailable
from sso.seal import Seal

STORE, OLD, NEW = b"s" * 32, b"o" * 32, b"n" * 32
CARD = Credential("NOKOYE", "Canary-Winter-42")
DOCTOR = replace(NURSE, subject="dr.lee")


class Clock:
    at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


class Room:
    """A vault on a file, and the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.store = SqliteStore(path, Seal([STORE]))
        self.vault = self.opened(OLD)

    def opened(self, *keys: bytes) -> Vault:
        return Vault(self.store, OperatorKeys(Seal(keys)), self.clock)

    async def keep(self, system: str = "pas", card: Credential = CARD, subject: str = NURSE.subject) -> None:
        await self.vault.keep(replace(NURSE, subject=subject), system, card)

    def rows(self, statement: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.path)) as db, db:
            return db.execute(statement).fetchall()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path / "sessions.db")
    yield made
    await made.store.close()


async def test_a_credential_is_its_clinician_s_and_its_system_s(room: Room) -> None:
    """Whoever else asks, or for whatever else, gets nothing."""
    await room.keep()
    assert await room.vault.credential(NURSE, "pas") == CARD
    assert await room.vault.credential(NURSE, "lab") is None
    assert await room.vault.credential(DOCTOR, "pas") is None
    assert await room.vault.credential(replace(NURSE, issuer="https://other.example"), "pas") is None


async def test_what_is_kept_survives_a_restart(room: Room) -> None:
    """Another vault on the same file and keys opens it."""
    await room.keep()
    assert await room.opened(OLD).credential(NURSE, "pas") == CARD


async def test_the_file_tells_a_thief_nothing(room: Room) -> None:
    """Neither words, names nor which system; not even with the key of the store."""
    await room.keep()
    for path in room.path.parent.iterdir():
        for word in (CARD.secret, CARD.username, NURSE.subject, 'pas"', NURSE.issuer):
            assert word.encode() not in path.read_bytes(), (path, word)
    with pytest.raises(StoreUnavailable):
        await room.opened(STORE).credential(NURSE, "pas")


@pytest.mark.parametrize("what", ["value", "about"])
async def test_a_value_that_was_moved_to_another_row_does_not_open(room: Room, what: str) -> None:
    """To another system of the same clinician (one data key), or to another clinician."""
    await room.keep("pas")
    await room.keep("lab", Credential("NOKOYE", "another"))
    first, second = (row for (row,) in room.rows(f"select {what} from credential order by rowid"))
    room.rows(f"update credential set {what} = '{first}' where {what} = '{second}'")
    assert await room.vault.credential(NURSE, "pas") == CARD
    with pytest.raises(StoreUnavailable):
        await room.vault.credential(NURSE, "lab")


async def test_a_data_key_that_was_given_to_somebody_else_does_not_open(room: Room) -> None:
    """Copying both the nurse's row and key under the doctor's hashes opens nothing."""
    await room.keep()
    await room.keep(subject=DOCTOR.subject)
    nurse, doctor = (row for (row,) in room.rows("select person from credential order by rowid"))
    room.rows(f"update vault_key set wrapped = (select wrapped from vault_key where person = '{nurse}')")
    room.rows(f"update credential set value = (select value from credential where person = '{nurse}')")
    with pytest.raises(StoreUnavailable, match="does not open"):
        await room.vault.credential(DOCTOR, "pas")
    assert doctor


async def test_what_is_kept_can_be_told_without_its_words(room: Room) -> None:
    """For which systems, since when and last used; by system."""
    await room.keep("pas")
    room.clock.at += 60
    await room.vault.keep(NURSE, "lab", CARD, by="import")
    lab, pas = await room.vault.kept(NURSE)
    assert (lab.system, lab.since, lab.by, lab.used) == ("lab", room.clock.at, "import", None)
    assert (pas.system, pas.since, pas.used) == ("pas", room.clock.at - 60, room.clock.at - 60)
    assert CARD.secret not in repr((lab, pas))
    assert await room.vault.kept(DOCTOR) == []


async def test_a_use_is_noted(room: Room) -> None:
    """Last used is when the system last took it."""
    await room.keep()
    room.clock.at += 300
    await room.vault.tried(NURSE, "pas", CARD, None)
    assert [kept.used for kept in await room.vault.kept(NURSE)] == [room.clock.at]


async def test_a_refused_one_is_not_handed_out_until_it_is_replaced(room: Room) -> None:
    """Also after a restart: every further try counts towards a lock-out there."""
    await room.keep()
    await room.vault.tried(NURSE, "pas", CARD, CredentialRefused("no"))
    with pytest.raises(CredentialRefused):
        await room.opened(OLD).credential(NURSE, "pas")
    await room.keep(card=Credential("NOKOYE", "new"))
    assert await room.vault.credential(NURSE, "pas") == Credential("NOKOYE", "new")
    assert [kept.refused for kept in await room.vault.kept(NURSE)] == [None]


async def test_a_refusal_of_the_one_before_does_not_blame_the_new_one(room: Room) -> None:
    """A slow answer about the old password comes after the new one was kept."""
    await room.keep(card=Credential("NOKOYE", "new"))
    await room.vault.tried(NURSE, "pas", CARD, CredentialRefused("no"))
    assert await room.vault.credential(NURSE, "pas") == Credential("NOKOYE", "new")


async def test_a_change_that_is_due_is_remembered_as_such(room: Room) -> None:
    """The page can say why."""
    await room.keep()
    await room.vault.tried(NURSE, "pas", CARD, PasswordChangeDue("change it"))
    with pytest.raises(PasswordChangeDue):
        await room.vault.credential(NURSE, "pas")


async def test_forgetting_leaves_nothing(room: Room) -> None:
    """The row goes, with the last row the data key; a new one is another key."""
    await room.keep()
    (before,) = room.rows("select wrapped from vault_key")
    assert await room.vault.forget(NURSE, "pas")
    assert not await room.vault.forget(NURSE, "pas")
    assert await room.vault.credential(NURSE, "pas") is None
    assert room.rows("select * from vault_key") == []
    await room.keep()
    assert room.rows("select wrapped from vault_key") != [before]


async def test_a_new_key_in_front_opens_everything_and_then_wraps_everything(room: Room) -> None:
    """No credential is touched; afterwards the old key can go."""
    await room.keep()
    await room.keep(subject=DOCTOR.subject)
    values = room.rows("select value from credential")
    rotated = room.opened(NEW, OLD)
    assert await rotated.credential(NURSE, "pas") == CARD
    assert await rotated.rewrap() == 2
    assert await rotated.rewrap() == 0
    assert room.rows("select value from credential") == values
    assert await room.opened(NEW).credential(NURSE, "pas") == CARD
    with pytest.raises(StoreUnavailable):
        await room.opened(OLD).credential(NURSE, "pas")


class Remote:
    """A KMS as clouds offer one: keys have names, wrapped values a form of its own, and it may be away."""

    def __init__(self) -> None:
        self.wrapped: dict[str, tuple[bytes, str]] = {}
        self.name = "keys/vault/1"
        self.away = False

    async def key_id(self) -> str:
        return self.name

    async def wrap(self, key: bytes, *, bound: str) -> str:
        token = f"{self.name}:{len(self.wrapped)}"
        self.wrapped[token] = (key, bound)
        return token

    async def unwrap(self, wrapped: str, *, bound: str) -> bytes:
        key, for_whom = self.wrapped.get(wrapped, (b"", ""))
        if self.away or not key or for_whom != bound:
            raise StoreUnavailable("the KMS says no")
        return key

    def wrapped_by(self, wrapped: str) -> str:
        return wrapped.partition(":")[0]


async def test_a_key_that_never_leaves_its_place_serves_as_well(room: Room) -> None:
    """Wrapped and unwrapped elsewhere, rotated there, and nothing opens while it is away."""
    kms = Remote()
    room.vault = Vault(room.store, kms, room.clock)
    await room.keep()
    kms.name = "keys/vault/2"
    assert await room.vault.under_older_keys() == 1
    assert await room.vault.rewrap() == 1
    assert await room.vault.under_older_keys() == 0
    assert await room.vault.credential(NURSE, "pas") == CARD
    kms.away = True
    with pytest.raises(StoreUnavailable):
        await room.vault.credential(NURSE, "pas")


async def test_what_is_kept_while_the_key_is_rotated_opens_afterwards(room: Room) -> None:
    """The data key was wrapped again between reading it and keeping under it: that is noticed, and done once more."""
    await room.keep("lab")
    asked = room.store.vault_key

    async def meanwhile(person: str) -> str | None:
        wrapped = await asked(person)
        room.store.vault_key = asked  # type: ignore[method-assign]  # once
        await room.opened(NEW, OLD).rewrap()
        return wrapped

    room.store.vault_key = meanwhile  # type: ignore[method-assign]  # what happens between two awaits
    room.vault = room.opened(NEW, OLD)
    await room.keep("pas")
    assert await room.opened(NEW).credential(NURSE, "pas") == CARD
