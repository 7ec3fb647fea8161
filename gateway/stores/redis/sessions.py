"""Sessions in Redis: by their id, by their shift, and by their device. They take with them what was only for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from sso.session import Session
from sso.shift import Shift

from ..base import key_hash
from ..values import session_of
from .kept import DAY, Kept
from .plan import Plan
from .scripts import at
from .shifts import BY_SID, SHIFT, ShiftKeys

SESSION, OF_SHIFT, ON_DEVICE = "session", "of", "on"
TOKEN, TOKENS = "token", "tokens"  # a cookie; those of a session
JAR, JARS = "jar", "jars"  # a log-on at a system; those of a session
_AT_ONCE = 50  # sessions in one write


class SessionKeys(ShiftKeys, Kept):
    """A SessionStore, but for cookies."""

    async def put_session(self, session: Session) -> None:
        def make(known: Mapping[str, str]) -> Plan:
            plan = Plan()
            self._plan_session(plan, known, session)
            return plan

        await self._plans.settle(make)

    def _plan_session(self, plan: Plan, known: Mapping[str, str], session: Session, shift: Shift | None = None) -> None:
        """`shift`: one that is written with it, which bounds how long it is kept."""
        hashed, shift_hash = key_hash(session.id), key_hash(session.shift_id)
        key = at(SESSION, hashed)
        plan.mind(key, known.get(key))
        if key in known:
            kept = self._session(hashed, known[key])
            if kept.ended is not None:
                return
            session = session.heard_of(kept)
        until = self._plan_value(plan, session, hashed, shift_hash)
        plan.list(at(OF_SHIFT, shift_hash), hashed, until)
        if session.provider_session:
            plan.list(at(BY_SID, key_hash(session.provider_session)), shift_hash, until)
        if session.device.id:
            device = at(ON_DEVICE, key_hash(session.device.id))
            if session.ended is None:
                plan.list(device, hashed, until)
            else:
                plan.unlist(device, hashed)
        plan.say(hashed)

    def _plan_value(self, plan: Plan, session: Session, hashed: str, shift_hash: str) -> float:
        key, until = at(SESSION, hashed), forgotten(session)
        sealed = self._sealed_fields(asdict(session), SESSION, hashed)
        plan.put(key, f"{shift_hash} {sealed}", until, limit=at(SHIFT, shift_hash))
        for listed, kind in ((TOKENS, TOKEN), (JARS, JAR)):
            plan.last_as_long(key, at(listed, hashed), at(kind, ""))
        return until

    async def session(self, session_id: str) -> Session | None:
        hashed = key_hash(session_id)
        value = await self._value(at(SESSION, hashed))
        return self._session(hashed, value) if value else None

    async def of_shift(self, shift_id: str) -> list[Session]:
        return await self._sessions(at(OF_SHIFT, key_hash(shift_id)))

    async def sessions_on(self, device_id: str) -> list[Session]:
        found = [s for s in await self._sessions(at(ON_DEVICE, key_hash(device_id))) if s.ended is None]
        return sorted(found, key=lambda session: -session.created)

    async def by_provider_session(self, issuer: str, sid: str) -> list[Shift]:
        """Those whose latest sign-on was by it, and those in which a session was seated by it, whether that goes on or not."""
        found = await self._shifts(at(BY_SID, key_hash(sid)))
        return [s for s in found if s.principal.issuer == issuer and await self._seated_by(s, sid)]

    async def _seated_by(self, shift: Shift, sid: str) -> bool:
        """The list may name a shift that has another one by now."""
        if shift.provider_session == sid:
            return True
        return any(session.provider_session == sid for session in await self.of_shift(shift.id))

    async def touch(self, seen: list[Session]) -> None:
        """Write when sessions were last seen; many at once."""
        for start in range(0, len(seen), _AT_ONCE):
            await self._touch(seen[start : start + _AT_ONCE])

    async def _touch(self, seen: list[Session]) -> None:
        waiting: list[tuple[Session, str | None]] = [(session, None) for session in seen]
        while waiting:
            done = await self._plans.apply([self._touched(session, kept) for session, kept in waiting])
            again: list[tuple[Session, str | None]] = []
            for (session, _), found in zip(waiting, done, strict=True):
                value = found.get(at(SESSION, key_hash(session.id))) if found else None
                if value:  # none: it is gone
                    again.append((session, value))
            waiting = again

    def _touched(self, session: Session, value: str | None) -> Plan:
        plan, hashed = Plan(), key_hash(session.id)
        plan.mind(at(SESSION, hashed), value)
        kept = self._session(hashed, value) if value else None
        if kept is not None and kept.ended is None and kept.last_seen < session.last_seen:
            kept.last_seen = session.last_seen
            self._plan_value(plan, kept, hashed, key_hash(kept.shift_id))
        return plan

    async def _sessions(self, listed: str) -> list[Session]:
        return [self._session(hashed, value) for hashed, value in (await self._listed(listed, SESSION)).items()]

    def _session(self, hashed: str, value: str) -> Session:
        _, _, sealed = value.partition(" ")
        return session_of(self._opened_fields(sealed, SESSION, hashed))


def forgotten(session: Session) -> float:
    """When: a day after its end, which it may come to without being told."""
    return (session.ended or session.last_seen + session.idle + session.stays) + DAY
