"""The vault's two tables in the embedded store: rows by hashes, values that the vault has sealed before they come here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from .base import SealedCredential
from .schema import credentials, vault_keys

T = TypeVar("T")


class VaultRows:
    """The part of SqliteStore that keeps VaultStore's promises."""

    async def _do(self, work: Callable[[Connection], T]) -> T:
        """In the store's thread, in a transaction of its own."""
        raise NotImplementedError

    async def vault_key(self, person: str) -> str | None:
        return await self._do(lambda c: _vault_key(c, person))

    async def vault_keys(self) -> list[tuple[str, str]]:
        return await self._do(
            lambda c: [
                (row.person, row.wrapped) for row in c.execute(select(vault_keys.c.person, vault_keys.c.wrapped))
            ]
        )

    async def rewrap_vault_key(self, person: str, old: str, new: str) -> bool:
        same = update(vault_keys).where(vault_keys.c.person == person, vault_keys.c.wrapped == old)
        return await self._do(lambda c: c.execute(same.values(wrapped=new)).rowcount == 1)

    async def put_credential(self, person: str, wrapped: str, kept: SealedCredential) -> bool:
        def work(c: Connection) -> bool:
            c.execute(upsert(vault_keys).values(person=person, wrapped=wrapped).on_conflict_do_nothing())
            if _vault_key(c, person) != wrapped:
                return False
            changes = {"person": person, "about": kept.about, "value": kept.value}
            row = upsert(credentials).values(hash=kept.key, **changes)
            c.execute(row.on_conflict_do_update(index_elements=["hash"], set_=changes))
            return True

        return await self._do(work)

    async def note_credential(self, kept: SealedCredential) -> None:
        same = update(credentials).where(credentials.c.hash == kept.key, credentials.c.value == kept.value)
        await self._do(lambda c: c.execute(same.values(about=kept.about)) and None)

    async def credential(self, key: str) -> SealedCredential | None:
        found = await self._credentials(credentials.c.hash == key)
        return found[0] if found else None

    async def credentials_of(self, person: str) -> list[SealedCredential]:
        return await self._credentials(credentials.c.person == person)

    async def _credentials(self, where: Any) -> list[SealedCredential]:
        asked = select(credentials.c.hash, credentials.c.about, credentials.c.value).where(where)
        return await self._do(lambda c: [SealedCredential(*row) for row in c.execute(asked)])

    async def forget_credential(self, person: str, key: str) -> bool:
        def work(c: Connection) -> bool:
            gone = c.execute(delete(credentials).where(credentials.c.hash == key, credentials.c.person == person))
            left = select(credentials.c.person)
            c.execute(delete(vault_keys).where(vault_keys.c.person == person, vault_keys.c.person.not_in(left)))
            return gone.rowcount == 1

        return await self._do(work)


def _vault_key(c: Connection, person: str) -> str | None:
    return c.execute(select(vault_keys.c.wrapped).where(vault_keys.c.person == person)).scalar()
