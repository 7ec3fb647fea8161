"""Shifts in Redis: by their id, by their person, and by the provider's session."""

from __future__ import annotations

from collections.abc import Mapping

from sso.shift import Shift

from ..base import key_hash
from ..values import shift_of, shift_value
from .kept import DAY, Kept, named
from .plan import Plan, sealed_of
from .scripts import at

SHIFT, PERSON, BY_SID = "shift", "person", "sid"


class ShiftKeys(Kept):
    """A ShiftStore, but for those that a session's `sid` finds."""

    async def put_shift(self, shift: Shift) -> None:
        def make(known: Mapping[str, str]) -> Plan:
            plan = Plan()
            self._plan_shift(plan, known, shift)
            return plan

        await self._plans.settle(make)

    def _plan_shift(self, plan: Plan, known: Mapping[str, str], shift: Shift) -> None:
        name = named(shift.id)
        key = at(SHIFT, name)
        plan.mind(key, known.get(key))
        if key in known:
            kept = self._shift(name, known[key])
            if kept.ended is not None:
                return
            shift = shift.heard_of(kept)
        until = shift.ends + DAY
        plan.keep(key, self._sealed_fields(shift_value(shift), SHIFT, name), until)
        _list(plan, shift, name, until)
        plan.say(key_hash(shift.id))

    async def shift(self, shift_id: str) -> Shift | None:
        name = named(shift_id)
        value = await self._value(at(SHIFT, name))
        return self._shift(name, value) if value else None

    async def live_of(self, issuer: str, subject: str, role: str, now: float) -> Shift | None:
        found = await self.by_subject(issuer, subject)
        live = [s for s in found if s.principal.role == role and not s.emergency and s.live(now)]
        return max(live, key=lambda shift: shift.ends, default=None)

    async def by_subject(self, issuer: str, subject: str) -> list[Shift]:
        return await self._shifts(at(PERSON, named(issuer, subject)))

    async def _shifts(self, listed: str) -> list[Shift]:
        """Those that have not been ended."""
        found = await self._listed(listed, SHIFT)
        shifts = [self._shift(name, value) for name, value in found.items()]
        return [shift for shift in shifts if shift.ended is None]

    def _shift(self, name: str, value: str) -> Shift:
        return shift_of(self._opened_fields(sealed_of(value), SHIFT, name))


def _list(plan: Plan, shift: Shift, name: str, until: float) -> None:
    person = at(PERSON, named(shift.principal.issuer, shift.principal.subject))
    sid = at(BY_SID, named(shift.provider_session)) if shift.provider_session else ""
    for listed in filter(None, (person, sid)):
        if shift.ended is None:
            plan.list(listed, name, until)
        else:
            plan.unlist(listed, name)
