"""The vault's rows in SQL: what stands there is sealed by the vault itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, delete, select, update

from .base import SealedCredential
from .rows import Rows, put_new, put_row
from .schema import credentials, vault_keys


class VaultRows(Rows):
    """The part of SqlStore that is a VaultStore."""

    async def vault_key(self, person: str) -> str | None:
        return await self._ask(lambda c: c.execute(_wrapped(person)).scalar())

    async def vault_keys(self) -> list[tuple[str, str]]:
        asked = select(vault_keys.c.person, vault_keys.c.wrapped)
        return await self._ask(lambda c: [(row.person, row.wrapped) for row in c.execute(asked)])

    async def rewrap_vault_key(self, person: str, old: str, new: str) -> bool:
        same = update(vault_keys).where(vault_keys.c.person == person, vault_keys.c.wrapped == old)
        return await self._do(lambda c: c.execute(same.values(wrapped=new)).rowcount == 1)

    async def put_credential(self, person: str, wrapped: str, kept: SealedCredential) -> bool:
        def work(c: Connection) -> bool:
            put_new(c, vault_keys, {"person": person, "wrapped": wrapped})
            # Held until the end: whoever forgets the last credential takes the key with it.
            if c.execute(_wrapped(person).with_for_update()).scalar() != wrapped:
                return False
            row = {"hash": kept.key, "person": person, "about": kept.about, "value": kept.value}
            put_row(c, credentials, row, "hash")
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
        return await self._ask(lambda c: [SealedCredential(*row) for row in c.execute(asked)])

    async def forget_credential(self, person: str, key: str) -> bool:
        def work(c: Connection) -> bool:
            c.execute(_wrapped(person).with_for_update())
            gone = c.execute(delete(credentials).where(credentials.c.hash == key, credentials.c.person == person))
            left = select(credentials.c.person)
            c.execute(delete(vault_keys).where(vault_keys.c.person == person, vault_keys.c.person.not_in(left)))
            return gone.rowcount == 1

        return await self._do(work)


def _wrapped(person: str) -> Select[str]:
    return select(vault_keys.c.wrapped).where(vault_keys.c.person == person)
