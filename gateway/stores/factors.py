"""What clinicians unlock with, and counts of tries, in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, case, delete, select, update

from .base import key_hash
from .rows import Rows, put_row, upsert
from .schema import factors, tallies


class FactorRows(Rows):
    """The part of SqlStore that is a FactorStore."""

    async def put_factor(self, issuer: str, subject: str, kind: str, value: bytes) -> None:
        hashed = key_hash(issuer, subject, kind)
        row = {"hash": hashed, "value": self._seal.seal(value, purpose=f"factor:{hashed}")}
        await self._do(lambda c: put_row(c, factors, row, "hash") and None)

    async def factor(self, issuer: str, subject: str, kind: str) -> bytes | None:
        hashed = key_hash(issuer, subject, kind)

        def ask(c: Connection) -> bytes | None:
            value = c.execute(select(factors.c.value).where(factors.c.hash == hashed)).scalar()
            return self._seal.unseal(value, purpose=f"factor:{hashed}") if value else None

        return await self._ask(ask)

    async def tally(self, kind: str, key: str, now: float, expires: float) -> int:
        def work(c: Connection) -> int:
            row = {"hash": key_hash(kind, key), "count": 1, "expires": expires}
            over = tallies.c.expires <= now
            changes = {
                "count": case((over, 1), else_=tallies.c.count + 1),
                "expires": case((over, expires), else_=tallies.c.expires),
            }
            one_more = upsert(c, tallies).values(row).on_conflict_do_update(index_elements=["hash"], set_=changes)
            return int(c.execute(one_more.returning(tallies.c.count)).scalar_one())

        return await self._do(work)

    async def take_back(self, kind: str, key: str) -> None:
        one_less = update(tallies).where(tallies.c.hash == key_hash(kind, key), tallies.c.count > 0)
        await self._do(lambda c: c.execute(one_less.values(count=tallies.c.count - 1)) and None)

    async def clear_tally(self, kind: str, key: str) -> None:
        await self._do(lambda c: c.execute(delete(tallies).where(tallies.c.hash == key_hash(kind, key))) and None)
