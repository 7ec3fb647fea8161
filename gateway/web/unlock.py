"""The page that a locked session sees, what it offers (PIN, signing on again, somebody else), and where a PIN is set."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from policies.model import Ownership
from sso.device import ProofFor
from sso.errors import DeviceRefused
from sso.session import BY_CLINICIAN, FOLLOW_ME, IDLE, OTHER_PERSON
from sso.unlock import PinRefused

from ..edge import cookies
from ..edge.origins import Asked, Bounce, asked
from ..locks import Locks, Tried
from ..sessions import Seat, Sessions
from .bodies import form_of
from .paths import own_path, unlock_at
from .refusals import Refusals
from .render import Renderer, clock, sentence
from .signoff import ANEW, ANEW_LIFE
from .signon import SignOn
from .switching import Switching
from .visitors import Visitors

_WHY = {
    IDLE: "Nothing was done here for a while, so it was locked.",
    BY_CLINICIAN: "You locked it.",
    FOLLOW_ME: "You went on at another device, so it was locked.",
    OTHER_PERSON: "Somebody else signed on here to prove that it is them, so it was locked.",
}
_SAID = {
    Tried.WRONG: "That PIN does not unlock this session. After five wrong ones it ends.",
    Tried.LIMITED: "Too many PINs were tried for you. Sign on again instead; your PIN can be used again in an hour.",
}


class Unlock:
    def __init__(
        self,
        visitors: Visitors,
        sessions: Sessions,
        locks: Locks,
        switching: Switching,
        sign_on: SignOn,
        refusals: Refusals,
        renderer: Renderer,
        *,
        badges: bool,
    ) -> None:
        """`badges`: whether readers are in use."""
        self._badges = badges
        self._visitors = visitors
        self._sessions = sessions
        self._locks = locks
        self._switching = switching
        self._sign_on = sign_on
        self._refusals = refusals
        self._renderer = renderer

    async def instead(self, request: Request) -> Response | None:
        """What a locked session gets in place of any other page; None for any other."""
        if await self._visitors.held(request) is None:
            return None
        headers = tuple(request.scope["headers"])
        if asked(request.method, headers) is not Asked.DOCUMENT:
            return self._refusals.locked(request.method, headers)
        path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
        wanted = f"{path}?{query}" if query else path
        if path.startswith("/sign-on"):
            wanted = request.query_params.get("next", "/")
        return self._renderer.redirect(Bounce(unlock_at(wanted)))

    async def page(self, request: Request) -> Response:
        back = own_path(request.query_params.get("next", "/"))
        seat = await self._visitors.held(request)
        return await self._page(seat, back) if seat else self._renderer.redirect(Bounce(back))

    async def _page(self, seat: Seat, back: str, *, said: str = "", unproved: str = "") -> Response:
        """`unproved`: why this is not taken for the enrolled device that the session is on."""
        return self._renderer.page(
            "unlock.html",
            403 if said or unproved else 200,
            name=seat.shift.principal.name,
            device=seat.session.device.name,
            badges=self._badges and seat.session.device.ownership is Ownership.SHARED and bool(seat.session.device.id),
            needs_script=await self._visitors.needs_script(seat),
            unproved=unproved,
            since=clock(seat.session.locked or 0.0),
            why=_WHY.get(seat.session.lock_reason, ""),
            pin=bool(seat.session.device.id),
            back=back,
            said=said,
        )

    async def go_on(self, request: Request) -> Response:
        """In a window of its own, before a page that waits: once whoever is here may act, it closes."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on?next=/go-on"))
        return self._renderer.page("go_on.html", name=seat.shift.principal.name)

    async def by_pin(self, request: Request) -> Response:
        """POST: on an enrolled device."""
        form = await form_of(request)
        back = own_path(form.get("next", "/"))
        seat = await self._visitors.held(request)
        if seat is None:
            return self._renderer.redirect(Bounce(back))
        if not seat.session.device.id:
            return await self._page(seat, back)
        try:
            here = await self._visitors.at(request, form, seat, ProofFor.UNLOCK)
        except DeviceRefused as refused:
            await self._locks.refused(seat, refused.reason)
            return await self._page(seat, back, unproved=refused.reason)
        tried = await self._locks.try_pin(seat, form.get("pin", ""), here=here)
        if tried is Tried.UNLOCKED:
            return self._renderer.redirect(Bounce(back))
        if tried is Tried.ENDED:
            gone = (cookies.expired(cookies.SESSION), cookies.given(ANEW, "1", max_age=ANEW_LIFE))
            return self._renderer.redirect(Bounce("/sign-on" if back == "/" else f"/sign-on?next={back}", gone))
        return await self._page(seat, back, said=_SAID[tried])

    async def again(self, request: Request) -> Response:
        """POST: by signing on again at the provider, which asks.

        Where this is not the enrolled device that the session is on, that begins another session; who asks for it is told first.
        """
        form = await form_of(request)
        back = own_path(form.get("next", "/"))
        seat = await self._visitors.held(request)
        if seat is None:
            return self._renderer.redirect(Bounce(back))
        try:
            here = await self._visitors.here(request, form, ProofFor.UNLOCK)
        except DeviceRefused as refused:
            return await self._page(seat, back, unproved=refused.reason)
        if seat.session.device.id and here is None and form.get("anyway") != "yes":
            return await self._page(seat, back, unproved="device-unproved")
        return await self._sign_on.again(request, back, device=here.enrolment.id if here else "")

    async def lock(self, request: Request) -> Response:
        """POST: now. The way back is the page whose button it was."""
        seat = await self._visitors.seat(request)
        if seat is not None:
            await self._locks.lock(seat, BY_CLINICIAN)
        return self._renderer.redirect(Bounce(unlock_at(_came_from(request))))

    async def switch(self, request: Request) -> Response:
        """POST: somebody else is here. From the page that unlocks, or from a page of the session that is left."""
        seat = await self._visitors.seat(request) or await self._visitors.held(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on"))
        back = (await form_of(request)).get("next") or _came_from(request)
        mark = self._switching.mark(tuple(request.scope["headers"]))
        await self._switching.away(seat, mark, back)
        onward = await self._switching.by_way_of(seat.session.hosts, "/sign-on")
        return self._renderer.redirect(
            Bounce(onward, (cookies.expired(cookies.SESSION), *self._switching.cookies(mark)))
        )

    # Setting a PIN

    async def pin_page(self, request: Request) -> Response:
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on?next=/shift/pin"))
        if not seat.session.device.id:
            return self._renderer.redirect(Bounce("/shift"))
        return self._pin_page(seat)

    def _pin_page(self, seat: Seat, *, said: str = "") -> Response:
        name = seat.shift.principal.name
        fresh = self._locks.may_set_pin(seat)
        return self._renderer.page("pin.html", 422 if said else 200, name=name, fresh=fresh, said=said)

    async def set_pin(self, request: Request) -> Response:
        """POST: taken where the clinician has just signed on, on an enrolled device."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        if not self._locks.may_set_pin(seat):
            return self._renderer.redirect(Bounce("/shift/pin"))
        form = await form_of(request)
        try:
            await self._visitors.at(request, form, seat, ProofFor.UNLOCK)
            await self._locks.set_pin(seat, form.get("pin", ""), form.get("again", ""))
        except (PinRefused, DeviceRefused) as error:
            return self._pin_page(seat, said=sentence(error))
        self._sessions.touch(seat)
        return self._renderer.redirect(Bounce("/shift"))


def _came_from(request: Request) -> str:
    """The page of ours that a form was on, as the browser says."""
    parts = urlsplit(request.headers.get("referer", "/"))
    return own_path(f"{parts.path}?{parts.query}" if parts.query else parts.path or "/")
