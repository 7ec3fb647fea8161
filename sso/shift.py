"""A shift: what one sign-on starts and all of a clinician's sessions share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from policies.model import Principal

NEAR_ITS_END = 90 * 60.0  # seconds
AWAY, VOUCHED = "provider-away", "vouched"  # why a shift began without the provider
LAST_MOMENT, A_LITTLE, MOST_PUT_OFF = 60.0, 120.0, 15 * 60.0  # seconds
STRONG = 2  # the assurance level that lets a shift be lengthened


@dataclass(slots=True)
class Shift:
    """Kept sealed. `id` is public (it stands in the journal); it opens nothing."""

    id: str
    principal: Principal
    started: float
    ends: float  # never moves by itself; once, by a proof, and a little while somebody is writing
    auth_time: float  # when the clinician last proved themselves to the provider
    checked: float  # when the provider last confirmed the claims
    acr: str = ""
    amr: tuple[str, ...] = ()
    provider_session: str = ""  # the provider's `sid` of the latest sign-on, whose tokens these are
    id_token: str = field(default="", repr=False)  # hint for RP-initiated log-out
    refresh_token: str = field(default="", repr=False)
    provider_away: bool = False
    ended: float | None = None
    end_reason: str = ""
    emergency: str = ""  # AWAY or VOUCHED: no provider has confirmed it, and none ever will
    put_off: float = 0.0  # seconds that its end has been put off, for what was being written
    renewed: int = (
        0  # its claims and tokens were changed so often: whoever has not heard of the latest takes nothing back
    )

    def live(self, now: float) -> bool:
        return self.ended is None and now < self.ends

    def may_be_longer(self, now: float, longest: float) -> bool:
        """Near its end, for a clinician of assurance enough; `longest`: seconds from its start, once. Never after an emergency sign-on."""
        near = not self.emergency and self.live(now) and self.ends - now <= NEAR_ITS_END
        return near and self.principal.assurance >= STRONG and self.ends < self.started + longest

    def lengthen(self, proved: float, now: float, longest: float) -> bool:
        """By a proof that was given near its end: a handover is not cut off."""
        if not self.may_be_longer(now, longest) or proved < self.ends - NEAR_ITS_END:
            return False
        self.ends = self.started + longest
        return True

    def waits(self, now: float) -> bool:
        """In its last minute, for somebody who is writing: two minutes from now, a quarter of an hour in all. Whether it does."""
        near = not self.emergency and self.live(now) and self.ends - now <= LAST_MOMENT
        more = min(now + A_LITTLE - self.ends, MOST_PUT_OFF - self.put_off)
        if not near or more <= 0:
            return False
        self.ends, self.put_off = self.ends + more, self.put_off + more
        return True

    def heard_of(self, kept: Shift) -> Shift:
        """This one, as a store may keep it over `kept`: later claims and tokens, an end that was put off, and an end that came hold.

        Whoever has no ID token leaves the one that is kept.
        """
        later = {name: getattr(kept, name) for name in _RENEWED if kept.renewed > self.renewed}
        later.setdefault("id_token", self.id_token or kept.id_token)
        later |= {name: getattr(kept, name) for name in ("ended", "end_reason") if kept.ended is not None}
        return replace(self, **later, ends=max(self.ends, kept.ends), put_off=max(self.put_off, kept.put_off))


_RENEWED = (
    "principal",
    "auth_time",
    "checked",
    "acr",
    "amr",
    "provider_session",
    "id_token",
    "refresh_token",
    "provider_away",
    "renewed",
)


class ShiftStore(Protocol):
    """Where shifts are kept. Every method raises StoreUnavailable when the store cannot be used."""

    async def put_shift(self, shift: Shift) -> None: ...

    async def shift(self, shift_id: str) -> Shift | None: ...

    async def live_of(self, issuer: str, subject: str, role: str, now: float) -> Shift | None: ...

    async def by_provider_session(self, issuer: str, sid: str) -> list[Shift]:
        """Those whose latest sign-on was by it, and those in which a session was seated by it, whether that goes on or not."""
        ...

    async def by_subject(self, issuer: str, subject: str) -> list[Shift]: ...
