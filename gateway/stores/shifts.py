"""Shifts in SQL: found by hashes, sealed, and what has ended stays ended, whatever a writer who has not heard of it writes."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, or_, select, update

from sso.shift import Shift

from .base import key_hash
from .rows import Rows, put_new
from .schema import sessions, shifts
from .values import shift_of, shift_value


class ShiftRows(Rows):
    """The part of SqlStore that is a ShiftStore."""

    async def put_shift(self, shift: Shift) -> None:
        def work(c: Connection) -> None:
            self._put_shift(c, shift)
            self._tell(c, key_hash(shift.id))

        await self._do(work)

    def _put_shift(self, c: Connection, shift: Shift) -> None:
        hashed = key_hash(shift.id)
        asked = select(shifts.c.value).where(shifts.c.id == hashed).with_for_update()
        kept = c.execute(asked).scalar()
        if kept is None:
            if put_new(c, shifts, self._shift_row(shift)):
                return
            kept = c.execute(asked).scalar_one()  # somebody came in between
        row = self._shift_row(shift.heard_of(self._shift(hashed, kept)))
        c.execute(update(shifts).where(shifts.c.id == hashed, shifts.c.ended.is_(None)).values(row))

    def _shift_row(self, shift: Shift) -> dict[str, Any]:
        p = shift.principal
        hashed = key_hash(shift.id)
        return {
            "id": hashed,
            "person": key_hash(p.issuer, p.subject),
            # Whoever signs on at the provider joins no shift that it has not confirmed.
            "seat": key_hash(p.issuer, p.subject, p.role, *([shift.emergency] if shift.emergency else [])),
            "provider_session": key_hash(p.issuer, shift.provider_session) if shift.provider_session else None,
            "ends": shift.ends,
            "ended": shift.ended,
            "value": self._seal.seal(json.dumps(shift_value(shift)).encode(), purpose=f"shift:{hashed}"),
        }

    async def shift(self, shift_id: str) -> Shift | None:
        return await self._one_shift(select(shifts.c.id, shifts.c.value).where(shifts.c.id == key_hash(shift_id)))

    async def live_of(self, issuer: str, subject: str, role: str, now: float) -> Shift | None:
        live = shifts.c.seat == key_hash(issuer, subject, role), shifts.c.ended.is_(None), shifts.c.ends > now
        found = select(shifts.c.id, shifts.c.value).where(*live)
        return await self._one_shift(found.order_by(shifts.c.ends.desc()).limit(1))

    async def _one_shift(self, asked: Any) -> Shift | None:
        def ask(c: Connection) -> Shift | None:
            row = c.execute(asked).first()
            return self._shift(row.id, row.value) if row else None

        return await self._ask(ask)

    async def by_provider_session(self, issuer: str, sid: str) -> list[Shift]:
        """Those whose latest sign-on was by it, and those in which a session was seated by it, whether that goes on or not."""
        seated = select(sessions.c.shift).where(sessions.c.provider_session == key_hash(sid))
        latest = shifts.c.provider_session == key_hash(issuer, sid)
        found = await self._shifts(or_(latest, shifts.c.id.in_(seated)))
        return [shift for shift in found if shift.principal.issuer == issuer]

    async def by_subject(self, issuer: str, subject: str) -> list[Shift]:
        return await self._shifts(shifts.c.person == key_hash(issuer, subject))

    async def _shifts(self, where: Any) -> list[Shift]:
        def ask(c: Connection) -> list[Shift]:
            rows = c.execute(select(shifts.c.id, shifts.c.value).where(where, shifts.c.ended.is_(None)))
            return [self._shift(hashed, value) for hashed, value in rows]

        return await self._ask(ask)

    def _shift(self, hashed: str, value: str) -> Shift:
        return shift_of(json.loads(self._seal.unseal(value, purpose=f"shift:{hashed}")))
