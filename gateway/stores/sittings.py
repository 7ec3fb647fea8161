"""Sessions in SQL: their locks hold against whoever has not heard of them, and their ends against everybody."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from sso.session import Session

from .base import key_hash
from .rows import Rows, put_new
from .schema import seated_on, sessions
from .values import session_of, session_value

_AT_ONCE = 200  # sessions whose last being seen is written in one transaction
KEPT_AFTER_END = 86400.0  # seconds: an ended session is told apart from an unknown one for a day


class SessionRows(Rows):
    """The part of SqlStore that keeps sessions."""

    async def put_session(self, session: Session) -> None:
        def work(c: Connection) -> None:
            self._put_session(c, session)
            self._tell(c, key_hash(session.id))

        await self._do(work)

    def _put_session(self, c: Connection, session: Session) -> None:
        hashed = key_hash(session.id)
        asked = select(sessions.c.value).where(sessions.c.id == hashed).with_for_update()
        kept = c.execute(asked).scalar()
        if kept is None:
            if put_new(c, sessions, self._session_row(session)):
                _remember_seat(c, hashed, session.device.id)
                return
            kept = c.execute(asked).scalar_one()  # somebody came in between
        row = self._session_row(session.heard_of(self._session(hashed, kept)))
        c.execute(update(sessions).where(sessions.c.id == hashed, sessions.c.ended.is_(None)).values(row))

    def _session_row(self, session: Session) -> dict[str, Any]:
        hashed = key_hash(session.id)
        return {
            "id": hashed,
            "shift": key_hash(session.shift_id),
            "provider_session": key_hash(session.provider_session) if session.provider_session else None,
            "forget": _forgotten(session),
            "ended": session.ended,
            "value": self._seal.seal(json.dumps(session_value(session)).encode(), purpose=f"session:{hashed}"),
        }

    async def session(self, session_id: str) -> Session | None:
        found = await self._sessions(sessions.c.id == key_hash(session_id))
        return found[0] if found else None

    async def of_shift(self, shift_id: str) -> list[Session]:
        return await self._sessions(sessions.c.shift == key_hash(shift_id))

    async def _sessions(self, where: Any) -> list[Session]:
        asked = select(sessions.c.id, sessions.c.value).where(where)
        return await self._ask(lambda c: [self._session(hashed, value) for hashed, value in c.execute(asked)])

    def _session(self, hashed: str, value: str) -> Session:
        return session_of(json.loads(self._seal.unseal(value, purpose=f"session:{hashed}")))

    async def touch(self, seen: list[Session]) -> None:
        """Write when sessions were last seen; some at a time, in one order for all who do."""
        known = sorted((key_hash(session.id), session.last_seen) for session in seen)
        for begin in range(0, len(known), _AT_ONCE):
            some = dict(known[begin : begin + _AT_ONCE])
            await self._do(lambda c, some=some: self._touch(c, some))  # type: ignore[misc]  # default binds the loop's value

    def _touch(self, c: Connection, seen: dict[str, float]) -> None:
        live = sessions.c.id.in_(seen), sessions.c.ended.is_(None)
        asked = select(sessions.c.id, sessions.c.value).where(*live).order_by(sessions.c.id).with_for_update()
        rows = []
        for hashed, value in c.execute(asked).all():
            kept = self._session(hashed, value)
            kept.last_seen = max(kept.last_seen, seen[hashed])
            row = self._session_row(kept)
            rows.append({"at": hashed, "value": row["value"], "forget": row["forget"]})
        if rows:
            # One statement for all; their rows are held, so that none has ended meanwhile.
            c.execute(update(sessions).where(sessions.c.id == bindparam("at")), rows)


def _forgotten(session: Session) -> float:
    """When: a day after its end, which it may come to without being told."""
    return (session.ended or session.last_seen + session.idle + session.stays) + KEPT_AFTER_END


def _remember_seat(c: Connection, session: str, device_id: str) -> None:
    """`session`: the hash of its id. A session never changes its device."""
    if device_id:
        put_new(c, seated_on, {"session": session, "device": key_hash(device_id)})
