"""Upstream sessions: log on once, notice that the system logged off, log on again.

One UpstreamSession for each (session, system), since old systems keep the current patient on the server; a manifest's `share`
may widen that. Log-on is single-flight. A credential that the system refused is not tried again in this shift, unless somebody
types it once more. What may be repeated after a log-off is decided here and nowhere else (design: a write is never sent twice,
and never unseen into a new upstream session).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.base import Credential, Share, UpstreamSession
from connectors.errors import ConnectorError, CredentialMissing, CredentialRefused
from connectors.messages import InboundRequest, UpstreamResponse
from policies.model import AccessRequest, Action, PatientRef, Principal, Resource
from sso.errors import StoreUnavailable
from sso.flight import Flight

from . import logs
from .audit.event import AuditEvent, EventType
from .credentials import CredentialSource
from .errors import JournalUnavailable, OpenElsewhere, OtherPatient, WriteNotSent
from .log_ons import Key, LogOn, address, came_from
from .session_events import strength
from .systems import System

if TYPE_CHECKING:
    import httpx2

    from sso.session import Session

    from .sessions import Seat

SAFE = frozenset({"GET", "HEAD"})

Tried = Callable[[Principal, str, Credential, CredentialRefused | None], Awaitable[None]]


async def _nobody_notes(
    principal: Principal, system: str, credential: Credential, no: CredentialRefused | None
) -> None:
    pass


class UpstreamSessionStore(Protocol):
    """Where upstream sessions are kept, sealed, by a hash of their key. Raises StoreUnavailable."""

    async def put_upstream(self, key: tuple[str, ...], value: bytes, owner_session: str) -> int | None: ...

    async def get_upstream(self, key: tuple[str, ...]) -> tuple[int, bytes] | None: ...

    async def delete_upstream(self, key: tuple[str, ...]) -> None: ...


class Records(Protocol):
    """The part of the journal that is needed here."""

    async def record(self, event: AuditEvent) -> int: ...


class UpstreamSessions:
    def __init__(
        self,
        store: UpstreamSessionStore,
        credentials: CredentialSource,
        journal: Records,
        client: Callable[[System], httpx2.AsyncClient],
        now: Callable[[], float],
        seat_of: Callable[[str], Awaitable[Seat | None]],
        counted: Callable[[str, str], None] = lambda system, outcome: None,
        tried: Tried = _nobody_notes,
    ) -> None:
        """`seat_of` tells whether a session is still live; `counted(system, outcome)` hears of every log-on: `ok`, or the
        name of what went wrong; `tried` of every kept credential that a system took or refused."""
        self._seat_of = seat_of
        self._counted = counted
        self._store = store
        self._credentials = credentials
        self._journal = journal
        self._client = client
        self._now = now
        self._live: dict[Key, LogOn] = {}
        self._turns: dict[Key, asyncio.Lock] = {}
        self._tried = tried
        self._proofs: dict[tuple[Key, bytes], Flight[None]] = {}
        # (shift, system) -> hash of the credential refused, and the refusal
        self._refused: dict[tuple[str, str], tuple[bytes, type[CredentialRefused]]] = {}

    async def logged_on(self, seat: Seat, system: System) -> LogOn | None:
        """The log-on that this request goes through; None where the system wants none.

        Raises CredentialMissing, CredentialRefused, OpenElsewhere, ConnectorError.
        """
        if system.logs_on is None:
            return None
        key = self._key(seat, system)
        live = self._live.get(key) or await self._one_at_a_time(seat, system, key, after=0)
        while system.share is Share.ONE_PER_CLINICIAN and live.holder != seat.session.id:
            live = await self._taken_over(seat, system, live)
        if live.holder != seat.session.id:  # the shift's: it lives as long as the session that used it last
            live.holder, live.dirty = seat.session.id, True
        return live

    async def _taken_over(self, seat: Seat, system: System, live: LogOn) -> LogOn:
        """A log-on of the clinician's other session is left to it while that may act; once it is over or locked, the log-on is ended
        and a new one made: the patient who was chosen there is not handed on. Raises OpenElsewhere."""
        if (other := await self._seat_of(live.holder)) is not None and other.session.may_act(self._now()):
            raise OpenElsewhere(f"you have `{system.title}` open on another device: {_where(other.session)}")
        await self._end(live, system, by="session-over")
        return await self._one_at_a_time(seat, system, live.key, after=live.generation)

    def known(self, seat: Seat, system: System) -> str:
        """The log-on that this session has there just now, and where it has come to; empty where it has none.

        Equal only while no other page has been shown: a system that keeps the current patient may be at another one since.
        """
        live = self._held(seat, system)
        return f"{live.session.id} {live.shown}" if live is not None else ""

    def written_on(self, seat: Seat, system: System, inbound: InboundRequest) -> tuple[bool, frozenset[PatientRef]]:
        """Of a form that comes too late: whether the system is surely still where its page was, and whom that was about."""
        live, page = self._held(seat, system), address(came_from(inbound))
        if live is None or not system.keeps_patient:
            return True, frozenset()
        return not live.current.unsure(inbound, page), live.current.about(inbound, page)

    def _held(self, seat: Seat, system: System) -> LogOn | None:
        return self._live.get(self._key(seat, system)) if system.logs_on is not None else None

    async def again(self, seat: Seat, system: System, dead: LogOn) -> LogOn:
        """A new log-on after the system forgot `dead`; whoever comes second gets the first one's."""
        return await self._one_at_a_time(seat, system, dead.key, after=dead.generation)

    def refused(self, seat: Seat, system: System) -> type[CredentialRefused] | None:
        """How the system refused what was kept, in this shift."""
        found = self._refused.get((seat.shift.id, system.name))
        return found[1] if found else None

    async def prove(
        self, seat: Seat, system: System, credential: Credential, keep: Callable[[], Awaitable[None]]
    ) -> None:
        """Log on with what was typed just now, then `keep` it. That log-on is the one that is used from there on.

        Tried once; a second click on the same button waits for the first. Raises CredentialRefused, OpenElsewhere,
        ConnectorError, and what `keep` raises.
        """
        key = self._key(seat, system)
        mark = (key, _fingerprint(credential))
        flight = self._proofs.setdefault(mark, Flight(lambda: self._prove(seat, system, key, credential, keep)))
        try:
            await flight.join()
        finally:
            if not flight.under_way:
                self._proofs.pop(mark, None)

    async def _prove(
        self, seat: Seat, system: System, key: Key, credential: Credential, keep: Callable[[], Awaitable[None]]
    ) -> None:
        one_only = system.share is Share.ONE_PER_CLINICIAN
        async with system.bulkhead:
            old = self._live.get(key) or await self._kept(key)
            if old is not None and one_only:  # it would turn the new log-on away while the old one is open
                if old.holder != seat.session.id and (other := await self._seat_of(old.holder)) is not None:
                    raise OpenElsewhere(f"you have `{system.title}` open on another device: {_where(other.session)}")
                self._live.setdefault(key, old)
                await self._end(old, system, by="replaced")
            async with self._turn(key):
                fresh = await self._try(seat, system, credential)
                self._refused.pop((seat.shift.id, system.name), None)
                before = self._live.get(key) or old
                generation = before.generation + 1 if before else 1
                made = LogOn(key, seat.session.id, fresh, generation, again=before is not None)
                self._live[key] = made
                await self._put(made)
                await keep()
            if before is not None and not one_only:
                await self._left(before, system)
                await self._record(EventType.UPSTREAM_LOGGED_OFF, system, before.holder, by="replaced")

    def may_repeat(self, inbound: InboundRequest, resource: Resource) -> bool:
        """Only a bodiless GET or HEAD on a route that is not declared as changing."""
        return inbound.method in SAFE and not resource.changing and not _has_body(inbound)

    def refuse_stale_write(
        self, live: LogOn, inbound: InboundRequest, resource: Resource, *, follows: bool = False
    ) -> None:
        """A form of a page that an earlier, dead log-on showed is not sent into this one, nor, where the session `follows`
        somebody else's at the same browser, one of theirs. Raises WriteNotSent."""
        if not (live.again or follows) or (inbound.method in SAFE and not resource.changing):
            return
        if not live.knows(came_from(inbound)):
            raise WriteNotSent("the system has logged on again since this page was shown")

    def refuse_other_patient(self, system: System, live: LogOn, inbound: InboundRequest, resource: Resource) -> None:
        """A form that names nobody, of a page about somebody whom the system is not at any more, is not sent: it would be filed under
        the patient of another tab. One that names its patient may put the system there. Raises OtherPatient."""
        if not (system.keeps_patient and resource.changing):
            return
        if resource.patients:
            live.dirty |= live.current.moved(resource.patients)
        elif live.current.elsewhere(inbound, address(came_from(inbound))):
            raise OtherPatient(
                f"`{system.title}` is at another patient since this page was shown, by another tab or window"
            )

    def showed(
        self,
        seat: Seat,
        system: System,
        inbound: InboundRequest,
        access: AccessRequest,
        patients: frozenset[PatientRef],
    ) -> str:
        """Whom a page is about goes out with it as a mark; empty where it is about nobody, or everybody is named anyway."""
        if not system.keeps_patient or not patients or access.action in (Action.LIST, Action.SEARCH):
            return ""
        if (live := self._held(seat, system)) is None:
            return ""
        live.dirty |= live.current.showed(address(inbound.target), patients)
        return live.current.marks(patients)

    def forgotten(self, system: System, response: UpstreamResponse) -> Awaitable[bool]:
        """Whether the system says that it does not know us any more."""
        assert system.logs_on is not None
        return system.logs_on.is_logged_off(response)

    async def absorb(self, system: System, live: LogOn, inbound: InboundRequest, response: UpstreamResponse) -> None:
        """Keep the answer's new cookies; remember the page that it shows."""
        assert system.logs_on is not None
        live.dirty |= await system.logs_on.absorb(live.session, inbound, response)
        if response.is_page:
            live.showed(inbound.target)
            live.dirty |= live.again  # what may be sent into it must survive a restart

    async def keep(self) -> None:
        """Write what has changed. Called every second and at the end."""
        for live in [one for one in self._live.values() if one.dirty]:
            live.dirty = False
            await self._put(live)

    async def end(self, seat: Seat, systems: dict[str, System], *, whole_shift: bool) -> None:
        """Log off what belongs to this session, or to its whole shift."""
        p = seat.shift.principal
        owners = {("session", seat.session.id)}
        if whole_shift:
            owners |= {("shift", seat.shift.id), ("clinician", json.dumps([p.issuer, p.subject]))}
        for live in [one for one in self._live.values() if one.key[:2] in owners or one.holder == seat.session.id]:
            if live.key[0] == "shift" and not whole_shift:
                continue
            await self._end(live, systems[live.key[2]], by="sign-off")

    async def sweep(self, systems: dict[str, System]) -> None:
        """Log off for sessions that are over without a sign-off: left idle, or past their shift's end. Called every few minutes.

        Raises StoreUnavailable.
        """
        for live in list(self._live.values()):
            if await self._seat_of(live.holder) is None:
                with contextlib.suppress(JournalUnavailable):  # which has its own alarm
                    await self._end(live, systems[live.key[2]], by="session-over")
        self._turns = {key: turn for key, turn in self._turns.items() if key in self._live or turn.locked()}

    async def _end(self, live: LogOn, system: System, *, by: str) -> None:
        """Whoever logs on next under this key does so behind the log-off: some systems allow one log-on at a time."""
        async with self._turn(live.key):
            if self._live.get(live.key) is not live:
                return  # somebody else has ended it
            del self._live[live.key]
            await self._store.delete_upstream(live.key)
            await self._left(live, system)
        await self._record(EventType.UPSTREAM_LOGGED_OFF, system, live.holder, by=by)

    async def _left(self, live: LogOn, system: System) -> None:
        assert system.logs_on is not None
        try:
            async with self._client(system) as client:
                await system.logs_on.log_off(live.session, client)
        except ConnectorError:
            pass  # it will expire there by itself; the clinician's sign-off does not wait for it

    def _turn(self, key: Key) -> asyncio.Lock:
        return self._turns.setdefault(key, asyncio.Lock())

    def _key(self, seat: Seat, system: System) -> Key:
        match system.share:
            case Share.SESSION:
                return ("session", seat.session.id, system.name)
            case Share.SHIFT:
                return ("shift", seat.shift.id, system.name)
            case Share.ONE_PER_CLINICIAN:
                p = seat.shift.principal
                return ("clinician", json.dumps([p.issuer, p.subject]), system.name)

    async def _one_at_a_time(self, seat: Seat, system: System, key: Key, after: int) -> LogOn:
        async with self._turn(key):
            live = self._live.get(key)
            if live is not None and live.generation > after:
                return live
            if live is None and after == 0 and (kept := await self._kept(key)) is not None:
                self._live[key] = kept
                return kept
            if live is not None:
                await self._record(EventType.UPSTREAM_LOGGED_OFF, system, live.holder, by="system")
            fresh = await self._log_on(seat, system)
            made = LogOn(key, seat.session.id, fresh, after + 1, again=after > 0 or seat.session.follows, dirty=False)
            self._live[key] = made
            await self._put(made)
            return made

    async def _log_on(self, seat: Seat, system: System) -> UpstreamSession:
        credential = await self._credential(seat, system)
        mark = (seat.shift.id, system.name)
        fingerprint = _fingerprint(credential)
        before = self._refused.get(mark)
        if before is not None and before[0] == fingerprint:
            raise before[1](f"`{system.title}` refused your log-on earlier in this shift: it is not tried again")
        try:
            session = await self._try(seat, system, credential)
        except CredentialRefused as refusal:
            self._refused[mark] = (fingerprint, type(refusal))
            await self._note(seat, system, credential, refusal)
            raise
        await self._note(seat, system, credential, None)
        return session

    async def _try(self, seat: Seat, system: System, credential: Credential) -> UpstreamSession:
        assert system.logs_on is not None
        try:
            async with self._client(system) as client:
                session = await system.logs_on.log_on(credential, client)
        except ConnectorError as error:
            self._counted(system.name, type(error).__name__)
            await self._record(
                EventType.UPSTREAM_LOG_ON_FAILED, system, seat.session.id, seat=seat, reason=type(error).__name__
            )
            raise
        self._counted(system.name, "ok")
        await self._record(EventType.UPSTREAM_LOGGED_ON, system, seat.session.id, seat=seat)
        return session

    async def _note(
        self, seat: Seat, system: System, credential: Credential, refusal: CredentialRefused | None
    ) -> None:
        """What cannot be noted stops nobody: the log-on has been made or refused, and this process remembers that."""
        try:
            await self._tried(seat.shift.principal, system.name, credential, refusal)
        except StoreUnavailable as error:
            logs.log().error("the vault did not take a note", error=error)

    async def _credential(self, seat: Seat, system: System) -> Credential:
        credential = await self._credentials.credential(seat.shift.principal, system.name)
        if credential is None:
            raise CredentialMissing(f"no log-on to `{system.title}` is kept for you")
        return credential

    async def _kept(self, key: Key) -> LogOn | None:
        """A log-on from before a restart. Its pages are not known any more, so their forms are not sent into it."""
        kept = await self._store.get_upstream(key)
        return LogOn.of(key, kept[1]) if kept is not None else None

    async def _put(self, live: LogOn) -> None:
        await self._store.put_upstream(live.key, live.kept(), live.holder)

    async def _record(
        self, kind: EventType, system: System, holder: str, *, seat: Seat | None = None, **fields: object
    ) -> None:
        if seat is not None:
            p = seat.shift.principal
            fields |= {"issuer": p.issuer, "subject": p.subject, "shift": seat.shift.id, **strength(seat.shift)}
        known = {"system": system.name, "state": system.state.value, "session": holder}
        await self._journal.record(AuditEvent(kind, self._now(), {**known, **fields}))


def _where(session: Session) -> str:
    """A device in words that its owner knows it by."""
    device = session.device
    place = device.name or f"{device.device_class.value}, {device.zone or 'outside the hospital'}"
    return f"{place}, signed on at {datetime.fromtimestamp(session.created).astimezone():%H:%M}"


def _has_body(inbound: InboundRequest) -> bool:
    return inbound.body.whole != b""


def _fingerprint(credential: Credential) -> bytes:
    """Tells a changed credential from the one that was refused, without keeping it."""
    parts = (credential.username.encode(), credential.secret.encode())
    return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()
