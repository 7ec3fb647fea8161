"""Whoever comes back from the provider into a session: a new one, the locked one of this browser, or the one that a switch left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from policies.model import Device, Ownership, Principal
from sso.provider import PendingSignOn, SignedOn
from sso.session import FEDERATED, token_hash

from ..audit.event import EventType
from ..audit.journal import Journal
from ..edge import cookies
from ..edge.origins import Bounce
from ..locks import Locks, covers, on_its_device
from ..metrics import Metrics
from ..session_events import seated_event, session_event, shift_event
from ..sessions import Seat, Sessions
from .paths import unlock_at
from .render import Renderer
from .signoff import ANEW, ANEW_LIFE, SignOff
from .switching import Switching
from .visitors import Visitors


class Seating:
    def __init__(
        self,
        public_host: str,
        visitors: Visitors,
        sessions: Sessions,
        journal: Journal,
        renderer: Renderer,
        metrics: Metrics,
        now: Callable[[], float],
        sign_off: SignOff,
        locks: Locks,
        switching: Switching,
    ) -> None:
        self._public_host = public_host
        self._visitors = visitors
        self._sessions = sessions
        self._journal = journal
        self._renderer = renderer
        self._metrics = metrics
        self._now = now
        self._sign_off = sign_off
        self._locks = locks
        self._switching = switching

    async def at_lock(
        self, request: Request, pending: PendingSignOn, signed_on: SignedOn, held: Seat, name: bytes
    ) -> Response:
        """A sign-on came back to a locked session. Its clinician unlocks it by a proof that is newer than the lock; anybody else
        takes the browser over, and sees nothing of where it was."""
        turn, since = held.session.turn, held.session.locked
        known, found = held.shift.principal, signed_on.principal
        done = (cookies.expired(name),)
        if pending.subject or not pending.fresh or since is None or pending.created < since:
            return self._renderer.redirect(Bounce(unlock_at(pending.return_path), done))
        here = (await self._device(request, pending, found))[0].id
        if covers(held, found) and on_its_device(held, here):
            await self._sessions.confirmed(held.shift, signed_on, held.session, raises=True)
            unlocked = await self._locks.unlock(held, FEDERATED, signed_on.auth_time, turn=turn, here=here)
            return self._renderer.redirect(
                Bounce(pending.return_path if unlocked else unlock_at(pending.return_path), done)
            )
        if (known.issuer, known.subject) == (found.issuer, found.subject):
            # In another role, by a weaker proof, or elsewhere.
            return await self.arrived(request, pending, signed_on, held, name)
        mark = self._switching.mark(tuple(request.scope["headers"]))
        await self._switching.away(held, mark, pending.return_path)
        elsewhere = replace(pending, return_path="/")
        return await self.arrived(request, elsewhere, signed_on, None, name, mark=mark, entered=held.session.hosts)

    async def arrived(
        self,
        request: Request,
        pending: PendingSignOn,
        signed_on: SignedOn,
        previous: Seat | None,
        name: bytes,
        *,
        mark: str = "",
        entered: tuple[str, ...] = (),
    ) -> Response:
        """Seat whoever signed on: in the session that a switch at this browser left, else in a new one.

        `mark` is a new one of this browser's, `entered` the hosts at which somebody else's cookies are to be taken back.
        Raises DeviceRefused where the device that the sign-on began at has been revoked since.
        """
        back = pending.return_path
        desk = mark or self._switching.marked(tuple(request.scope["headers"]))
        own = await self._locks.left_at(token_hash(desk), signed_on.principal) if desk else None
        left = own.session.left if own else ""
        here = (await self._device(request, pending, signed_on.principal))[0].id if own else ""
        token = await self._resumed(own, signed_on, previous, here) if own else ""
        if own is None or not token:
            own, token = await self._seat_down(request, signed_on, previous, pending, follows=bool(desk))
        elif back == "/":
            back = left or back
        given = (*seated_cookies(own, token), cookies.expired(name))
        marks = self._switching.cookies(mark) if mark else ()
        onward = await self._switching.by_way_of(entered, back)
        return self._renderer.redirect(Bounce(onward, (*given, *marks)))

    async def handed(self, request: Request, giver: Seat, device: Device, idle: float) -> tuple[Seat, str, str]:
        """Seat the giver's clinician at this browser: in the session that a switch left here, else in a new one of the same shift.

        The seat, its cookie's value, and the page to go on at.
        """
        principal, previous = giver.shift.principal, await self._visitors.seat(request)
        desk = self._switching.marked(tuple(request.scope["headers"]))
        other = bool(desk) or (previous is not None and previous.shift.principal.subject != principal.subject)
        if previous is not None:
            await self._replaced(previous, principal)
            await self._sessions.end_session(previous.session, "replaced")
        own = await self._locks.left_at(token_hash(desk), principal) if desk else None
        if own is not None and own.shift.id == giver.shift.id:
            left, turn = own.session.left, own.session.turn
            if await self._locks.unlock(
                own, giver.session.proof, giver.proved, turn=turn, here=device.id, follows=True
            ):
                return own, await self._sessions.token(own, self._public_host), left or "/"
        seat, token = await self._sessions.join(
            giver, device, self._public_host, idle=idle, previous=None, follows=other
        )
        await self._journal.record(seated_event(self._now(), seat, self._visitors.source(request), by="handoff"))
        return seat, token, "/"

    async def _resumed(self, own: Seat, signed_on: SignedOn, previous: Seat | None, here: str) -> str:
        """A cookie's value for the session that was left; "" where it is over by now, or on another device than this one."""
        turn = own.session.turn
        if not on_its_device(own, here):
            return ""
        await self._sessions.confirmed(own.shift, signed_on, own.session, raises=True)
        if not await self._locks.unlock(own, FEDERATED, signed_on.auth_time, turn=turn, here=here, follows=True):
            return ""
        if previous is not None:
            await self._replaced(previous, signed_on.principal)
            await self._sessions.end_session(previous.session, "replaced")
        return await self._sessions.token(own, self._public_host)

    async def _replaced(self, previous: Seat, principal: Principal) -> None:
        self._sign_off.end_upstreams(previous, False)
        p = previous.shift.principal
        if (p.issuer, p.subject) != (principal.issuer, principal.subject):
            event = session_event(EventType.SESSION_REVOKED, self._now(), previous, reason="user-switch")
            await self._journal.record(event)

    async def _seat_down(
        self, request: Request, signed_on: SignedOn, previous: Seat | None, pending: PendingSignOn, *, follows: bool
    ) -> tuple[Seat, str]:
        source = self._visitors.source(request)
        device, idle = await self._device(request, pending, signed_on.principal)
        if previous is not None:
            await self._replaced(previous, signed_on.principal)
            known, found = previous.shift.principal, signed_on.principal
            follows = follows or (known.issuer, known.subject) != (found.issuer, found.subject)
        seat, token, started = await self._sessions.sign_on(
            signed_on, device, self._public_host, idle=idle, previous=previous, follows=follows
        )
        self._metrics.sign_ons.labels("ok").inc()
        proof = {"acr": signed_on.acr, "amr": list(signed_on.amr), "roles": sorted(signed_on.principal.roles)}
        now = self._now()
        shift_started = [shift_event(EventType.SHIFT_STARTED, now, seat.shift)] if started else []
        await self._journal.record(
            session_event(EventType.LOGIN_OK, now, seat, source=source, **proof),
            *shift_started,
            seated_event(now, seat, source),
        )
        return seat, token

    async def _device(self, request: Request, pending: PendingSignOn, principal: Principal) -> tuple[Device, float]:
        """As `Visitors.device`. A sign-on that was begun here and is ended elsewhere, with copied cookies, is not on this device."""
        proved = pending.device if pending.source == self._visitors.source(request) else ""
        return await self._visitors.device(request, proved, principal)


def seated_cookies(seat: Seat, token: str) -> tuple[tuple[bytes, bytes], ...]:
    """A seat's own cookie, and whether the provider is to ask whoever signs on next.

    On a shared device it is, also when the browser is closed without a sign-off: it forgets our cookie, and may keep the provider's.
    """
    shared = seat.session.device.ownership is Ownership.SHARED
    anew = cookies.given(ANEW, "1", max_age=ANEW_LIFE) if shared else cookies.expired(ANEW)
    return cookies.given(cookies.SESSION, token), anew
