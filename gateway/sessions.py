"""Cookies into seats: who sits where, in which shift, and since when nothing has been heard of them.

Every brokered request asks here, so nothing is read for it: seats are cached, and the cache is believed for as long as the
store's version was looked at within the last 0.8 s and had not changed. A revocation, here or elsewhere, is seen within a
second. What cannot be read is StoreUnavailable, never "no session" and never "go on".
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from math import inf

from policies.model import Context, Device, Principal
from sso.errors import StoreUnavailable
from sso.provider import SignedOn
from sso.session import FEDERATED, SWITCHED, Session, new_token, token_hash
from sso.shift import Shift

from .stores.base import Store

_BELIEVED = 0.8  # seconds
_MOST = 100_000
_WRITTEN_EVERY = 30.0  # seconds between writes of when sessions were last seen
_TIDIED_EVERY = 300.0  # seconds between looks for seats that are over
_LONGEST_TOKEN = 64
HOST_LIFE = 300.0  # seconds that a cookie at a system's host is good: so long is a copied one
_PROOF_FRESH = 300.0  # seconds: how long a proof counts as fresh (NHS API platform's own max_age)


@dataclass(frozen=True, slots=True)
class Seat:
    """A session in its shift, at one host."""

    session: Session
    shift: Shift
    host: str
    until: float = inf  # when its cookie at this host is worth nothing any more

    @property
    def proved(self) -> float:
        """When the clinician last proved themselves in this session."""
        return self.session.proved or self.shift.auth_time

    def proof_fresh(self, now: float) -> bool:
        return now - self.proved <= _PROOF_FRESH

    def principal(self, now: float) -> Principal:
        """Who asks, at the assurance that a step-up has brought this session, while that lasts."""
        known = self.shift.principal
        raised = self.session.assurance(now)
        return known if raised <= known.assurance else replace(known, assurance=raised)

    def context(self, now: float, *, keepable: frozenset[str] = frozenset(), freshly: bool = False) -> Context:
        """In what circumstances they ask. `freshly`: as if they had just proved who they are."""
        return Context(
            device=self.session.device,
            proof_method=self.session.proof,
            proof_fresh=freshly or self.proof_fresh(now),
            provider_away=self.shift.provider_away,
            offline=bool(self.shift.emergency),
            keepable=keepable,
        )


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
        self._seats: OrderedDict[bytes, Seat] = OrderedDict()
        self._sessions: dict[str, Session] = {}
        self._shifts: dict[str, Shift] = {}
        self._place: str | None = None
        self._looked = 0.0
        self._checking: asyncio.Lock = asyncio.Lock()
        self._seen: dict[str, Session] = {}
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
        seat = self._seats.get(token)
        if seat is None:
            seat = await self._read(token)
            if seat is None:
                return None
        if seat.host != host or now >= seat.until or not seat.session.may_act(now) or not seat.shift.live(now):
            return None
        return seat

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
            self._forget_tokens(session)
        await self._store.put_session(session)
        if reason == SWITCHED:
            await self._store.forget_tokens(session.id)

    async def unlock(self, session: Session, proof: str, proved: float, *, turn: int, follows: bool = False) -> bool:
        """`turn`: the lock that is meant; False, and nothing is done, where there has been another one since, or an end.

        `follows`: somebody else was at this browser meanwhile.
        """
        now = self._now()
        await self._look(now)
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
        now = self._now()
        await self._look(now)
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

    def idle_ones(self) -> list[Seat]:
        """Those that are idle and not locked yet, as far as they are known here."""
        now = self._now()
        idle = [s for s in self._sessions.values() if s.locked is None and not s.may_act(now) and s.live(now)]
        shifts = ((session, self._shifts.get(session.shift_id)) for session in idle)
        return [Seat(session, shift, "") for session, shift in shifts if shift is not None and shift.live(now)]

    async def of_person(self, issuer: str, subject: str) -> list[Seat]:
        """Every live session that somebody has, in whatever shift."""
        shifts = await self._live(self._store.by_subject(issuer, subject))
        return [Seat(session, shift, "") for shift in shifts for session in await self.of_shift(shift)]

    async def seat_of(self, session_id: str) -> Seat | None:
        """The live session with this id, at no host. Raises StoreUnavailable."""
        now = self._now()
        await self._look(now)
        session = self._sessions.get(session_id)
        if session is None and (kept := await self._store.session(session_id)) is not None:
            session = self._adopted(kept)
        if session is None or not session.live(now):
            return None
        shift = self._shifts.get(session.shift_id) or await self._store.shift(session.shift_id)
        if shift is None or not shift.live(now):
            return None
        return Seat(session, self._shifts.setdefault(shift.id, shift), "")

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
            self._tidy(now)
        if self._seen and (all_of_it or now - self._written >= _WRITTEN_EVERY):
            seen, self._seen = self._seen, {}
            self._written = now
            try:
                await self._store.touch([session for session in seen.values() if session.ended is None])
            except StoreUnavailable:
                self._seen = seen | self._seen
                raise

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
        self._shifts[shift.id] = shift
        self._sessions[session.id] = session
        seat = Seat(session, shift, host)
        self._remember(token.encode(), seat)
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
            merged = one.heard_of(kept)
            for part in fields(Shift):
                setattr(one, part.name, getattr(merged, part.name))
        return known

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
        self._remember(token.encode(), Seat(seat.session, seat.shift, host, until))
        return token

    async def renew_cookies(self, seat: Seat) -> str:
        """A cookie's value for the host where the session is seated, in place of the one before; those at systems' hosts lapse, and
        are renewed by whoever has this one."""
        now, token = self._now(), new_token()
        await self._store.renew_tokens(seat.session.id, seat.host, token_hash(token), now)
        for known in [one for one, at in self._seats.items() if at.session.id == seat.session.id]:
            at = self._seats.pop(known)
            if at.host != seat.host:
                self._remember(known, replace(at, until=min(at.until, now)))
        self._remember(token.encode(), Seat(seat.session, seat.shift, seat.host))
        return token

    # Ends

    async def end_session(self, session: Session, reason: str) -> None:
        """At once here, within a second elsewhere."""
        session.ended, session.end_reason = self._now(), reason
        await self._store.put_session(session)
        self._forget(session)

    async def end_shift(self, shift: Shift, reason: str) -> list[Session]:
        """The shift and every session in it; the sessions that it ended."""
        shift = self._shifts.get(shift.id, shift)
        shift.ended, shift.end_reason = self._now(), reason
        await self._store.put_shift(shift)
        ended: list[Session] = []
        for kept in await self._store.of_shift(shift.id):
            session = self._sessions.get(kept.id, kept)
            if session.ended is None:
                await self.end_session(session, reason)
                ended.append(session)
        self._shifts.pop(shift.id, None)
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
        now = self._now()
        return [shift for kept in await asked if (shift := self._shifts.get(kept.id, kept)).live(now)]

    async def _meant(self, shift: Shift, sid: str) -> Meant:
        """Also idle ones end: another gateway may know that they are not. Not those that were switched from: that the provider knows
        somebody else in that browser now is what a switch is, and whoever comes back proves anew who they are."""
        now = self._now()
        kept = [self._sessions.get(s.id, s) for s in await self._store.of_shift(shift.id)]
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
        now = self._now()
        kept = [self._sessions.get(s.id, s) for s in await self._store.of_shift(shift.id)]
        return sorted((s for s in kept if s.live(now)), key=lambda s: -s.created)

    # The cache

    def _believed(self, now: float) -> bool:
        """Also not when the clock was set back: an hour that is lived twice is not believed twice."""
        return self._place is not None and 0 <= now - self._looked < _BELIEVED

    async def _look(self, now: float) -> None:
        """Has anybody else written? Then nothing that is cached is believed, but for when sessions were last seen."""
        async with self._checking:
            if self._believed(self._now()):
                return
            heard = await self._store.heard(self._place)
            if heard.keys is None or heard.keys:
                self._seats.clear()
                self._sessions.clear()
                self._shifts.clear()
            self._place = heard.place
            self._looked = now

    async def _read(self, token: bytes) -> Seat | None:
        found = await self._store.by_token(token_hash(token))
        if found is None:
            return None
        shift = self._shifts.setdefault(found.shift.id, found.shift)
        seat = Seat(self._adopted(found.session), shift, found.host, found.until)
        self._remember(token, seat)
        return seat

    def _adopted(self, kept: Session) -> Session:
        """The one object for this session. What the store says holds, but activity that it has not heard of yet counts."""
        session = self._sessions.setdefault(kept.id, kept)
        seen = self._seen.get(kept.id)
        if seen is not None and seen is not session and session.ended is None:
            session.last_seen = max(session.last_seen, seen.last_seen)
            self._seen[kept.id] = session
        return session

    def _tidy(self, now: float) -> None:
        live = ((t, s) for t, s in self._seats.items() if s.session.live(now) and s.shift.live(now))
        self._seats = OrderedDict((t, s) for t, s in live if now < s.until + HOST_LIFE)
        self._sessions = {key: session for key, session in self._sessions.items() if session.live(now)}
        self._shifts = {key: shift for key, shift in self._shifts.items() if shift.live(now)}

    def _remember(self, token: bytes, seat: Seat) -> None:
        self._seats[token] = seat
        if len(self._seats) > _MOST:
            self._seats.popitem(last=False)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        self._seen.pop(session.id, None)
        self._forget_tokens(session)

    def _forget_tokens(self, session: Session) -> None:
        for token in [t for t, seat in self._seats.items() if seat.session.id == session.id]:
            del self._seats[token]
