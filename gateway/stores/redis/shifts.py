"""Shifts in Redis: by their id, by their person, and by the provider's session."""

from __future__ import annotations

from collections.abc import Mapping

from sso.shift import Shift

from ..base import key_hash
from ..values import shift_of, shift_value
from .kept import DAY, Kept
from .plan import Plan
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
        hashed = key_hash(shift.id)
        key = at(SHIFT, hashed)
        plan.mind(key, known.get(key))
        if key in known:
            kept = self._shift(hashed, known[key])
            if kept.ended is not None:
                return
            shift = shift.heard_of(kept)
        until = shift.ends + DAY
        plan.put(key, self._sealed_fields(shift_value(shift), SHIFT, hashed), until)
        _list(plan, shift, hashed, until)
        plan.say(hashed)

    async def shift(self, shift_id: str) -> Shift | None:
        hashed = key_hash(shift_id)
        value = await self._value(at(SHIFT, hashed))
        return self._shift(hashed, value) if value else None

    async def live_of(self, issuer: str, subject: str, role: str, now: float) -> Shift | None:
        found = await self.by_subject(issuer, subject)
        live = [s for s in found if s.principal.role == role and not s.emergency and s.live(now)]
        return max(live, key=lambda shift: shift.ends, default=None)

    async def by_subject(self, issuer: str, subject: str) -> list[Shift]:
        return await self._shifts(at(PERSON, key_hash(issuer, subject)))

    async def _shifts(self, listed: str) -> list[Shift]:
        """Those that have not been ended."""
        found = await self._listed(listed, SHIFT)
        shifts = [self._shift(hashed, value) for hashed, value in found.items()]
        return [shift for shift in shifts if shift.ended is None]

    def _shift(self, hashed: str, value: str) -> Shift:
        return shift_of(self._opened_fields(value, SHIFT, hashed))


def _list(plan: Plan, shift: Shift, hashed: str, until: float) -> None:
    person = at(PERSON, key_hash(shift.principal.issuer, shift.principal.subject))
    sid = at(BY_SID, key_hash(shift.provider_session)) if shift.provider_session else ""
    for listed in filter(None, (person, sid)):
        if shift.ended is None:
            plan.list(listed, hashed, until)
        else:
            plan.unlist(listed, hashed)
