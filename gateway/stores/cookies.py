"""Sessions' cookies in SQL, as hashes with their host and end."""

from __future__ import annotations

import json
from math import inf
from typing import Any

from sqlalchemy import Connection, delete, select

from sso.errors import StoreUnavailable
from sso.session import Session
from sso.shift import Shift

from .base import Cookie, key_hash, outlived
from .rows import Rows, put_new
from .schema import sessions, shifts, tokens


class CookieRows(Rows):
    """The part of SqlStore that keeps cookies."""

    def _shift(self, hashed: str, value: str) -> Shift:
        raise NotImplementedError

    def _session(self, hashed: str, value: str) -> Session:
        raise NotImplementedError

    async def by_token(self, hashed: str) -> Cookie | None:
        """What a cookie's hash stands for, also where it has lapsed."""
        of_session, of_shift = sessions.c.id == tokens.c.session, shifts.c.id == sessions.c.shift
        asked = (
            select(tokens.c.value, sessions.c.id, sessions.c.value, shifts.c.id, shifts.c.value)
            .join_from(tokens, sessions, of_session)
            .join(shifts, of_shift)
            .where(tokens.c.hash == hashed)
        )

        def ask(c: Connection) -> Cookie | None:
            row = c.execute(asked).first()
            if row is None:
                return None
            session_id, host, until = self._token(hashed, row[0])
            session, shift = self._session(row[1], row[2]), self._shift(row[3], row[4])
            # What is sealed says whose it is, not the columns beside it.
            return (
                Cookie(session, shift, host, until)
                if (session_id, shift.id) == (session.id, session.shift_id)
                else None
            )

        return await self._ask(ask)

    async def add_token(self, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        def work(c: Connection) -> None:
            if until < inf:
                self._drop_lapsed(c, session_id, host, until)
            self._put_token(c, session_id, host, hashed, until)

        await self._do(work)

    def _drop_lapsed(self, c: Connection, session_id: str, host: str, until: float) -> None:
        rows = c.execute(select(tokens.c.hash, tokens.c.value).where(tokens.c.session == key_hash(session_id))).all()
        known = [(self._token(hashed, value), hashed) for hashed, value in rows]
        for hashed in outlived((life, hashed) for (_, at, life), hashed in known if at == host and life < until):
            c.execute(delete(tokens).where(tokens.c.hash == hashed))

    def _token(self, hashed: str, value: str) -> tuple[str, str, float]:
        """Session, host and end. Cookies of an earlier release say no end."""
        session_id, host, *until = json.loads(self._seal.unseal(value, purpose=f"token:{hashed}"))
        return session_id, host, until[0] if until and until[0] is not None else inf

    def _put_token(self, c: Connection, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        """Whoever is not sure that it was written writes it again; another session's is nobody else's."""
        row = self._token_row(session_id, host, hashed, until)
        asked = select(tokens.c.session).where(tokens.c.hash == hashed)
        if not put_new(c, tokens, row) and c.execute(asked).scalar() != row["session"]:
            raise StoreUnavailable("this cookie is another session's")

    def _token_row(self, session_id: str, host: str, hashed: str, until: float = inf) -> dict[str, Any]:
        said = [session_id, host, until if until < inf else None]
        value = self._seal.seal(json.dumps(said).encode(), purpose=f"token:{hashed}")
        return {"hash": hashed, "session": key_hash(session_id), "value": value}

    async def forget_tokens(self, session_id: str) -> None:
        def work(c: Connection) -> None:
            c.execute(delete(tokens).where(tokens.c.session == key_hash(session_id)))
            self._tell(c, key_hash(session_id))

        await self._do(work)

    async def renew_tokens(self, session_id: str, host: str, hashed: str, now: float) -> None:
        of_session = tokens.c.session == key_hash(session_id)

        def work(c: Connection) -> None:
            rows = c.execute(delete(tokens).where(of_session).returning(tokens.c.hash, tokens.c.value)).all()
            for known, value in rows:
                _, at, until = self._token(known, value)
                if at != host:
                    self._put_token(c, session_id, at, known, min(until, now))
            self._put_token(c, session_id, host, hashed)
            self._tell(c, key_hash(session_id))

        await self._do(work)
