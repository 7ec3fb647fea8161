"""Emergency sign-on: into a shift of two hours without the identity provider, for a clinician who is known here.

Known by an earlier federated sign-on, of which a sealed record is kept: identity, role and organisation come from there. A login name,
a colleague's number or a passkey selects the record; a PIN or the passkey proves, on an enrolled device. It opens while the provider
is away, and for whoever a colleague has vouched for. Each is written down before anybody is seated, alarmed, and reviewed afterwards.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from policies.model import Device, Ownership, Principal
from sso import unlock
from sso.last_sign_on import LastSignOn, plain_name
from sso.passkey import Passkey
from sso.provider import SignedOn
from sso.session import PASSKEY, PIN
from sso.shift import AWAY, VOUCHED, Shift

from . import logs
from .audit.event import AuditEvent, EventType
from .audit.journal import Journal
from .badges import Badges
from .config import EmergencyTable
from .locks import Locks, person_of
from .metrics import Metrics
from .presence import Presence
from .session_events import seated_event, shift_event
from .sessions import Seat, Sessions
from .stores.base import Store
from .vouching import Vouch, Vouching

DEVICE_TRIES = 30  # at one device, right or wrong, of whomever: a shared PC at the change of shifts, and no more
# PINs that are being seen to: who comes meanwhile waits at the door, and not in the way of whoever is at work.
AT_ONCE = 8
_HOUR = 3600.0  # seconds


class Refused(Enum):
    """Why nobody was signed on; the value is the journal's reason."""

    WRONG = "emergency-wrong"  # nobody of that name, no PIN, another PIN, somebody else's device: told alike
    LIMITED = "emergency-limited"  # too many tries, of this person or at this device
    NOT_NEEDED = "emergency-not-needed"  # the provider is there, and nobody has vouched
    LONG_AGO = "emergency-long-ago"  # the latest federated sign-on is too old: somebody must vouch


@dataclass(frozen=True, slots=True)
class Meant:
    """Who is meant, before anything is proved."""

    record: LastSignOn
    vouch: Vouch | None = None


class Selector(Protocol):
    """What turns something that was typed, or read from a badge, into a clinician. It selects; something else proves."""

    async def meant(self, typed: str) -> Meant | None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is asked: the enrolled device that has just proved itself, and what it is to a clinician, with its idle time."""

    device_id: str
    ownership: Ownership
    host: str
    source: str
    device: Callable[[Principal], Awaitable[tuple[Device, float]]]
    follows: bool = False  # somebody else's pages may still be open in this browser


@dataclass(frozen=True, slots=True)
class Begun:
    """Who is signed on, and the cookie's value."""

    seat: Seat
    token: str


class LoginNames:
    """Selects by the name that the provider, or a local system, knows a clinician by."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def meant(self, typed: str) -> Meant | None:
        record = await self._store.last_sign_on_named(name) if (name := plain_name(typed)) else None
        return Meant(record) if record else None


class Numbers:
    """Selects by the number that a colleague who vouches has given."""

    def __init__(self, store: Store, vouching: Vouching) -> None:
        self._store = store
        self._vouching = vouching

    async def meant(self, typed: str) -> Meant | None:
        vouch = await self._vouching.found(typed)
        record = await self._store.last_sign_on(vouch.issuer, vouch.subject) if vouch else None
        return Meant(record, vouch) if record else None


class Tapped:
    """Selects by the badge that a reader has typed."""

    def __init__(self, store: Store, badges: Badges) -> None:
        self._store = store
        self._badges = badges

    async def meant(self, typed: str) -> Meant | None:
        holder = await self._badges.whose(typed)
        record = await self._store.last_sign_on(holder.issuer, holder.subject) if holder else None
        return Meant(record) if record else None


class Emergency:
    def __init__(
        self,
        settings: EmergencyTable,
        store: Store,
        sessions: Sessions,
        locks: Locks,
        vouching: Vouching,
        presence: Presence,
        journal: Journal,
        metrics: Metrics,
        now: Callable[[], float],
        selectors: Sequence[Selector],
    ) -> None:
        """`selectors` are asked in turn; the first that knows somebody decides."""
        self._settings = settings
        self._store = store
        self._sessions = sessions
        self._locks = locks
        self._vouching = vouching
        self._presence = presence
        self._journal = journal
        self._metrics = metrics
        self._now = now
        self._selectors = selectors
        self._door = asyncio.Semaphore(AT_ONCE)

    @property
    def enabled(self) -> bool:
        return self._settings.enabled

    # Who is known

    async def remember(self, signed_on: SignedOn) -> None:
        """Whoever has just signed on at the provider. Not asked for by any request to a system."""
        now = self._now()
        if self.enabled:
            found = LastSignOn(signed_on.principal, now, signed_on.local_id)
            kept = max(self._settings.known_within, self._settings.vouched_within)
            await self._store.put_last_sign_on(found, now + kept)

    async def forget(self, principal: Principal) -> None:
        """What the provider said of them is not true any more."""
        await self._store.forget_last_sign_on(principal.issuer, principal.subject)

    async def _meant(self, typed: str) -> Meant | None:
        """Who is meant by this: the one place where whatever selects a clinician comes together."""
        for selector in self._selectors:
            if (found := await selector.meant(typed)) is not None:
                return found
        return None

    # By PIN

    async def by_pin(self, typed: str, pin: str, place: Place) -> Begun | Refused:
        """Every try is counted before it is looked at, and takes as long for nobody as for somebody."""
        async with self._door:
            return await self._by_pin(typed, pin, place)

    async def _by_pin(self, typed: str, pin: str, place: Place) -> Begun | Refused:
        if await self._too_many_here(place):
            return await self._refused(Refused.LIMITED, place)
        meant = await self._meant(typed)
        if (meant is None or meant.vouch is None) and not await self._presence.look():
            return Refused.NOT_NEEDED  # no PIN was looked at: whoever guesses learns nothing by it
        p = meant.record.principal if meant else None
        issuer, subject = (p.issuer, p.subject) if p else ("", plain_name(typed))
        person = person_of(issuer, subject)
        tried = await self._store.tally("pin-person", person, self._now(), self._now() + unlock.PERSON_WINDOW)
        right = await self._locks.fits(await self._store.factor(issuer, subject, PIN), pin)
        if tried > unlock.PERSON_TRIES:
            return await self._refused(Refused.LIMITED, place, p)
        if not right or meant is None or not (await place.device(meant.record.principal))[0].id:
            return await self._refused(Refused.WRONG, place, p)
        await self._store.clear_tally("pin-person", person)
        return await self._begin(meant, PIN, place)

    # By passkey, which names its owner

    async def owner(self, handle: bytes, typed: str, place: Place) -> tuple[Meant, list[Passkey]] | Refused:
        """Whose passkey it says it is, and what is known of theirs. `typed`: maybe a colleague's number, for the same clinician."""
        if await self._too_many_here(place):
            return await self._refused(Refused.LIMITED, place)
        record = await self._store.last_sign_on_by_handle(handle)
        if record is None or not (await place.device(record.principal))[0].id:
            return await self._refused(Refused.WRONG, place)
        said = await self._meant(typed) if typed else None
        vouch = said.vouch if said is not None and said.record.principal == record.principal else None
        if vouch is None and not await self._presence.look():
            return Refused.NOT_NEEDED
        return Meant(record, vouch), await self._locks.passkeys_of(record.principal)

    async def by_passkey(self, meant: Meant, used: Passkey, place: Place) -> Begun | Refused:
        """`used`: which of theirs it was, with its new count."""
        await self._locks.passkey_used(meant.record.principal, used)
        return await self._begin(meant, PASSKEY, place)

    async def wrong_passkey(self, meant: Meant, place: Place) -> Refused:
        return await self._refused(Refused.WRONG, place, meant.record.principal)

    async def _too_many_here(self, place: Place) -> bool:
        now = self._now()
        return await self._store.tally("emergency-device", place.device_id, now, now + _HOUR) > DEVICE_TRIES

    # And in

    async def _begin(self, meant: Meant, proof: str, place: Place) -> Begun | Refused:
        why, now = VOUCHED if meant.vouch else AWAY, self._now()
        within = self._settings.vouched_within if meant.vouch else self._settings.known_within
        if not now - meant.record.at <= within:
            return await self._refused(Refused.LONG_AGO, place, meant.record.principal)
        if meant.vouch is not None and not await self._vouching.use(meant.vouch):
            return await self._refused(Refused.WRONG, place, meant.record.principal)
        shift = Shift(
            id=secrets.token_hex(16),
            principal=meant.record.offline(),
            started=now,
            ends=now + self._settings.lasts,
            auth_time=meant.record.at,
            checked=now,
            provider_away=True,
            emergency=why,
        )
        device, idle = await place.device(shift.principal)
        await self._say(shift, device, proof, meant, place)
        seat, token = await self._sessions.begin(
            shift, device, place.host, idle=idle, proof=proof, follows=place.follows
        )
        await self._journal.record(seated_event(self._now(), seat, place.source, by="emergency"))
        return Begun(seat, token)

    async def _say(self, shift: Shift, device: Device, proof: str, meant: Meant, place: Place) -> None:
        """Written down before anybody is seated; then alarmed."""
        by = {"vouched_by": meant.vouch.by, "vouched_by_name": meant.vouch.name} if meant.vouch else {}
        await self._journal.record(
            shift_event(
                EventType.EMERGENCY_STARTED,
                shift.started,
                shift,
                why=shift.emergency,
                method=proof,
                ends=shift.ends,
                last_sign_on=meant.record.at,
                device_id=device.id,
                device_name=device.name,
                zone=device.zone,
                source=place.source,
                roles=sorted(shift.principal.roles),
                **by,
            )
        )
        self._metrics.sign_ons.labels("emergency").inc()
        self._metrics.emergencies.labels(shift.emergency).inc()
        logs.log().warning("emergency sign-on", why=shift.emergency, method=proof, shift=shift.id, device=device.id)

    async def _refused(self, why: Refused, place: Place, of: Principal | None = None) -> Refused:
        """Nothing that was typed is written down: it may be a PIN in the wrong field."""
        who = {"issuer": of.issuer, "subject": of.subject} if of else {}
        fields = {"reason": why.value, "device_id": place.device_id, "source": place.source, **who}
        await self._journal.record(AuditEvent(EventType.LOGIN_FAILED, self._now(), fields))
        self._metrics.sign_ons.labels(why.value).inc()
        return why
