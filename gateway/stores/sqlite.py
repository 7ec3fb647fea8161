"""The embedded store: one SQLite file, one thread, everything sealed.

A dedicated thread with a synchronous engine is faster than a pool of them, and SQLite has one writer anyway. Rows carry hashes
to find them by, instants to forget them by, and a value sealed for its own row: a stolen file opens nothing, and a value moved to
another row opens nothing either. What has ended stays ended, whatever a writer who has not heard of it writes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, create_engine, delete, event, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from sso.errors import StoreUnavailable
from sso.seal import Seal, SealError
from sso.session import Session
from sso.shift import Shift

from .badges import BadgeRows
from .base import Cookie, key_hash
from .cookies import CookieRows
from .devices import DeviceRows, refuse_revoked, remember_seat
from .factors import FactorRows
from .last_sign_ons import LastSignOnRows, sweep_last_sign_ons
from .schema import (
    bring_up_to_date,
    codes,
    seated_on,
    sessions,
    shifts,
    tallies,
    tokens,
    upstreams,
)
from .values import session_of, shift_of, shift_value
from .vault import VaultRows

T = TypeVar("T")

_DEADLINE = 5.0  # seconds for one answer; above what is waited for a lock
_KEPT_AFTER_END = 86400.0  # seconds: an ended session is told apart from an unknown one for a day


class SqliteStore(BadgeRows, CookieRows, DeviceRows, FactorRows, LastSignOnRows, VaultRows):
    def __init__(
        self, path: Path, seal: Seal, *, timeout: float = 2.0, alarm: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        """`timeout`: seconds to wait for a locked file. `alarm` hears `session-store`, `failing` or `ok`, from the
        store's thread. Raises StoreUnavailable."""
        self._path = path
        self._seal = seal
        self._alarm = alarm
        self._failing = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": timeout, "check_same_thread": False})
        event.listen(self._engine, "connect", _pragmas)
        self._connection: Connection | None = None
        try:
            self._thread.submit(self._open, path).result()
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the store `{path}` cannot be opened: {type(error).__name__}") from None

    def _open(self, path: Path) -> None:
        self._connection = self._engine.connect()
        bring_up_to_date(self._connection)
        self._connection.commit()
        path.chmod(0o600)
        self._inode = path.stat().st_ino

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown()

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    async def _do(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the store's thread, in a transaction of its own. Raises StoreUnavailable, also after a deadline:
        a disk that hangs keeps the thread, and nobody else."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DEADLINE):
                return await loop.run_in_executor(self._thread, self._in_transaction, work)
        except TimeoutError:
            self._say(failing=True)
            raise StoreUnavailable("the store did not answer in time") from None

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            assert self._connection is not None
            with self._connection.begin():
                done = work(self._connection)
        except SQLAlchemyError as error:
            self._say(failing=True)
            raise StoreUnavailable(f"the store did not answer: {type(error).__name__}") from None
        except StoreUnavailable:
            self._say(failing=True)
            raise
        except SealError:
            raise StoreUnavailable("the store holds what `keys.seal` does not open: was the key replaced?") from None
        self._say(failing=False)
        return done

    def _say(self, *, failing: bool) -> None:
        if failing is not self._failing:
            self._failing = failing
            self._alarm("session-store", "failing" if failing else "ok")

    def _still_there(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    async def version(self) -> int:
        """SQLite's data_version: changes when another connection has committed.

        A file that was taken away would go on without its name: nobody else's revocations would arrive in it.
        """

        def ask(c: Connection) -> int:
            if not self._still_there():
                raise StoreUnavailable(f"the store `{self._path}` was taken away: put it back, or start again")
            return int(c.execute(text("PRAGMA data_version")).scalar_one())

        return await self._do(ask)

    # Shifts

    async def put_shift(self, shift: Shift) -> None:
        await self._do(lambda c: self._put_shift(c, shift))

    async def put_session(self, session: Session) -> None:
        await self._do(lambda c: self._put_session(c, session))

    async def seat(self, shift: Shift, session: Session, host: str, hashed: str) -> None:
        """A shift, a session in it and its first cookie, or nothing of the three. Raises DeviceRefused."""

        def work(c: Connection) -> None:
            refuse_revoked(c, session.device.id)
            self._put_shift(c, shift)
            self._put_session(c, session)
            self.put_token(c, session.id, host, hashed)

        await self._do(work)

    def _put_shift(self, c: Connection, shift: Shift) -> None:
        p = shift.principal
        hashed = key_hash(shift.id)
        row = {
            "id": hashed,
            "person": key_hash(p.issuer, p.subject),
            # Whoever signs on at the provider joins no shift that it has not confirmed.
            "seat": key_hash(p.issuer, p.subject, p.role, *([shift.emergency] if shift.emergency else [])),
            "provider_session": key_hash(p.issuer, shift.provider_session) if shift.provider_session else None,
            "ends": shift.ends,
            "ended": shift.ended,
            "value": self._seal.seal(json.dumps(shift_value(shift)).encode(), purpose=f"shift:{hashed}"),
        }
        _replace(c, shifts, row, "id", shifts.c.ended.is_(None))

    async def shift(self, shift_id: str) -> Shift | None:
        def ask(c: Connection) -> Shift | None:
            row = c.execute(select(shifts.c.id, shifts.c.value).where(shifts.c.id == key_hash(shift_id))).first()
            return self._shift(row.id, row.value) if row else None

        return await self._do(ask)

    async def live_of(self, issuer: str, subject: str, role: str, now: float) -> Shift | None:
        def ask(c: Connection) -> Shift | None:
            found = select(shifts.c.id, shifts.c.value).where(
                shifts.c.seat == key_hash(issuer, subject, role), shifts.c.ended.is_(None), shifts.c.ends > now
            )
            row = c.execute(found.order_by(shifts.c.ends.desc()).limit(1)).first()
            return self._shift(row.id, row.value) if row else None

        return await self._do(ask)

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

        return await self._do(ask)

    def _shift(self, hashed: str, value: str) -> Shift:
        return shift_of(json.loads(self._seal.unseal(value, purpose=f"shift:{hashed}")))

    # Sessions and their cookies

    def _put_session(self, c: Connection, session: Session) -> None:
        hashed = key_hash(session.id)
        kept = c.execute(select(sessions.c.value).where(sessions.c.id == hashed)).scalar()
        if kept:
            session = session.heard_of(self._session(hashed, kept))
        row = {
            "id": hashed,
            "shift": key_hash(session.shift_id),
            "provider_session": key_hash(session.provider_session) if session.provider_session else None,
            "forget": _forgotten(session),
            "ended": session.ended,
            "value": self._seal.seal(json.dumps(asdict(session)).encode(), purpose=f"session:{hashed}"),
        }
        _replace(c, sessions, row, "id", sessions.c.ended.is_(None))
        remember_seat(c, hashed, session.device.id)

    async def session(self, session_id: str) -> Session | None:
        def ask(c: Connection) -> Session | None:
            row = c.execute(
                select(sessions.c.id, sessions.c.value).where(sessions.c.id == key_hash(session_id))
            ).first()
            return self._session(row.id, row.value) if row else None

        return await self._do(ask)

    async def of_shift(self, shift_id: str) -> list[Session]:
        def ask(c: Connection) -> list[Session]:
            rows = c.execute(select(sessions.c.id, sessions.c.value).where(sessions.c.shift == key_hash(shift_id)))
            return [self._session(hashed, value) for hashed, value in rows]

        return await self._do(ask)

    async def by_token(self, hashed: str) -> Cookie | None:
        """What a cookie's hash stands for, also where it has lapsed."""

        def ask(c: Connection) -> Cookie | None:
            value = c.execute(select(tokens.c.value).where(tokens.c.hash == hashed)).scalar()
            if not value:
                return None
            session_id, host, until = self.token_row(hashed, value)
            hashed_id = key_hash(session_id)
            kept = c.execute(select(sessions.c.value).where(sessions.c.id == hashed_id)).scalar()
            if not kept:
                return None
            session = self._session(hashed_id, kept)
            hashed_id = key_hash(session.shift_id)
            shift = c.execute(select(shifts.c.value).where(shifts.c.id == hashed_id)).scalar()
            return Cookie(session, self._shift(hashed_id, shift), host, until) if shift else None

        return await self._do(ask)

    def _session(self, hashed: str, value: str) -> Session:
        return session_of(json.loads(self._seal.unseal(value, purpose=f"session:{hashed}")))

    # Codes

    async def put_code(self, kind: str, code: str, value: bytes, expires: float) -> None:
        hashed = key_hash(kind, code)
        row = {"hash": hashed, "expires": expires, "value": self._seal.seal(value, purpose=f"code:{hashed}")}
        await self._do(lambda c: _replace(c, codes, row, "hash"))

    async def take_code(self, kind: str, code: str, now: float) -> bytes | None:
        hashed = key_hash(kind, code)

        def work(c: Connection) -> bytes | None:
            gone = delete(codes).where(codes.c.hash == hashed).returning(codes.c.value, codes.c.expires)
            row = c.execute(gone).first()
            return self._code(hashed, row.value) if row and row.expires > now else None

        return await self._do(work)

    async def read_code(self, kind: str, code: str, now: float) -> bytes | None:
        hashed = key_hash(kind, code)

        def ask(c: Connection) -> bytes | None:
            found = select(codes.c.value).where(codes.c.hash == hashed, codes.c.expires > now)
            return self._code(hashed, c.execute(found).scalar())

        return await self._do(ask)

    def _code(self, hashed: str, value: str | None) -> bytes | None:
        return self._seal.unseal(value, purpose=f"code:{hashed}") if value else None

    async def first_time(self, kind: str, code: str, expires: float, now: float) -> bool:
        def work(c: Connection) -> bool:
            row = {"hash": key_hash(kind, code), "expires": expires, "value": ""}
            c.execute(delete(codes).where(codes.c.hash == row["hash"], codes.c.expires <= now))
            return c.execute(upsert(codes).values(row).on_conflict_do_nothing()).rowcount == 1

        return await self._do(work)

    # Upstream sessions

    async def put_upstream(self, key: tuple[str, ...], value: bytes, owner_session: str) -> None:
        hashed = key_hash(*key)
        row = {
            "hash": hashed,
            "session": key_hash(owner_session),
            "value": self._seal.seal(value, purpose=f"upstream:{hashed}"),
        }
        await self._do(lambda c: _replace(c, upstreams, row, "hash"))

    async def get_upstream(self, key: tuple[str, ...]) -> bytes | None:
        hashed = key_hash(*key)

        def ask(c: Connection) -> bytes | None:
            value = c.execute(select(upstreams.c.value).where(upstreams.c.hash == hashed)).scalar()
            return self._seal.unseal(value, purpose=f"upstream:{hashed}") if value else None

        return await self._do(ask)

    async def delete_upstream(self, key: tuple[str, ...]) -> None:
        await self._do(lambda c: c.execute(delete(upstreams).where(upstreams.c.hash == key_hash(*key))) and None)

    async def sweep(self, now: float) -> None:
        def work(c: Connection) -> None:
            c.execute(delete(tallies).where(tallies.c.expires <= now))
            c.execute(delete(codes).where(codes.c.expires <= now))
            c.execute(delete(sessions).where(sessions.c.forget <= now))
            sweep_last_sign_ons(c, now)
            c.execute(delete(tokens).where(tokens.c.session.not_in(select(sessions.c.id))))
            c.execute(delete(upstreams).where(upstreams.c.session.not_in(select(sessions.c.id))))
            c.execute(delete(seated_on).where(seated_on.c.session.not_in(select(sessions.c.id))))
            c.execute(delete(shifts).where(shifts.c.ends + _KEPT_AFTER_END <= now))

        await self._do(work)

    async def touch(self, seen: list[Session]) -> None:
        """Write when sessions were last seen; all at once."""

        def work(c: Connection) -> None:
            for session in seen:
                hashed = key_hash(session.id)
                live = sessions.c.id == hashed, sessions.c.ended.is_(None)
                value = c.execute(select(sessions.c.value).where(*live)).scalar()
                if not value:
                    continue
                kept = self._session(hashed, value)
                kept.last_seen = max(kept.last_seen, session.last_seen)
                value = self._seal.seal(json.dumps(asdict(kept)).encode(), purpose=f"session:{hashed}")
                c.execute(update(sessions).where(*live).values(value=value, forget=_forgotten(kept)))

        await self._do(work)


def _forgotten(session: Session) -> float:
    """When: a day after its end, which it may come to without being told."""
    return (session.ended or session.last_seen + session.idle + session.stays) + _KEPT_AFTER_END


def _pragmas(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _replace(c: Connection, table: Table, row: dict[str, Any], key: str, where: Any = None) -> None:
    """A new row, or the old one's values replaced; left alone where `where` does not hold for the old one."""
    changes = {k: v for k, v in row.items() if k != key}
    c.execute(upsert(table).values(row).on_conflict_do_update(index_elements=[key], set_=changes, where=where))
