"""Ends: sign-off by the clinician, by another of their devices, and by what the provider tells us behind the browser's back."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.errors import BodyTooLarge
from sso.errors import ProviderAway, SignOnRefused
from sso.logout import read_form
from sso.provider import IdentityProvider
from sso.session import Session
from sso.shift import Shift

from ..audit.event import AuditEvent, EventType
from ..audit.journal import Journal
from ..edge import cookies
from ..edge.origins import Bounce, Doors
from ..presence import Presence
from ..session_events import session_event, shift_event
from ..sessions import Meant, Seat, Sessions
from ..stores.base import Store
from .bodies import body_of, form_of
from .render import Renderer

ANEW = b"__Host-lanyard-anew"  # somebody signed off, or works on a shared device: whoever comes next says who they are
ANEW_LIFE = 30 * 86400  # above the life of providers' sessions
_LONGEST_FORM = 64 * 1024


class SignOff:
    def __init__(
        self,
        public_url: str,
        public_host: str,
        provider: IdentityProvider,
        presence: Presence,
        sessions: Sessions,
        store: Store,
        doors: Doors,
        journal: Journal,
        renderer: Renderer,
        now: Callable[[], float],
        end_upstreams: Callable[[Seat, bool], None],
    ) -> None:
        self._public_url = public_url
        self._public_host = public_host
        self._provider = provider
        self._presence = presence
        self._sessions = sessions
        self._store = store
        self._doors = doors
        self._journal = journal
        self._renderer = renderer
        self._now = now
        self.end_upstreams = end_upstreams

    # By the clinician

    async def sign_off(self, request: Request) -> Response:
        """POST only, from our own page. Ends the session, or everything, and visits every origin that it entered."""
        token = cookies.cookie(tuple(request.scope["headers"]), cookies.SESSION)
        if token is not None:
            await self._sessions.hear()
        seat = await self._sessions.seated(token, self._public_host)
        locked = seat is None
        if seat is None:
            seat = await self._sessions.at_lock(token, self._public_host)
        off = (cookies.expired(cookies.SESSION), cookies.given(ANEW, "1", max_age=ANEW_LIFE))
        if seat is None:
            return self._renderer.redirect(Bounce("/signed-off", off))
        form = await form_of(request)
        everywhere = form.get("everywhere") == "yes" and not locked  # anybody may stand before a locked screen
        others = [s for s in await self._sessions.of_shift(seat.shift) if s.id != seat.session.id]
        last = everywhere or not others
        # A shift that began without the provider has no session there to be ended; one that is away shows nobody that they are off.
        there = last and not seat.shift.emergency and not self._presence.away
        hint = await self._sessions.hint(seat.shift) if there else ""
        self.end_upstreams(seat, last)
        if last:
            await self.end_shift(seat.shift, "signed-off")
        else:
            await self._sessions.end_session(seat.session, "signed-off")
        await self._journal.record(
            session_event(EventType.LOGOUT_OK, self._now(), seat, by="clinician", everywhere=everywhere)
        )
        end = await self._provider_end(hint) if there else None
        onward = await self._doors.first_of_sign_off(seat.session.hosts, end or f"{self._public_url}/signed-off")
        return self._renderer.redirect(Bounce(onward, off))

    async def _provider_end(self, hint: str) -> str | None:
        try:
            return await self._provider.end_session_url(
                hint, f"{self._public_url}/signed-off", secrets.token_urlsafe(12)
            )
        except ProviderAway:
            return None

    async def signed_off(self, request: Request) -> Response:
        return self._renderer.page("signedoff.html")

    # By somebody else

    async def end_one(self, seat: Seat, reason: str) -> None:
        """One session, by somebody else than the browser that it is in."""
        self.end_upstreams(seat, False)
        await self._sessions.end_session(seat.session, reason)
        await self._journal.record(session_event(EventType.SESSION_REVOKED, self._now(), seat, reason=reason))

    async def end_shift(self, shift: Shift, reason: str) -> list[Session]:
        if shift.ended is not None:
            return []  # somebody else is just ending it
        ended = await self._sessions.end_shift(shift, reason)
        for session in ended:
            self.end_upstreams(Seat(session, shift, ""), True)
        await self._journal.record(
            shift_event(EventType.SHIFT_ENDED, self._now(), shift, reason=reason, sessions=len(ended))
        )
        return ended

    # By the provider

    async def backchannel(self, request: Request) -> Response:
        """The provider ends a session or a person (OpenID Connect Back-Channel Logout 1.0, section 2.5)."""
        try:
            body = await body_of(request, _LONGEST_FORM)
        except BodyTooLarge:
            return self._rejected("too-large")
        try:
            notice = await self._provider.verify_logout_token(read_form(body), self._seen)
        except SignOnRefused as error:
            await self._journal.record(AuditEvent(EventType.LOGOUT_REJECTED, self._now(), {"reason": error.reason}))
            return self._rejected(error.reason)
        for meant in await self._sessions.meant(notice.iss, sid=notice.sid, subject=notice.sub):
            await self._end(meant, notice.sid)
        return Response(status_code=200, headers={"cache-control": "no-store"})

    async def _end(self, meant: Meant, sid: str) -> None:
        if meant.whole:
            await self.end_shift(meant.shift, "provider-log-out")
        else:
            await self._sessions.tokens_gone(meant.shift, sid)
            for session in meant.sessions:
                await self.end_one(Seat(session, meant.shift, ""), "provider-log-out")
        if meant.whole or meant.sessions:
            await self._journal.record(
                shift_event(EventType.LOGOUT_OK, self._now(), meant.shift, by="provider", everywhere=not sid)
            )

    async def _seen(self, key: str, until: float) -> bool:
        return not await self._store.first_time("logout-token", key, until, self._now())

    def _rejected(self, reason: str) -> Response:
        return JSONResponse(
            {"error": "invalid_request", "error_description": reason}, 400, headers={"cache-control": "no-store"}
        )
