"""Clinicians' latest federated sign-ons in SQL, and the names that select one."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, delete, select

from sso.last_sign_on import LastSignOn

from .base import key_hash
from .rows import Rows, put_new, put_row
from .schema import last_sign_ons, login_names
from .values import last_sign_on_of, last_sign_on_value


class LastSignOnRows(Rows):
    """The part of SqlStore that is a LastSignOnStore."""

    async def put_last_sign_on(self, found: LastSignOn, forget: float) -> None:
        p = found.principal
        person = key_hash(p.issuer, p.subject)
        value = self._seal.seal(json.dumps(last_sign_on_value(found)).encode(), purpose=f"last-sign-on:{person}")
        row = {"person": person, "handle": _handle(found.handle), "forget": forget, "value": value}
        await self._remember(row, [_name(name) for name in found.names])

    async def _remember(self, row: dict[str, Any], names: list[str]) -> None:
        def work(c: Connection) -> None:
            put_row(c, last_sign_ons, row, "person")
            c.execute(delete(login_names).where(login_names.c.person == row["person"]))
            for name in names:
                put_new(c, login_names, {"name": name, "person": row["person"]})

        await self._do(work)

    async def last_sign_on(self, issuer: str, subject: str) -> LastSignOn | None:
        return await self._one(last_sign_ons.c.person == key_hash(issuer, subject))

    async def last_sign_on_named(self, name: str) -> LastSignOn | None:
        persons = select(login_names.c.person).where(login_names.c.name == _name(name))
        return await self._one(last_sign_ons.c.person.in_(persons))

    async def last_sign_on_by_handle(self, handle: bytes) -> LastSignOn | None:
        return await self._one(last_sign_ons.c.handle == _handle(handle))

    async def _one(self, where: Any) -> LastSignOn | None:
        asked = select(last_sign_ons.c.person, last_sign_ons.c.value).where(where).limit(2)

        def ask(c: Connection) -> LastSignOn | None:
            rows = c.execute(asked).all()
            if len(rows) != 1:
                return None
            (row,) = rows
            return last_sign_on_of(json.loads(self._seal.unseal(row.value, purpose=f"last-sign-on:{row.person}")))

        return await self._ask(ask)

    async def forget_last_sign_on(self, issuer: str, subject: str) -> bool:
        person = key_hash(issuer, subject)

        def work(c: Connection) -> bool:
            c.execute(delete(login_names).where(login_names.c.person == person))
            return c.execute(delete(last_sign_ons).where(last_sign_ons.c.person == person)).rowcount == 1

        return await self._do(work)


def sweep_last_sign_ons(c: Connection, now: float) -> None:
    c.execute(delete(last_sign_ons).where(last_sign_ons.c.forget <= now))
    c.execute(delete(login_names).where(login_names.c.person.not_in(select(last_sign_ons.c.person))))


def _handle(handle: bytes) -> str:
    return key_hash("passkey-handle", handle.hex())


def _name(name: str) -> str:
    return key_hash("login-name", name)
