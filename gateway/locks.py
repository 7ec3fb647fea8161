"""Sessions locked, unlocked and switched from, each written down; and how often somebody may try a PIN.

A lock is in the store before it is journalled, an unlocking is journalled before it holds: whatever fails on the way leaves it locked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

from policies.model import Ownership, Principal
from sso import passkey, unlock
from sso.badge import Holder
from sso.passkey import Passkey, PasskeyRefused
from sso.session import FEDERATED, FOLLOW_ME, IDLE, PASSKEY, PIN, SWITCHED

from .audit.event import EventType
from .audit.journal import Journal
from .errors import JournalUnavailable
from .session_events import session_event
from .sessions import Seat, Sessions
from .stores.base import FactorStore

T = TypeVar("T")


class Tried(Enum):
    """What came of a PIN."""

    UNLOCKED = "unlocked"  # or proved again
    WRONG = "wrong"  # also where there is none
    LIMITED = "limited"  # too many of this person's, wherever they were tried
    ENDED = "ended"  # too many in this session: it is over


class Locks:
    def __init__(
        self,
        sessions: Sessions,
        store: FactorStore,
        journal: Journal,
        now: Callable[[], float],
        end_one: Callable[[Seat, str], Awaitable[None]],
    ) -> None:
        """`end_one(seat, reason)` ends a session and what it has opened."""
        self._sessions = sessions
        self._store = store
        self._journal = journal
        self._now = now
        self._end_one = end_one
        self._hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pin")  # 64 MiB each

    def close(self) -> None:
        self._hashing.shutdown(cancel_futures=True)  # whoever waits for theirs would keep the gateway from ending

    async def held(self, token: bytes | None, host: str) -> Seat | None:
        """The locked session of this cookie. One that has just been found idle is locked from here on. Raises StoreUnavailable."""
        seat = await self._sessions.at_lock(token, host)
        if seat is not None and seat.session.locked is None:
            await self.lock(seat, IDLE)
        return seat

    async def notice(self) -> None:
        """Lock whatever is idle, although nobody asks. Called every half minute."""
        for seat in await self._sessions.idle_ones():
            with contextlib.suppress(JournalUnavailable):  # which has its own alarm; it is locked all the same
                await self.lock(seat, IDLE)

    async def lock(self, seat: Seat, reason: str) -> None:
        """Once: a locked one stays as it is."""
        if seat.session.locked is not None:
            return
        await self._sessions.lock(seat.session, reason)
        since = seat.session.locked
        await self._record(EventType.SESSION_LOCKED, seat, reason=reason, since=since)

    async def switch(self, seat: Seat, *, desk: str, left: str) -> None:
        """Somebody else takes this browser: it stays locked, and none of its cookies is worth anything any more.

        `desk`: hash of the browser's mark, by which the clinician who comes back finds it. `left`: the page to come back to.
        """
        await self._sessions.lock(seat.session, SWITCHED, desk=desk, left=left)
        await self._record(EventType.SESSION_SWITCHED, seat)

    async def unlock(
        self, seat: Seat, proof: str, proved: float, *, turn: int, here: str, follows: bool = False
    ) -> bool:
        """By whoever has just proved to be its clinician; their other sessions on shared devices are locked.

        `turn`: the lock that was looked at; False where it is another one by now, or the session is over. `here`: the enrolled
        device that this comes from, proved just now; False for any other than the session's own.
        """
        if seat.session.turn != turn or not on_its_device(seat, here):
            return False
        await self._record(EventType.SESSION_UNLOCKED, seat, method=proof, since=seat.session.locked)
        if not await self._sessions.unlock(seat.session, proof, proved, turn=turn, follows=follows):
            return False
        await self._store.clear_tally("pin-session", seat.session.id)
        await self.follow(seat)
        return True

    async def follow(self, seat: Seat) -> None:
        """Its clinician is here: whatever else they have on shared devices is locked."""
        p = seat.shift.principal
        for other in await self._sessions.of_person(p.issuer, p.subject):
            if other.session.id != seat.session.id and other.session.device.ownership is Ownership.SHARED:
                await self.lock(other, FOLLOW_ME)

    async def left_at(self, desk: str, principal: Principal) -> Seat | None:
        """The session that this clinician was switched from in the browser with this mark, in the same role."""
        left = await self.left_by(desk, principal.issuer, principal.subject)
        return next((seat for seat in left if covers(seat, principal)), None)

    async def left_by(self, desk: str, issuer: str, subject: str) -> list[Seat]:
        """Those that somebody was switched from in the browser with this mark, the last first."""
        seats = await self._sessions.of_person(issuer, subject)
        left = [seat for seat in seats if seat.session.lock_reason == SWITCHED and seat.session.desk == desk]
        return sorted(left, key=lambda seat: -(seat.session.locked or 0.0))

    # PIN

    def proved_lately(self, seat: Seat) -> bool:
        """Who has just signed on may set what unlocks; who has unlocked by the old one may not."""
        return seat.session.proof == FEDERATED and seat.proof_fresh(self._now())

    def may_set_pin(self, seat: Seat) -> bool:
        """On an enrolled device, by whoever has just signed on."""
        return bool(seat.session.device.id) and self.proved_lately(seat)

    async def has_pin(self, seat: Seat) -> bool:
        """Whether one may be given here, and there is one."""
        p = seat.shift.principal
        return bool(seat.session.device.id) and await self._store.factor(p.issuer, p.subject, PIN) is not None

    async def set_pin(self, seat: Seat, pin: str, again: str) -> None:
        """Raises PinRefused, StoreUnavailable."""
        p = seat.shift.principal
        hashed = await self._slowly(unlock.kept, unlock.chosen(pin, again))
        await self._record(EventType.CREDENTIAL_KEPT, seat, method=PIN)
        await self._store.put_factor(p.issuer, p.subject, PIN, hashed)

    async def try_pin(self, seat: Seat, pin: str, *, here: str, why: Mapping[str, object] | None = None) -> Tried:
        """Unlock, or prove oneself again where nothing is locked. `here`: the enrolled device that has just proved itself; `why`:
        what the journal says of a proof.

        Every try is counted before it is looked at, so that many at once are no more than one after another. One that comes
        from anywhere else than the session's enrolled device is neither: it is wrong, whatever it is.
        """
        if not here or not on_its_device(seat, here):
            return Tried.WRONG
        p, now, turn = seat.shift.principal, self._now(), seat.session.turn
        person = person_of(p.issuer, p.subject)
        in_session = await self._store.tally("pin-session", seat.session.id, now, now + seat.session.stays)
        if in_session > unlock.TRIES:
            return await self._ended(seat)
        everywhere = await self._store.tally("pin-person", person, now, now + unlock.PERSON_WINDOW)
        hashed = await self._store.factor(p.issuer, p.subject, PIN)
        right = await self.fits(hashed, pin)
        if everywhere > unlock.PERSON_TRIES:
            tried = Tried.LIMITED
        elif right and await self._taken(seat, turn, here, why or {}):
            await self._store.clear_tally("pin-person", person)
            return Tried.UNLOCKED
        else:
            tried = Tried.WRONG
        await self._record(EventType.LOGIN_FAILED, seat, **{**(why or {}), "reason": f"pin-{tried.value}"})
        return await self._ended(seat) if in_session >= unlock.TRIES else tried

    async def fits(self, hashed: bytes | None, pin: str) -> bool:
        """Whether this is the PIN; as slow where there is none. Tries wait for one another: two are looked at at a time."""
        return await self._slowly(unlock.fits, hashed, pin[:64])

    async def _taken(self, seat: Seat, turn: int, here: str, why: Mapping[str, object]) -> bool:
        if self._sessions.locked(seat.session):
            return await self.unlock(seat, PIN, self._now(), turn=turn, here=here)
        await self._proved(seat, PIN, why)
        await self._store.clear_tally("pin-session", seat.session.id)
        return True

    async def try_pin_of(self, holder: Holder | None, mark: str, pin: str, device: str) -> Tried:
        """After a badge, on an enrolled device that has just proved itself: UNLOCKED where it is the PIN of the badge's holder.

        Nobody's badge (by its `mark`) costs the same tries and the same time as somebody's. As many wrong ones at one device
        as `DEVICE_TRIES`, whosever, close it for PINs after badges for the rest of an hour: numbers can be guessed in rows.
        """
        until = self._now() + unlock.PERSON_WINDOW
        issuer, subject = holder or ("", mark)
        person = person_of(issuer, subject)
        at_device = await self._store.tally("pin-device", device, self._now(), until)
        everywhere = await self._store.tally("pin-person", person, self._now(), until)
        right = await self.fits(await self._store.factor(issuer, subject, PIN), pin)
        if everywhere > unlock.PERSON_TRIES or at_device > unlock.DEVICE_TRIES:
            return Tried.LIMITED
        if not right:
            return Tried.WRONG
        await self._store.clear_tally("pin-person", person)
        await self._store.take_back("pin-device", device)
        return Tried.UNLOCKED

    # Passkeys

    async def passkeys(self, seat: Seat) -> list[Passkey]:
        return await self.passkeys_of(seat.shift.principal)

    async def passkeys_of(self, p: Principal) -> list[Passkey]:
        return passkey.read(await self._store.factor(p.issuer, p.subject, PASSKEY))

    async def keep_passkey(self, seat: Seat, made: Passkey) -> None:
        """Raises PasskeyRefused where there are too many."""
        known = await self.passkeys(seat)
        if len(known) >= passkey.MOST:
            raise PasskeyRefused("you have as many passkeys as one may have")
        await self._record(EventType.CREDENTIAL_KEPT, seat, method=PASSKEY)
        await self._put_passkeys(seat.shift.principal, [*known, made])

    async def unlock_by_passkey(self, seat: Seat, used: Passkey, *, turn: int, here: str) -> bool:
        await self.passkey_used(seat.shift.principal, used)
        return await self.unlock(seat, PASSKEY, self._now(), turn=turn, here=here)

    async def passkey_used(self, p: Principal, used: Passkey) -> None:
        """Keep its new count."""
        known = await self.passkeys_of(p)
        await self._put_passkeys(p, [used if one.id == used.id else one for one in known])

    async def prove_by_passkey(self, seat: Seat, used: Passkey, why: Mapping[str, object]) -> None:
        """In a session that is not locked. `why`: what the journal says of it."""
        await self.passkey_used(seat.shift.principal, used)
        await self._proved(seat, PASSKEY, why)

    async def _proved(self, seat: Seat, proof: str, why: Mapping[str, object]) -> None:
        await self._record(EventType.LOGIN_OK, seat, method=proof, **why)
        await self._sessions.proved(seat.session, proof, self._now())

    async def refused(self, seat: Seat, reason: str) -> None:
        """Write down a proof that was none."""
        await self._record(EventType.LOGIN_FAILED, seat, reason=reason)

    async def _put_passkeys(self, p: Principal, keys: list[Passkey]) -> None:
        await self._store.put_factor(p.issuer, p.subject, PASSKEY, passkey.written(keys))

    async def _ended(self, seat: Seat) -> Tried:
        if seat.session.ended is None:
            await self._end_one(seat, "pin-tries")
        return Tried.ENDED

    async def _slowly(self, work: Callable[..., T], *given: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hashing, work, *given)

    async def _record(self, kind: EventType, seat: Seat, /, **fields: object) -> None:
        await self._journal.record(session_event(kind, self._now(), seat, **fields))


def on_its_device(seat: Seat, here: str) -> bool:
    """Whether `here`, an enrolled device that has proved itself or "", is where this session belongs."""
    return seat.session.device.id in ("", here)


def person_of(issuer: str, subject: str) -> str:
    """The key that somebody's tries are counted by, wherever they were made."""
    return f"{len(issuer)}:{issuer}{subject}"


def covers(seat: Seat, principal: Principal) -> bool:
    """Whether what was proved now is this session's clinician, in the same role and proved no less.

    Never for a shift that began without the provider: whoever signs on there begins one that it has confirmed.
    """
    known = seat.shift.principal
    if seat.shift.emergency:
        return False
    return (known.issuer, known.subject, known.role) == (principal.issuer, principal.subject, principal.role) and (
        principal.assurance >= known.assurance
    )
