"""Cookies into seats: who sits where, in which shift, and since when nothing has been heard of them.

Every brokered request asks here, so nothing is read for it: seats are cached, and the cache is believed for 0.8 s; then the store is
asked which sessions and shifts others have written, and those are dropped. A revocation, here or elsewhere, is seen within a
second. What cannot be read is StoreUnavailable, never "no session" and never "go on".
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields, replace
from math import inf

from policies.model import Device
from sso.errors import StoreUnavailable
from sso.provider import SignedOn
from sso.session import FEDERATED, SWITCHED, Session, new_token, token_hash
from sso.shift import Shift

from .seats import HOST_LIFE, KnownSeats, Seat
from .stores.base import Store
from .stores.values import same

__all__ = ["HOST_LIFE", "Meant", "Seat", "Sessions"]

_BELIEVED = 0.8  # seconds
_WRITTEN_EVERY = 30.0  # seconds between writes of when sessions were last seen
_TIDIED_EVERY = 300.0  # seconds between looks for seats that are over
_LONGEST_TOKEN = 64
_GRACE = 2.0  # seconds that nobody is locked for, where another gateway may be about to write that they did something


@dataclass(frozen=True, slots=True)
class Meant:
    """What a provider's log-out ends of one shift: the whole of it, or these sessions."""

    shift: Shift
    sessions: list[Session]
    whole: bool


class Sessions:
    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        *,
        longest: float,
        extended: float = 14 * 3600.0,
        locked: float = 4 * 3600.0,
    ) -> None:
        """`longest`, `extended`: seconds from sign-on to the end of a shift, and of one that was lengthened. `locked`: seconds
        that a session stays locked. `lengthened` hears of each shift that was."""
        self.lengthened: Callable[[Shift], None] = lambda shift: None
        self._extended = extended
        self._store = store
        self._now = now
        self._longest = longest
        self._stays = locked
        self._known = KnownSeats()
        self._seats, self._sessions, self._shifts = self._known.seats, self._known.sessions, self._known.shifts
        self._place: str | None = None
        self._looked = 0.0
        self._checking: asyncio.Lock = asyncio.Lock()
        self._listened = 0  # so many times has the store been asked
        self._unanswered = 0  # and so many times in vain
        self._seen: dict[str, Session] = {}
        self._seen_at: dict[str, float] = {}  # when it was last written that they were seen
        self._written = self._tidied = now()

    async def seated(self, token: bytes | None, host: str) -> Seat | None:
        """Whose cookie this is at this host, and may act; None for none, a lapsed one, an ended, a locked or another host's.

        Whoever has not heard of locks takes a locked session for none: `at_lock` tells them apart, and `lapsed` a cookie that is
        to be renewed. Raises StoreUnavailable.
        """
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        now = self._now()
        if not self._believed(now):
            await self._look(now)
        seat = self._seats.get(token) or await self._read(token)
        if seat is not None and self._store.shared and not self._acts(seat, host, now):
            # Another gateway may have unlocked it just now, or seen who seems idle here.
            await self.hear()
            seat = self._seats.get(token) or await self._read(token)
            if seat is not None:
                await self._seen_elsewhere(seat.session, now)
        return seat if seat is not None and self._acts(seat, host, now) else None

    def _acts(self, seat: Seat, host: str, now: float) -> bool:
        return seat.host == host and now < seat.until and seat.session.may_act(now) and seat.shift.live(now)

    async def lapsed(self, token: bytes | None, host: str) -> Seat | None:
        """The seat of a session that may act, by a cookie whose time at this host is over. Raises StoreUnavailable."""
        seat = await self._not_seated(token, host)
        return seat if seat is not None and seat.session.may_act(self._now()) else None

    async def at_lock(self, token: bytes | None, host: str) -> Seat | None:
        """The seat of a live session that is locked, or idle for so long that it is to be. Raises StoreUnavailable."""
        seat = await self._not_seated(token, host)
        return None if seat is None or seat.session.may_act(self._now()) else seat

    async def _not_seated(self, token: bytes | None, host: str) -> Seat | None:
        """Of a live session, by a cookie that seats nobody now."""
        if token is None or await self.seated(token, host) is not None:
            return None
        now, seat = self._now(), self._seats.get(token)
        if seat is None or seat.host != host or not seat.session.live(now) or not seat.shift.live(now):
            return None
        return seat

    async def lock(self, session: Session, reason: str, *, desk: str = "", left: str = "") -> None:
        """At once here, within a second elsewhere. After a switch no cookie of it is worth anything."""
        for one in self._both(session):
            one.lock(self._now(), reason)
            if reason == SWITCHED:
                one.desk, one.left = desk, left
        if reason == SWITCHED:
            self._known.forget_cookies(session.id)
        await self._store.put_session(session)
        if reason == SWITCHED:
            await self._store.forget_tokens(session.id)

    async def unlock(self, session: Session, proof: str, proved: float, *, turn: int, follows: bool = False) -> bool:
        """`turn`: the lock that is meant; False, and nothing is done, where there has been another one since, or an end.

        `follows`: somebody else was at this browser meanwhile.
        """
        await self.hear()
        now = self._now()
        known = self._sessions.get(session.id) or await self._store.session(session.id)
        if known is None or known.turn != turn or known.locked is None or not known.live(now):
            return False
        for one in self._both(session):
            one.unlock(now, proof, proved)
            one.left, one.follows = "", one.follows or follows
        await self._store.put_session(session)
        await self._lengthen(session, proved)
        return True

    async def _lengthen(self, session: Session, proved: float) -> None:
        shift = self._shifts.get(session.shift_id) or await self._store.shift(session.shift_id)
        if shift is not None and shift.lengthen(proved, self._now(), self._extended):
            await self._store.put_shift(shift)
            self.lengthened(shift)

    async def writing(self, seat: Seat) -> None:
        """What somebody has typed is not sent yet: a shift that is about to end waits a little."""
        shift = self._shifts.get(seat.shift.id, seat.shift)
        if shift.waits(self._now()):
            await self._store.put_shift(shift)
            self.lengthened(shift)

    def longer(self, shift: Shift) -> float | None:
        """Until when a proof would make it last, now; None where none would."""
        return shift.started + self._extended if shift.may_be_longer(self._now(), self._extended) else None

    async def proved(self, session: Session, proof: str, at: float) -> None:
        """Its clinician has proved themselves again, in a session that is not locked."""
        for one in self._both(session):
            one.proof, one.proved = proof, at
        await self._store.put_session(session)
        await self._lengthen(session, at)

    async def step_up(self, seat: Seat, signed_on: SignedOn, until: float, *, turn: int) -> bool:
        """The session goes on at the assurance of this sign-on, until then; its shift and other sessions stay as they are.

        `turn`: as the proof was looked at; False, and nothing is done, where the session was locked since, or is over.
        """
        await self.hear()
        now = self._now()
        known = self._sessions.get(seat.session.id) or await self._store.session(seat.session.id)
        if known is None or known.turn != turn or not known.may_act(now):
            return False
        for one in self._both(seat.session):
            one.last_seen = now
            one.step_up(now, signed_on.auth_time, signed_on.principal.assurance, until)
        await self.confirmed(seat.shift, signed_on, seat.session)
        await self._store.put_session(seat.session)
        await self._lengthen(seat.session, signed_on.auth_time)
        return True

    def _both(self, session: Session) -> list[Session]:
        """This object, and the one that requests see when it has been read anew since."""
        known = self._sessions.get(session.id, session)
        return [session] if known is session else [session, known]

    def locked(self, session: Session) -> bool:
        """Or idle, which comes to the same."""
        return not session.may_act(self._now())

    async def idle_ones(self) -> list[Seat]:
        """Those that are idle and not locked yet, as far as they are known here. Raises StoreUnavailable."""
        await self.hear()
        now = self._now() - (_GRACE if self._store.shared else 0.0)
        seeming = [s for s in self._sessions.values() if s.locked is None and not s.may_act(now) and s.live(now)]
        for session in seeming:
            await self._seen_elsewhere(session, now)
        idle = [s for s in seeming if s.locked is None and not s.may_act(now) and s.live(now)]
        shifts = ((session, self._shifts.get(session.shift_id)) for session in idle)
        return [Seat(session, shift, "") for session, shift in shifts if shift is not None and shift.live(now)]

    async def of_person(self, issuer: str, subject: str) -> list[Seat]:
        """Every live session that somebody has, in whatever shift."""
        shifts = await self._live(self._store.by_subject(issuer, subject))
        return [Seat(session, shift, "") for shift in shifts for session in await self.of_shift(shift)]

    async def seat_of(self, session_id: str) -> Seat | None:
        """The live session with this id, at no host, as every gateway has left it. Raises StoreUnavailable."""
        await self.hear()
        return await self.believed_seat(session_id)

    async def believed_seat(self, session_id: str) -> Seat | None:
        """The same as far as it was heard lately: for whoever asks about many. Raises StoreUnavailable."""
        now = self._now()
        await self._look(now)
        session = self._sessions.get(session_id)
        if session is None and (kept := await self._store.session(session_id)) is not None:
            session = self._adopted(kept)
        if session is not None:
            await self._seen_elsewhere(session, now)
        if session is None or not session.live(now):
            return None
        shift = self._shifts.get(session.shift_id) or await self._store.shift(session.shift_id)
        if shift is None or not shift.live(now):
            return None
        return Seat(session, self._known.shift(shift), "")

    async def anew(self, seat: Seat) -> Seat:
        """This seat as other gateways have left it; the very same where they have not changed it. Raises StoreUnavailable."""
        if not self._store.shared:
            return seat
        await self.hear()
        known = self._sessions.get(seat.session.id), self._shifts.get(seat.shift.id)
        if known[0] is seat.session and known[1] is seat.shift:
            return seat
        latest = await self.believed_seat(seat.session.id)
        return seat if latest is None else replace(seat, session=latest.session, shift=latest.shift)

    def touch(self, seat: Seat) -> None:
        """The clinician did something: the idle time begins again. Written within half a minute."""
        seat.session.last_seen = self._now()
        # A long request may hold a session that has been read anew since: both are to know.
        session = self._sessions.get(seat.session.id, seat.session)
        session.last_seen = seat.session.last_seen
        self._seen[session.id] = session

    async def flush(self, *, all_of_it: bool = False) -> None:
        """Write what `touch` remembered, and forget what is over. Called every second, and at the end."""
        now = self._now()
        if now - self._tidied >= _TIDIED_EVERY:
            self._tidied = now
            self._known.tidy(now)
            self._seen_at = {key: at for key, at in self._seen_at.items() if now - at < _WRITTEN_EVERY}
        due = self._seen if all_of_it else self._due(now)
        if not due:
            return
        self._seen = {key: session for key, session in self._seen.items() if key not in due}
        self._written = now
        try:
            await self._store.touch([session for session in due.values() if session.ended is None])
        except StoreUnavailable:
            self._seen = due | self._seen
            raise
        if self._store.shared:
            self._seen_at |= dict.fromkeys(due, now)

    def _due(self, now: float) -> dict[str, Session]:
        """Who alone is on the store writes all at once, each half minute. Others are told at once that somebody is there again,
        who has not been seen for half a minute, and each half minute from then on."""
        if not self._store.shared:
            return self._seen if now - self._written >= _WRITTEN_EVERY else {}
        return {k: s for k, s in self._seen.items() if not 0 <= now - self._seen_at.get(k, -inf) < _WRITTEN_EVERY}

    # Sign-on

    async def sign_on(
        self,
        signed_on: SignedOn,
        device: Device,
        host: str,
        *,
        idle: float,
        previous: Seat | None,
        follows: bool = False,
    ) -> tuple[Seat, str, bool]:
        """A new session, in the live shift of equal person and role and no higher assurance, else in a new shift.

        The browser's session from before ends: its cookie is worth nothing from here on. Returns the seat, the cookie's
        value, and whether a shift was started. The session is written last and at once with its shift.
        Raises DeviceRefused when the device was revoked meanwhile.
        """
        now = self._now()
        if previous is not None:
            await self.end_session(previous.session, "replaced")
        shift, started = await self._shift_for(signed_on, now)
        longer = not started and shift.lengthen(signed_on.auth_time, now, self._extended)
        seat, token = await self._seat(
            shift,
            device,
            host,
            idle=idle,
            provider_session=signed_on.provider_session,
            proved=signed_on.auth_time,
            follows=follows,
        )
        if longer:
            self.lengthened(shift)
        return seat, token, started

    async def join(
        self, giver: Seat, device: Device, host: str, *, idle: float, previous: Seat | None, follows: bool = False
    ) -> tuple[Seat, str]:
        """A session for a device that was handed the giver's shift; what the browser had before ends.

        It rests on the giver's sign-on, and ends with that one at the provider; its proof is the giver's.
        """
        if previous is not None:
            await self.end_session(previous.session, "replaced")
        sid = giver.session.provider_session
        return await self._seat(
            giver.shift, device, host, idle=idle, provider_session=sid, proved=giver.proved, follows=follows
        )

    async def begin(
        self, shift: Shift, device: Device, host: str, *, idle: float, proof: str, follows: bool = False
    ) -> tuple[Seat, str]:
        """The first session of a shift that no provider has confirmed, by a proof that was given just now. Raises DeviceRefused."""
        return await self._seat(
            shift, device, host, idle=idle, provider_session="", proved=self._now(), follows=follows, proof=proof
        )

    async def _seat(
        self,
        shift: Shift,
        device: Device,
        host: str,
        *,
        idle: float,
        provider_session: str,
        proved: float,
        follows: bool,
        proof: str = FEDERATED,
    ) -> tuple[Seat, str]:
        now = self._now()
        session = Session(secrets.token_hex(16), shift.id, now, now, idle, device, follows=follows, proof=proof)
        session.provider_session, session.proved, session.stays = provider_session, proved, self._stays
        token = new_token()
        await self._store.seat(shift, session, host, token_hash(token))
        self._known.put_shift(shift)
        self._known.put_session(session)
        seat = Seat(session, shift, host)
        self._known.remember(token.encode(), seat)
        return seat, token

    async def _shift_for(self, signed_on: SignedOn, now: float) -> tuple[Shift, bool]:
        p = signed_on.principal
        live = await self._store.live_of(p.issuer, p.subject, p.role, now)
        if live is not None and p.assurance >= live.principal.assurance:
            live = self._heard(live)
            self._renew(live, signed_on, now, raises=True)
            return live, False
        shift = Shift(
            id=secrets.token_hex(16),
            principal=p,
            started=now,
            ends=now + self._longest,
            auth_time=signed_on.auth_time,
            checked=now,
            acr=signed_on.acr,
            amr=signed_on.amr,
            provider_session=signed_on.provider_session,
            id_token=signed_on.id_token,
            refresh_token=signed_on.refresh_token,
        )
        return shift, True

    def _renew(self, shift: Shift, signed_on: SignedOn, now: float, *, raises: bool) -> None:
        """What a re-check or another sign-on proved; the end stays where it is.

        `raises`: by signing on. A step-up and a re-check, which sees the step-up at the provider, leave the assurance of the shift.
        """
        known, found = shift.principal, signed_on.principal
        stronger = found.assurance > known.assurance
        shift.principal = replace(found, assurance=known.assurance) if stronger and not raises else found
        shift.checked = now
        shift.renewed += 1
        shift.provider_away = False
        if raises or not stronger:
            shift.auth_time = max(shift.auth_time, signed_on.auth_time)
            shift.acr, shift.amr = signed_on.acr or shift.acr, signed_on.amr or shift.amr
        shift.id_token = signed_on.id_token or shift.id_token
        shift.refresh_token = signed_on.refresh_token
        shift.provider_session = signed_on.provider_session or shift.provider_session

    async def confirmed(
        self, shift: Shift, signed_on: SignedOn, session: Session | None = None, *, raises: bool = False
    ) -> None:
        """The provider has confirmed this shift's claims; `session`: in whose browser it was asked. `raises`: by signing on."""
        shift = await self.latest(shift)
        self._renew(shift, signed_on, self._now(), raises=raises)
        await self._store.put_shift(shift)
        shift.id_token = ""
        if session is None:
            return
        if session.proof == FEDERATED:
            session.proved = max(session.proved, signed_on.auth_time)
        if signed_on.provider_session not in ("", session.provider_session):
            session.provider_session = signed_on.provider_session  # the provider's session there is another one now
            await self._store.put_session(session)

    async def latest(self, shift: Shift) -> Shift:
        """It, with what other gateways have made of it."""
        kept = await self._store.shift(shift.id) if self._store.shared else None
        return self._heard(kept, shift) if kept is not None else self._shifts.get(shift.id, shift)

    def _heard(self, kept: Shift, shift: Shift | None = None) -> Shift:
        """The one object for this shift, brought up to what the store has. `shift`: a request's own, from before a reading."""
        known = self._shifts.get(kept.id, shift or kept)
        for one in {id(at): at for at in (known, shift or known)}.values():
            merged = replace(one.heard_of(kept), id_token="")
            for part in fields(Shift):
                setattr(one, part.name, getattr(merged, part.name))
        return known

    async def hint(self, shift: Shift) -> str:
        """The ID token of a shift that is about to be ended, for the provider's log-out page. Raises StoreUnavailable."""
        kept = await self._store.shift(shift.id)
        return kept.id_token if kept is not None else ""

    async def asked(self, shift: Shift) -> None:
        """Its clinician was asked to sign on at the provider, which is back: they are asked again when the claims would be."""
        shift = self._shifts.get(shift.id, shift)
        shift.checked = self._now()
        await self._store.put_shift(shift)

    async def provider_away(self, shift: Shift) -> None:
        """The provider could not be asked: the shift goes on, flagged."""
        shift = self._shifts.get(shift.id, shift)
        shift.provider_away = True
        await self._store.put_shift(shift)

    async def host_token(self, seat: Seat, host: str) -> str:
        """A cookie's value for a system's host of the same session, for five minutes; the host is remembered for sign-off to visit."""
        token = await self.token(seat, host, until=self._now() + HOST_LIFE)
        if host not in seat.session.hosts:
            seat.session.hosts = (*seat.session.hosts, host)
            await self._store.put_session(seat.session)
        return token

    async def token(self, seat: Seat, host: str, *, until: float = inf) -> str:
        """Another cookie's value for the host where the session is seated."""
        token = new_token()
        await self._store.add_token(seat.session.id, host, token_hash(token), until)
        self._known.remember(token.encode(), Seat(seat.session, seat.shift, host, until))
        return token

    async def renew_cookies(self, seat: Seat) -> str:
        """A cookie's value for the host where the session is seated, in place of the one before; those at systems' hosts lapse, and
        are renewed by whoever has this one."""
        now, token = self._now(), new_token()
        await self._store.renew_tokens(seat.session.id, seat.host, token_hash(token), now)
        known_at = self._known.at(seat.session)
        self._known.forget_cookies(seat.session.id)
        for known, at in known_at:
            if at.host != seat.host:
                self._known.remember(known, replace(at, until=min(at.until, now)))
        self._known.remember(token.encode(), Seat(seat.session, seat.shift, seat.host))
        return token

    # Ends

    async def end_session(self, session: Session, reason: str) -> None:
        """At once here, within a second elsewhere."""
        session.ended, session.end_reason = self._now(), reason
        await self._store.put_session(session)
        self._forget(session)

    async def end_shift(self, shift: Shift, reason: str) -> list[Session]:
        """The shift and every session in it; the sessions that it ended."""
        await self.hear()
        shift = self._shifts.get(shift.id, shift)
        shift.ended, shift.end_reason = self._now(), reason
        await self._store.put_shift(shift)
        ended: list[Session] = []
        for kept in await self._store.of_shift(shift.id):
            session = self._newest(kept)
            if session.ended is None:
                await self.end_session(session, reason)
                ended.append(session)
        self._known.forget_shift(shift.id)
        return ended

    async def revoke_device(self, device_id: str) -> list[Session]:
        """A device and every session on it, at once here, within a second elsewhere; the sessions that it ended."""
        ended = await self._store.revoke_device(device_id, self._now())
        for kept in ended:
            session = self._sessions.get(kept.id, kept)
            session.ended, session.end_reason = kept.ended, kept.end_reason
            self._forget(session)
        return ended

    async def meant(self, issuer: str, *, sid: str, subject: str) -> list[Meant]:
        """What a provider's log-out ends (Back-Channel Logout 1.0, sections 2.4 and 2.7), live shift by live shift.

        Without `sid`, all that the subject has. With it, the sessions that were seated by it, and the shift when no other
        session of it is live. A `sid` that nothing was seated by is an end that has come already, or the end of something
        that is not ours: it means no session of which another `sid` is known, but those of the subject of which none is.
        """
        if not sid:
            return [Meant(shift, [], whole=True) for shift in await self._live(self._store.by_subject(issuer, subject))]
        shifts = await self._live(self._store.by_provider_session(issuer, sid))
        if shifts or not subject:
            known = [shift for shift in shifts if subject in ("", shift.principal.subject)]
            return [await self._meant(shift, sid) for shift in known]
        of_subject = await self._live(self._store.by_subject(issuer, subject))
        return [meant for shift in of_subject if (meant := await self._meant(shift, "")).sessions]

    async def _live(self, asked: Awaitable[list[Shift]]) -> list[Shift]:
        found = await asked
        await self.hear()
        now = self._now()
        return [shift for kept in found if (shift := self._shifts.get(kept.id, kept)).live(now)]

    async def _meant(self, shift: Shift, sid: str) -> Meant:
        """Also idle ones end: another gateway may know that they are not. Not those that were switched from: that the provider knows
        somebody else in that browser now is what a switch is, and whoever comes back proves anew who they are."""
        now = self._now()
        kept = [self._newest(session) for session in await self._store.of_shift(shift.id)]
        named = [s for s in kept if s.provider_session == sid and s.lock_reason != SWITCHED]
        whole = not any(s.live(now) for s in kept if s not in named)
        return Meant(shift, [s for s in named if s.ended is None], whole)

    async def tokens_gone(self, shift: Shift, sid: str) -> None:
        """The provider's session `sid` is over and the shift goes on. Were its refresh token still used, the refusal would end
        the shift: whoever is at another device is asked for silently instead, in the session that they have there."""
        shift = await self.latest(shift)
        if shift.provider_session in (sid, ""):
            await self.asked_with_a_page(shift, shift.refresh_token)

    async def asked_with_a_page(self, shift: Shift, used: str) -> None:
        """This refresh token is worth nothing any more: from now on the provider is asked by a silent sign-on."""
        shift = await self.latest(shift)
        if used and shift.refresh_token == used:
            shift.refresh_token, shift.renewed = "", shift.renewed + 1
            await self._store.put_shift(shift)

    async def of_shift(self, shift: Shift) -> list[Session]:
        """Its live sessions, newest first."""
        await self.hear()
        now = self._now()
        kept = [self._newest(session) for session in await self._store.of_shift(shift.id)]
        return sorted((s for s in kept if s.live(now)), key=lambda s: -s.created)

    # The cache

    def _believed(self, now: float) -> bool:
        """Also not when the clock was set back: an hour that is lived twice is not believed twice."""
        return self._place is not None and 0 <= now - self._looked < _BELIEVED

    async def _look(self, now: float) -> None:
        """What others have written is dropped, but for when sessions were last seen."""
        async with self._in_turn():
            if not self._believed(self._now()):
                await self._listen(now)

    async def hear(self) -> None:
        """What another gateway did before this was called is known from here on: somebody was sent here by it a moment ago."""
        if not self._store.shared:
            await self._look(self._now())
            return
        before = self._listened
        async with self._in_turn():
            if self._listened == before:  # else somebody has begun to listen after this was called, and is done
                await self._listen(self._now())

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Whoever waited while the store was asked in vain is told the same, and does not wait for it once more."""
        unanswered = self._unanswered
        async with self._checking:
            if self._unanswered != unanswered:
                raise StoreUnavailable("the store did not answer whoever asked it just now")
            yield

    def believe_nothing(self) -> None:
        """What was heard last says nothing of what is to be heard next."""
        self._place = None

    async def _listen(self, now: float) -> None:
        self._listened += 1
        try:
            heard = await self._store.heard(self._place)
        except StoreUnavailable:
            self._unanswered += 1
            raise
        if heard.keys is None:
            self._known.clear()
        else:
            self._known.drop(heard.keys)
        self._place, self._looked = heard.place, now

    async def _seen_elsewhere(self, session: Session, now: float) -> None:
        """Who seems idle here may be busy at another gateway, which says so to whoever reads."""
        if not self._store.shared or session.locked is not None or session.ended is not None or session.may_act(now):
            return
        kept = await self._store.session(session.id)
        if kept is not None:
            self._newest(kept)

    def _newest(self, kept: Session) -> Session:
        """The one object for this session where it is known, seen as lately as the store says or later."""
        session = self._sessions.get(kept.id, kept)
        session.last_seen = max(session.last_seen, kept.last_seen)
        return session

    async def _read(self, token: bytes) -> Seat | None:
        found = await self._store.by_token(token_hash(token))
        if found is None:
            return None
        session, shift = self._adopted(found.session), self._known.shift(found.shift)
        session.shift_id = shift.id  # one object in memory, and below
        if session.provider_session == shift.provider_session:
            session.provider_session = shift.provider_session
        seat = Seat(session, shift, same(found.host), found.until)
        self._known.remember(token, seat)
        return seat

    def _adopted(self, kept: Session) -> Session:
        """The one object for this session. What the store says holds, but activity that it has not heard of yet counts."""
        session = self._known.session(kept)
        seen = self._seen.get(kept.id)
        if seen is not None and seen is not session and session.ended is None:
            session.last_seen = max(session.last_seen, seen.last_seen)
            self._seen[kept.id] = session
        return session

    def _forget(self, session: Session) -> None:
        self._seen.pop(session.id, None)
        self._known.forget_session(session.id)
