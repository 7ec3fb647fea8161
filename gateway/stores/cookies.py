"""Sessions' cookies, as hashes with their host and end, in the embedded store."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from typing import TypeVar

from sqlalchemy import Connection, delete, insert, select

from sso.seal import Seal

from .base import key_hash
from .schema import tokens

T = TypeVar("T")


class CookieRows:
    """The part of SqliteStore that keeps cookies."""

    _seal: Seal

    async def _do(self, work: Callable[[Connection], T]) -> T:
        raise NotImplementedError

    async def add_token(self, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        def work(c: Connection) -> None:
            if until < inf:
                self._drop_lapsed(c, session_id, host, until)
            self.put_token(c, session_id, host, hashed, until)

        await self._do(work)

    def _drop_lapsed(self, c: Connection, session_id: str, host: str, until: float) -> None:
        """All but the newest: a browser may have been given that one and not have taken it."""
        rows = c.execute(select(tokens.c.hash, tokens.c.value).where(tokens.c.session == key_hash(session_id))).all()
        known = [(self.token_row(hashed, value), hashed) for hashed, value in rows]
        lives = sorted((life, hashed) for (_, at, life), hashed in known if at == host and life < until)
        for _, hashed in lives[:-1]:
            c.execute(delete(tokens).where(tokens.c.hash == hashed))

    def token_row(self, hashed: str, value: str) -> tuple[str, str, float]:
        """Session, host and end. Cookies of an earlier release say no end."""
        session_id, host, *until = json.loads(self._seal.unseal(value, purpose=f"token:{hashed}"))
        return session_id, host, until[0] if until and until[0] is not None else inf

    def put_token(self, c: Connection, session_id: str, host: str, hashed: str, until: float = inf) -> None:
        said = [session_id, host, until if until < inf else None]
        value = self._seal.seal(json.dumps(said).encode(), purpose=f"token:{hashed}")
        c.execute(insert(tokens).values(hash=hashed, session=key_hash(session_id), value=value))

    async def forget_tokens(self, session_id: str) -> None:
        await self._do(lambda c: c.execute(delete(tokens).where(tokens.c.session == key_hash(session_id))) and None)

    async def renew_tokens(self, session_id: str, host: str, hashed: str, now: float) -> None:
        of_session = tokens.c.session == key_hash(session_id)

        def work(c: Connection) -> None:
            rows = c.execute(select(tokens.c.hash, tokens.c.value).where(of_session)).all()
            c.execute(delete(tokens).where(of_session))
            for known, value in rows:
                _, at, until = self.token_row(known, value)
                if at != host:
                    self.put_token(c, session_id, at, known, min(until, now))
            self.put_token(c, session_id, host, hashed)

        await self._do(work)
