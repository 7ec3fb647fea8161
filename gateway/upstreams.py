"""Upstream sessions: log on once, notice that the system logged off, log on again.

One UpstreamSession for each (session, system), since old systems keep the current patient on the server; a manifest's `share`
may widen that. Log-on is single-flight, wherever the requests arrive. A credential that the system refused is not tried again in
this shift, unless somebody types it once more. What may be repeated after a log-off is decided here and nowhere else (design: a
write is never sent twice, and never unseen into a new upstream session).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from connectors.base import Credential, Share
from connectors.errors import CredentialRefused, SystemUnavailable
from connectors.messages import InboundRequest, UpstreamResponse
from policies.model import AccessRequest, Action, PatientRef, Resource
from sso.errors import StoreUnavailable
from sso.flight import Flight

from . import logs
from .credentials import CredentialSource
from .errors import JournalUnavailable, OpenElsewhere, OtherPatient, WriteNotSent
from .leases import Leases
from .log_on import Key, LogOn, address, came_from
from .log_on_calls import LogOnCalls, Records, Tried, nobody_notes
from .log_on_tries import LogOnTries, fingerprint
from .log_ons import LogOns
from .stores.base import CodeStore, LeaseStore, UpstreamStore
from .systems import System

if TYPE_CHECKING:
    import httpx2

    from sso.session import Session

    from .sessions import Seat

SAFE = frozenset({"GET", "HEAD"})
_AT_ONCE = 500  # log-ons that are looked through in one turn


class LogOnStore(UpstreamStore, LeaseStore, CodeStore, Protocol):
    """The part of the store that is needed here."""

    @property
    def shared(self) -> bool: ...


class UpstreamSessions:
    def __init__(
        self,
        store: LogOnStore,
        credentials: CredentialSource,
        journal: Records,
        client: Callable[[System], httpx2.AsyncClient],
        now: Callable[[], float],
        seat_of: Callable[[str], Awaitable[Seat | None]],
        counted: Callable[[str, str], None] = lambda system, outcome: None,
        tried: Tried = nobody_notes,
        *,
        believed_seat: Callable[[str], Awaitable[Seat | None]] | None = None,
    ) -> None:
        """`seat_of` tells whether a session is still live, and `believed_seat` the same where many are asked about; `counted` and
        `tried`: see LogOnCalls."""
        self._seat_of = seat_of
        self._believed_seat = believed_seat or seat_of
        self._now = now
        # A turn is always taken in the store: another crew may begin in the middle of it.
        self._log_ons = LogOns(store, Leases(store, shared=True))
        self._tries = LogOnTries(store, now, shared=lambda: store.shared)
        self._calls = LogOnCalls(self._tries, credentials, journal, client, now, counted, tried)
        self._proofs: dict[tuple[Key, str], Flight[None]] = {}

    async def logged_on(self, seat: Seat, system: System) -> LogOn | None:
        """The log-on that this request goes through; None where the system wants none.

        Raises CredentialMissing, CredentialRefused, OpenElsewhere, ConnectorError.
        """
        if system.keeps_session is None:
            return None
        key = self._key(seat, system)
        return await self._own(
            seat, system, await self._log_ons.now(key) or await self._one_at_a_time(seat, system, key)
        )

    async def _own(self, seat: Seat, system: System, live: LogOn) -> LogOn:
        """The log-on as this session's, where it may be that. Raises what `logged_on` does."""
        while system.share is Share.ONE_PER_CLINICIAN and live.holder != seat.session.id:
            live = await self._taken_over(seat, system, live)
        if live.holder != seat.session.id:  # the shift's: it lives as long as the session that used it last
            live = await self._log_ons.change(live, lambda at: _is_held(at, seat.session.id)) or live
        return live

    async def _taken_over(self, seat: Seat, system: System, live: LogOn) -> LogOn:
        """A log-on of the clinician's other session is left to it while that may act; once it is over or locked, the log-on is ended
        and a new one made: the patient who was chosen there is not handed on. Raises OpenElsewhere."""
        if (other := await self._seat_of(live.holder)) is not None and other.session.may_act(self._now()):
            raise OpenElsewhere(f"you have `{system.title}` open on another device: {_where(other.session)}")
        async with self._log_ons.turn(live.key):
            ended = await self._over(live, system, by="session-over")
            if not ended and (another := await self._log_ons.kept(live.key)) is not None:
                return another
            return await self._made(seat, system, live.key, before=live)

    async def known(self, seat: Seat, system: System) -> str:
        """The log-on that this session has there just now, and where it has come to; empty where it has none.

        Equal only while no other page has been shown: a system that keeps the current patient may be at another one since.
        """
        live = await self._of(seat, system)
        return f"{live.id} {live.shown}" if live is not None else ""

    async def written_on(
        self, seat: Seat, system: System, inbound: InboundRequest
    ) -> tuple[bool, frozenset[PatientRef]]:
        """Of a form that comes too late: whether the system is surely still where its page was, and whom that was about."""
        live, page = await self._of(seat, system), address(came_from(inbound))
        if live is None or not system.keeps_patient:
            return True, frozenset()
        return not live.current.unsure(inbound, page), live.current.about(inbound, page)

    async def _of(self, seat: Seat, system: System) -> LogOn | None:
        return await self._log_ons.now(self._key(seat, system)) if system.keeps_session is not None else None

    async def again(self, seat: Seat, system: System, dead: LogOn) -> LogOn:
        """A new log-on after the system forgot `dead`; whoever comes second gets the first one's."""
        return await self._own(seat, system, await self._one_at_a_time(seat, system, dead.key, dead=dead))

    async def refused(self, seat: Seat, system: System) -> type[CredentialRefused] | None:
        """How the system refused what was kept, in this shift."""
        found = await self._tries.refused(seat.shift, system.name)
        return found.kind if found else None

    async def prove(
        self, seat: Seat, system: System, credential: Credential, keep: Callable[[], Awaitable[None]]
    ) -> None:
        """Log on with what was typed just now, then `keep` it. That log-on is the one that is used from there on.

        Tried once; a second click on the same button waits for the first. Raises CredentialRefused, OpenElsewhere,
        ConnectorError, and what `keep` raises.
        """
        key = self._key(seat, system)
        mark = (key, fingerprint(credential))
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
        async with system.bulkhead.of(seat.shift.id):
            async with self._log_ons.turn(key):
                if await self._tries.just_typed(key, credential):
                    return
                old = before = await self._log_ons.kept(key)
                if old is not None and one_only:  # it would turn the new log-on away while the old one is open
                    await self._gives_way(seat, system, old)
                    old = None
                fresh = await self._calls.typed(seat, system, key, credential)
                await self._tries.is_taken(seat.shift, system.name)
                generation = before.generation + 1 if before else 1
                made = LogOn(key, seat.session.id, fresh, generation, again=before is not None)
                await self._log_ons.made(made, in_place_of=old)
                await keep()
                await self._tries.was_typed(key, credential, None)
            if old is not None:
                await self._calls.left(old, system, by="replaced")

    async def _gives_way(self, seat: Seat, system: System, old: LogOn) -> None:
        """In its turn. Raises OpenElsewhere where another session has it."""
        if old.holder != seat.session.id and (other := await self._seat_of(old.holder)) is not None:
            raise OpenElsewhere(f"you have `{system.title}` open on another device: {_where(other.session)}")
        await self._over(old, system, by="replaced")

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

    async def refuse_other_patient(
        self, system: System, live: LogOn, inbound: InboundRequest, resource: Resource
    ) -> None:
        """A form that names nobody, of a page about somebody whom the system is not at any more, is not sent: it would be filed under
        the patient of another tab. One that names its patient may put the system there. Raises OtherPatient, WriteNotSent."""
        if not (system.keeps_patient and resource.changing):
            return
        if resource.patients:
            if await self._log_ons.change(live, lambda at: _is_moved(at, resource.patients)) is None:
                raise WriteNotSent("the system has logged you off, or on again, since this page was shown")
        elif live.current.elsewhere(inbound, address(came_from(inbound))):
            raise OtherPatient(
                f"`{system.title}` is at another patient since this page was shown, by another tab or window"
            )

    async def showed(
        self,
        system: System,
        live: LogOn | None,
        inbound: InboundRequest,
        access: AccessRequest,
        patients: frozenset[PatientRef],
    ) -> str:
        """Whom a page is about goes out with it as a mark; empty where it is about nobody, or everybody is named anyway."""
        if live is None or not system.keeps_patient or not patients or access.action in (Action.LIST, Action.SEARCH):
            return ""

        async def at(shown: LogOn) -> bool:
            news = shown.current.showed(address(inbound.target), patients)
            shown.current.marks(patients)
            return news or self._log_ons.shared  # every gateway is to know whom which page was about

        shown = await self._log_ons.change(live, at)
        return shown.current.marks(patients) if shown is not None else ""

    def forgotten(self, system: System, response: UpstreamResponse) -> Awaitable[bool]:
        """Whether the system says that it does not know us any more."""
        assert system.keeps_session is not None
        return system.keeps_session.is_logged_off(response)

    async def absorb(self, system: System, live: LogOn, inbound: InboundRequest, response: UpstreamResponse) -> None:
        """Keep the answer's new cookies; remember the page that it shows."""
        there = system.keeps_session
        assert there is not None

        async def taken(into: LogOn) -> bool:
            news = await there.absorb(into.session, inbound, response)
            if not response.is_page:
                return news
            into.showed(inbound.target)
            return news or into.again or self._log_ons.shared  # what may be sent into it must survive a restart

        await self._log_ons.change(live, taken)

    async def keep(self) -> None:
        """Write what has changed. Called every second and at the end."""
        await self._log_ons.keep()

    async def share(self) -> None:
        """Another crew begins on the same store: it finds all that is known here. Raises StoreUnavailable."""
        await self._log_ons.share()

    async def catch_up(self) -> None:
        """The other crew is gone: what it has changed is known here. Raises StoreUnavailable."""
        await self._log_ons.catch_up()

    async def end(self, seat: Seat, systems: dict[str, System], *, whole_shift: bool) -> None:
        """Log off what belongs to this session, or to its whole shift, at whichever gateway it was used."""
        for system in systems.values():
            if system.keeps_session is None or (system.share is Share.SHIFT and not whole_shift):
                continue
            try:
                live = await self._log_ons.now(self._key(seat, system))
                if live is not None and (whole_shift or live.holder == seat.session.id):
                    await self._end(live, system, by="sign-off")
            except StoreUnavailable as error:  # the others are ended all the same; this one will expire there by itself
                logs.log().error("a log-on could not be ended", system=system.name, error=error)

    async def sweep(self, systems: dict[str, System]) -> None:
        """Log off for sessions that are over without a sign-off: left idle, or past their shift's end. Called every few minutes.

        Raises StoreUnavailable.
        """
        for number, (key, holder) in enumerate(self._log_ons.known()):
            if (
                number % _AT_ONCE == 0
            ):  # a hundred thousand take a quarter of a second: requests have their turns between
                await asyncio.sleep(0)
            if await self._believed_seat(holder) is not None:
                continue
            live = await self._log_ons.now(key)  # another session may have come to it, at another gateway
            if live is not None and (live.holder == holder or await self._seat_of(live.holder) is None):
                with contextlib.suppress(JournalUnavailable):  # which has its own alarm
                    await self._end(live, systems[live.key[2]], by="session-over")
        self._log_ons.let_go()

    async def _end(self, live: LogOn, system: System, *, by: str) -> None:
        """Whoever logs on next under this key does so behind the log-off: some systems allow one log-on at a time."""
        async with self._log_ons.turn(live.key):
            await self._over(live, system, by=by)

    async def _over(self, live: LogOn, system: System, *, by: str) -> bool:
        """In its turn; False where somebody else has ended it."""
        if not await self._log_ons.end(live):
            return False
        await self._calls.left(live, system, by=by)
        return True

    def _key(self, seat: Seat, system: System) -> Key:
        match system.share:
            case Share.SESSION:
                return ("session", seat.session.id, system.name)
            case Share.SHIFT:
                return ("shift", seat.shift.id, system.name)
            case Share.ONE_PER_CLINICIAN:
                p = seat.shift.principal
                return ("clinician", json.dumps([p.issuer, p.subject]), system.name)

    async def _one_at_a_time(self, seat: Seat, system: System, key: Key, *, dead: LogOn | None = None) -> LogOn:
        async with self._log_ons.turn(key):
            live = await (self._log_ons.now(key) if dead is not None else self._log_ons.kept(key))
            if live is not None and (dead is None or live.id != dead.id):
                return live
            if live is not None:
                await self._calls.gone(live, system, by="system")
            return await self._made(seat, system, key, before=dead, in_place_of=live)

    async def _made(
        self, seat: Seat, system: System, key: Key, *, before: LogOn | None, in_place_of: LogOn | None = None
    ) -> LogOn:
        """In its turn. Whoever had it for too long finds another one there: that counts, and this is left again."""
        fresh = await self._calls.kept(seat, system, key)
        generation = before.generation + 1 if before is not None else 1
        made = LogOn(key, seat.session.id, fresh, generation, again=before is not None or seat.session.follows)
        if await self._log_ons.made(made, in_place_of=in_place_of):
            return made
        await self._calls.left(made, system, by="replaced")
        other = await self._log_ons.now(key)
        if other is None:
            raise SystemUnavailable(f"`{system.title}` was logged on to and off again meanwhile: try again")
        return other


def _where(session: Session) -> str:
    """A device in words that its owner knows it by."""
    device = session.device
    place = device.name or f"{device.device_class.value}, {device.zone or 'outside the hospital'}"
    return f"{place}, signed on at {datetime.fromtimestamp(session.created).astimezone():%H:%M}"


def _has_body(inbound: InboundRequest) -> bool:
    return inbound.body.whole != b""


async def _is_held(live: LogOn, holder: str) -> bool:
    news, live.holder = live.holder != holder, holder
    return news


async def _is_moved(live: LogOn, patients: frozenset[PatientRef]) -> bool:
    return live.current.moved(patients)
