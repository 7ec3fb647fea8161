"""Leases in SQL: who alone may do something, by the store's own clock, with a fence that rises with every taking."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, not_, or_, update

from .base import key_hash
from .rows import Rows, upsert
from .schema import leases

_REMEMBERED = 86400.0  # seconds that a fence is known after its lease: by then nobody works under one


class LeaseRows(Rows):
    """The part of SqlStore that is a LeaseStore."""

    async def take_lease(self, name: str, holder: str, lasts: float) -> int | None:
        def work(c: Connection) -> int | None:
            now = self._clock()
            row = {"name": key_hash(name), "holder": holder, "fence": 1, "taken": now, "until": now + lasts}
            # Before its taking: the clock was set back, and nobody knows for how long it still holds.
            held = and_(leases.c.taken <= now, now < leases.c.until)
            free = or_(leases.c.holder == holder, not_(held))
            put = upsert(c, leases).values(row).on_conflict_do_update(
                index_elements=["name"], set_={**row, "fence": leases.c.fence + 1}, where=free
            )  # fmt: skip
            fence: int | None = c.execute(put.returning(leases.c.fence)).scalar()
            return fence

        return await self._do(work)

    async def renew_lease(self, name: str, holder: str, lasts: float) -> bool:
        def work(c: Connection) -> bool:
            now = self._clock()
            mine = leases.c.name == key_hash(name), leases.c.holder == holder, leases.c.until > now
            return c.execute(update(leases).where(*mine).values(taken=now, until=now + lasts)).rowcount == 1

        return await self._do(work)

    async def drop_lease(self, name: str, holder: str) -> None:
        mine = leases.c.name == key_hash(name), leases.c.holder == holder
        await self._do(lambda c: c.execute(update(leases).where(*mine).values(until=leases.c.taken)) and None)

    def _sweep_leases(self, c: Connection) -> None:
        c.execute(delete(leases).where(leases.c.until + _REMEMBERED <= self._clock()))
