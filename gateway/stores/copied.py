"""What a lasting copy of shifts and sessions says of its changes: for whoever keeps them where the last second can be lost."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from sso.session import Session
from sso.shift import Shift

from .changes import heard
from .rows import Rows
from .schema import sessions, shifts, tokens

_AT_ONCE = 500


@dataclass(slots=True)
class Written:
    """As they stand by now. `cookies`: of each session, by its id, the hashes of its cookies."""

    shifts: list[Shift]
    sessions: list[Session]
    cookies: dict[str, frozenset[str]]


class CopyRows(Rows):
    """The part of SqlStore that is a copy of another store's shifts and sessions."""

    def _shift(self, hashed: str, value: str) -> Shift:
        raise NotImplementedError

    def _session(self, hashed: str, value: str) -> Session:
        raise NotImplementedError

    async def written_since(self, place: str) -> Written | None:
        """By anybody, this object included. None: too many, or unknown."""

        def ask(c: Connection) -> Written | None:
            keys = heard(c, "", place).keys
            if keys is None:
                return None
            found, listed = Written([], [], {}), sorted(keys)
            for start in range(0, len(listed), _AT_ONCE):
                self._add(c, found, listed[start : start + _AT_ONCE])
            return found

        return await self._ask(ask)

    def _add(self, c: Connection, found: Written, keys: list[str]) -> None:
        rows = c.execute(select(shifts.c.id, shifts.c.value).where(shifts.c.id.in_(keys)))
        found.shifts += [self._shift(hashed, value) for hashed, value in rows]
        kept = {
            hashed: self._session(hashed, value)
            for hashed, value in c.execute(select(sessions.c.id, sessions.c.value).where(sessions.c.id.in_(keys)))
        }
        found.sessions += kept.values()
        known = c.execute(select(tokens.c.session, tokens.c.hash).where(tokens.c.session.in_(keys))).all()
        for hashed, session in kept.items():
            found.cookies[session.id] = frozenset(row.hash for row in known if row.session == hashed)
