"""The store over SQL: the same statements for SQLite and PostgreSQL, which the engines of each run.

Rows carry hashes to find them by, instants to forget them by, and a value sealed for its own row: a stolen database opens nothing, and
a value moved to another row opens nothing either.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from sso.session import Session
from sso.shift import Shift

from .badges import BadgeRows
from .base import key_hash
from .codes import CodeRows
from .cookies import CookieRows
from .copied import CopyRows
from .devices import DeviceRows, refuse_revoked
from .factors import FactorRows
from .last_sign_ons import LastSignOnRows, sweep_last_sign_ons
from .leases import LeaseRows
from .schema import codes, seated_on, sessions, shifts, tallies, tokens, upstreams
from .shifts import ShiftRows
from .sittings import KEPT_AFTER_END, SessionRows
from .upstreams import UpstreamRows
from .vault import VaultRows


class SqlStore(
    ShiftRows,
    SessionRows,
    CookieRows,
    CopyRows,
    CodeRows,
    UpstreamRows,
    LeaseRows,
    BadgeRows,
    DeviceRows,
    FactorRows,
    LastSignOnRows,
    VaultRows,
):
    """All that a Store keeps; which connection it is kept by is the engine's."""

    async def begin(self) -> None:
        """It began when it was opened."""

    async def watch(self) -> None:
        """It looks after itself."""

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """A shift, a session in it and its first cookie, or nothing of the three. Raises DeviceRefused."""

        def work(c: Connection) -> None:
            refuse_revoked(c, session.device.id)
            self._put_shift(c, shift)
            self._put_session(c, session)
            self._put_token(c, session.id, host, hashed)
            self._tell(c, key_hash(shift.id), key_hash(session.id))

        await self._do(work)

    async def sweep(self, now: float) -> None:
        def work(c: Connection) -> None:
            c.execute(delete(tallies).where(tallies.c.expires <= now))
            c.execute(delete(codes).where(codes.c.expires <= now))
            c.execute(delete(sessions).where(sessions.c.forget <= now))
            sweep_last_sign_ons(c, now)
            for of_session in (tokens, upstreams, seated_on):
                c.execute(delete(of_session).where(of_session.c.session.not_in(select(sessions.c.id))))
            c.execute(delete(shifts).where(shifts.c.ends + KEPT_AFTER_END <= now))
            self._sweep_leases(c)

        await self._chore(work)
