"""What clinicians unlock with, and counts of tries, in the embedded store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from sso.seal import Seal

from .base import key_hash
from .schema import factors, tallies

T = TypeVar("T")


class FactorRows:
    """The part of SqliteStore that is a FactorStore."""

    _seal: Seal

    async def _do(self, work: Callable[[Connection], T]) -> T:
        raise NotImplementedError

    async def put_factor(self, issuer: str, subject: str, kind: str, value: bytes) -> None:
        hashed = key_hash(issuer, subject, kind)
        row = {"hash": hashed, "value": self._seal.seal(value, purpose=f"factor:{hashed}")}
        await self._do(
            lambda c: (
                c.execute(upsert(factors).values(row).on_conflict_do_update(index_elements=["hash"], set_=row)) and None
            )
        )

    async def factor(self, issuer: str, subject: str, kind: str) -> bytes | None:
        hashed = key_hash(issuer, subject, kind)

        def ask(c: Connection) -> bytes | None:
            value = c.execute(select(factors.c.value).where(factors.c.hash == hashed)).scalar()
            return self._seal.unseal(value, purpose=f"factor:{hashed}") if value else None

        return await self._do(ask)

    async def tally(self, kind: str, key: str, now: float, expires: float) -> int:
        def work(c: Connection) -> int:
            row = {"hash": key_hash(kind, key), "count": 1, "expires": expires}
            c.execute(delete(tallies).where(tallies.c.hash == row["hash"], tallies.c.expires <= now))
            one_more = (
                upsert(tallies)
                .values(row)
                .on_conflict_do_update(index_elements=["hash"], set_={"count": tallies.c.count + 1})
            )
            return int(c.execute(one_more.returning(tallies.c.count)).scalar_one())

        return await self._do(work)

    async def take_back(self, kind: str, key: str) -> None:
        one_less = update(tallies).where(tallies.c.hash == key_hash(kind, key), tallies.c.count > 0)
        await self._do(lambda c: c.execute(one_less.values(count=tallies.c.count - 1)) and None)

    async def clear_tally(self, kind: str, key: str) -> None:
        await self._do(lambda c: c.execute(delete(tallies).where(tallies.c.hash == key_hash(kind, key))) and None)
