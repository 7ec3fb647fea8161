"""Sessions in Redis: by their id, by their shift, and by their device. They take with them what was only for them."""

from __future__ import annotations

from collections.abc import Mapping

from sso.session import Session
from sso.shift import Shift

from ..base import key_hash
from ..values import session_of, session_value
from .kept import DAY, Kept, named
from .plan import Plan, sealed_of
from .scripts import at
from .shifts import BY_SID, SHIFT, ShiftKeys

SESSION, ON_DEVICE = "session", "on"
TOKEN, JAR = "token", "jar"  # a cookie, and a log-on at a system: they belong to a session
_AT_ONCE = 50  # sessions in one write


class SessionKeys(ShiftKeys, Kept):
    """A SessionStore, but for cookies."""

    async def put_session(self, session: Session) -> None:
        def make(known: Mapping[str, str]) -> Plan:
            plan = Plan()
            self._plan_session(plan, known, session)
            return plan

        await self._plans.settle(make)

    def _plan_session(self, plan: Plan, known: Mapping[str, str], session: Session) -> None:
        name, shift_name = named(session.id), named(session.shift_id)
        key = at(SESSION, name)
        plan.mind(key, known.get(key))
        if key in known:
            kept = self._session(name, known[key])
            if kept.ended is not None:
                return
            session = session.heard_of(kept)
        until = self._plan_value(plan, session, name, shift_name)
        plan.add(at(SHIFT, shift_name), f"{SESSION}:{name}")
        if session.provider_session:
            plan.list(at(BY_SID, named(session.provider_session)), shift_name, until)
        if session.device.id:
            device = at(ON_DEVICE, named(session.device.id))
            if session.ended is None:
                plan.list(device, name, until)
            else:
                plan.unlist(device, name)
        plan.say(key_hash(session.id))

    def _plan_value(self, plan: Plan, session: Session, name: str, shift_name: str) -> float:
        key, until = at(SESSION, name), forgotten(session)
        sealed, shift = self._sealed_fields(session_value(session), SESSION, name), at(SHIFT, shift_name)
        plan.keep(key, sealed, until, owner=f"{SHIFT}:{shift_name}", limit=shift)
        plan.last_as_long(key)
        return until

    async def session(self, session_id: str) -> Session | None:
        name = named(session_id)
        value = await self._value(at(SESSION, name))
        return self._session(name, value) if value else None

    async def of_shift(self, shift_id: str) -> list[Session]:
        found = await self._belonging(at(SHIFT, named(shift_id)), SESSION)
        return [self._session(name, value) for name, value in found.items()]

    async def sessions_on(self, device_id: str) -> list[Session]:
        listed = await self._listed(at(ON_DEVICE, named(device_id)), SESSION)
        found = [self._session(name, value) for name, value in listed.items()]
        return sorted((one for one in found if one.ended is None), key=lambda session: -session.created)

    async def by_provider_session(self, issuer: str, sid: str) -> list[Shift]:
        """Those whose latest sign-on was by it, and those in which a session was seated by it, whether that goes on or not."""
        found = await self._shifts(at(BY_SID, named(sid)))
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
                value = found.get(at(SESSION, named(session.id))) if found else None
                if value:  # none: it is gone
                    again.append((session, value))
            waiting = again

    def _touched(self, session: Session, value: str | None) -> Plan:
        plan, name = Plan(), named(session.id)
        plan.mind(at(SESSION, name), value)
        kept = self._session(name, value) if value else None
        if kept is not None and kept.ended is None and kept.last_seen < session.last_seen:
            kept.last_seen = session.last_seen
            self._plan_value(plan, kept, name, named(kept.shift_id))
        return plan

    def _session(self, name: str, value: str) -> Session:
        return session_of(self._opened_fields(sealed_of(value), SESSION, name))


def forgotten(session: Session) -> float:
    """When: a day after its end, which it may come to without being told."""
    return (session.ended or session.last_seen + session.idle + session.stays) + DAY
