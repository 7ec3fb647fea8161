"""From a refusal that a proof would turn, over that proof, back to what was refused: the same browser, session and page."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from policies.decision import StepUp
from sso.assurance import least_acr
from sso.device import ProofFor
from sso.errors import DEVICE_REASONS, REASONS, DeviceRefused, ProviderAway, SignOnError, SignOnRefused
from sso.provider import PendingSignOn, SignedOn
from sso.session import OTHER_PERSON, PASSKEY, PIN

from ..edge import cookies
from ..edge.origins import Bounce
from ..locks import Locks, Tried
from ..sessions import Seat, Sessions
from ..step_up import StepUps, Wanted
from .bodies import form_of
from .leaving import Leaving, binding_name
from .paths import unlock_at
from .render import Renderer
from .signoff import ANEW, ANEW_LIFE
from .visitors import Visitors

_NOTHING = "Nothing was raised, and nothing was sent."
_SAID = {
    "assurance": f"That proof was not as strong as is needed here. {_NOTHING}",
    "denied": f"You cancelled, or the sign-on service said no. {_NOTHING}",
    "other-role": f"You came back in another role than the one you are working in. {_NOTHING}",
    "proof-old": f"The sign-on service did not ask who is there. {_NOTHING}",
    "provider-away": f"The sign-on service does not answer. {_NOTHING}",
    "provider-timeout": f"The sign-on service does not answer. {_NOTHING}",
    "provider-answer": f"The sign-on service does not answer as it should. {_NOTHING}",
    "pin-wrong": "That is not your PIN. After five wrong ones this session ends.",
    "pin-limited": "Too many PINs were tried for you. Use another way; your PIN can be used again in an hour.",
}
_UNPROVED = f"This browser did not show that it is the device that you signed on at. {_NOTHING} Try once more, or sign on again."
_UNUSABLE = f"The sign-on service’s answer could not be used. {_NOTHING}"


@dataclass(frozen=True, slots=True)
class AcrValues:
    """What a provider can be asked for, as configured."""

    usual: tuple[str, ...]
    stronger: tuple[str, ...]


class StepUpPages:
    def __init__(
        self,
        acr_values: AcrValues,
        steps: StepUps,
        visitors: Visitors,
        sessions: Sessions,
        locks: Locks,
        leaving: Leaving,
        renderer: Renderer,
    ) -> None:
        self._acr_values = acr_values
        self._steps = steps
        self._visitors = visitors
        self._sessions = sessions
        self._locks = locks
        self._leaving = leaving
        self._renderer = renderer

    # Asked

    async def page(self, request: Request) -> Response:
        """The ways to prove it. Where the provider is the only one, and nothing has gone wrong yet, there at once."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on"))
        ticket, said = request.query_params.get("ticket", ""), request.query_params.get("said", "")
        if (wanted := await self._steps.asked(ticket, seat)) is None:
            return self._over()
        self._sessions.touch(seat)
        ways = await self._ways(seat, wanted)
        looks_ahead = "prefetch" in request.headers.get("sec-purpose", "")
        if not said and not ways and wanted.needs.assurance and not looks_ahead:
            return await self._leave(request, seat, ticket, wanted)
        return self._page(seat, ticket, wanted, ways, said)

    async def _ways(self, seat: Seat, wanted: Wanted) -> set[str]:
        """The proofs of the session's own that would do and that this clinician may have here."""
        ways = set(wanted.needs.local)
        if PIN in ways and not await self._locks.has_pin(seat):
            ways.discard(PIN)
        if PASSKEY in ways and not await self._locks.passkeys(seat):
            ways.discard(PASSKEY)
        return ways

    def _page(self, seat: Seat, ticket: str, wanted: Wanted, ways: set[str], said: str) -> Response:
        return self._renderer.page(
            "step_up.html",
            403 if said else 200,
            name=seat.shift.principal.name,
            says=wanted.says,
            said=_said(said),
            reason=said if said in REASONS or said in DEVICE_REASONS else "",
            ticket=ticket,
            passkey=PASSKEY in ways,
            pin=PIN in ways,
            sign_on=bool(wanted.needs.assurance),
            stronger=self._stronger(seat, wanted),
            minutes=round(self._steps.lasts / 60),
            back=wanted.back,
        )

    def _over(self) -> Response:
        return self._renderer.page(
            "message.html", 404, title="That was too long ago", lead="Nothing was raised, and nothing was sent.",
            helps=["Open the page that you wanted again."], facts=[], kind="failure", link=("/", "Back to all systems"),
            top=False,
        )  # fmt: skip

    def _stronger(self, seat: Seat, wanted: Wanted) -> bool:
        return wanted.needs.assurance > seat.shift.principal.assurance

    # Proved at the provider

    async def fresh(self, request: Request, seat: Seat, back: str, needs: StepUp | None = None) -> Response:
        """A page of ours wants to know that it is still them, in this session: as they signed on, or by what it `needs`."""
        needs = needs or StepUp(seat.shift.principal.assurance)
        wanted = Wanted(seat.session.id, needs, back, about={"page": back.partition("?")[0]})
        ticket = await self._steps.ask(wanted)
        if needs.assurance and not await self._ways(seat, wanted):
            return await self._leave(request, seat, ticket, wanted)
        return self._renderer.redirect(Bounce(_at(ticket)))

    async def sign_on(self, request: Request) -> Response:
        """POST: leave for the provider."""
        seat = await self._visitors.seat(request)
        ticket = (await form_of(request)).get("ticket", "")
        wanted = await self._steps.asked(ticket, seat) if seat else None
        if seat is None or wanted is None or not wanted.needs.assurance:
            return self._over()
        return await self._leave(request, seat, ticket, wanted)

    async def _leave(self, request: Request, seat: Seat, ticket: str, wanted: Wanted) -> Response:
        """It is to ask this clinician, now, for as much as is needed and no more."""
        if (
            seat.shift.emergency
        ):  # what no provider has confirmed is not raised: another shift begins, on the same device
            return self._renderer.redirect(Bounce(f"/sign-on?next={wanted.back}"))
        known, needed = seat.shift.principal, self._steps.assurance(seat, wanted)
        asked = least_acr(needed, known.assurance, self._acr_values.usual, self._acr_values.stronger)
        try:
            return await self._leaving.leave(
                request, _at(ticket), acr_values=asked, fresh=True, subject=known.subject, step_up=ticket
            )
        except ProviderAway as error:
            return self._renderer.redirect(Bounce(_at(ticket, error.reason)))

    async def proved(
        self, request: Request, pending: PendingSignOn, signed_on: SignedOn, seat: Seat | None, name: bytes
    ) -> Response:
        """The provider has said who is there. `name`: the cookie of the sign-on that was under way."""
        wanted = await self._steps.asked(pending.step_up, seat) if seat else None
        if seat is None or wanted is None:  # signed off, or on, in another tab meanwhile
            return self._renderer.redirect(Bounce("/", (cookies.expired(name),)))
        try:
            await self._steps.by_sign_on(seat, wanted, signed_on, self._visitors.source(request))
        except SignOnRefused as error:
            return await self.failed(request, pending, error)
        return await self._onward(seat, pending.step_up, wanted, name)

    async def failed(self, request: Request, pending: PendingSignOn, error: SignOnError) -> Response:
        """Told on the page that asked. Where somebody else is at this browser, the session is locked from them."""
        done = (cookies.expired(binding_name(pending.state)),)
        seat = await self._visitors.seat(request)
        wanted = await self._steps.asked(pending.step_up, seat) if seat else None
        if seat is not None and wanted is not None:
            await self._steps.failed(seat, wanted, error.reason, self._visitors.source(request))
            if error.reason == OTHER_PERSON:
                await self._locks.lock(seat, OTHER_PERSON)
                return self._renderer.redirect(Bounce(unlock_at(_at(pending.step_up)), done))
        return self._renderer.redirect(Bounce(_at(pending.step_up, error.reason), done))

    # Proved here

    async def by_pin(self, request: Request) -> Response:
        """POST: where a PIN does, on an enrolled device."""
        form = await form_of(request)
        seat, ticket = await self._visitors.seat(request), form.get("ticket", "")
        wanted = await self._steps.asked(ticket, seat) if seat else None
        if seat is None or wanted is None or PIN not in await self._ways(seat, wanted):
            return self._over()
        try:
            here = await self._visitors.at(request, form, seat, ProofFor.UNLOCK)
        except DeviceRefused as refused:
            await self._steps.failed(seat, wanted, refused.reason, self._visitors.source(request))
            return self._renderer.redirect(Bounce(_at(ticket, refused.reason)))
        tried = await self._locks.try_pin(seat, form.get("pin", ""), here=here, why=wanted.journalled)
        if tried is Tried.UNLOCKED:
            return await self._onward(seat, ticket, wanted)
        if tried is Tried.ENDED:
            gone = (cookies.expired(cookies.SESSION), cookies.given(ANEW, "1", max_age=ANEW_LIFE))
            return self._renderer.redirect(Bounce("/sign-on", gone))
        return self._renderer.redirect(Bounce(_at(ticket, f"pin-{tried.value}")))

    async def by_passkey(self, seat: Seat, ticket: str) -> Wanted | None:
        """What a passkey would be given for; None where none does."""
        wanted = await self._steps.asked(ticket, seat)
        return wanted if wanted is not None and PASSKEY in wanted.needs.local else None

    async def onward(self, seat: Seat, ticket: str, wanted: Wanted) -> Bounce:
        """Back to what was refused, in the same session under other cookies: those from before may have been seen."""
        await self._steps.given(ticket)
        token = await self._sessions.renew_cookies(seat)
        return Bounce(wanted.back, (cookies.given(cookies.SESSION, token),))

    async def _onward(self, seat: Seat, ticket: str, wanted: Wanted, name: bytes | None = None) -> Response:
        bounce = await self.onward(seat, ticket, wanted)
        done = (cookies.expired(name),) if name else ()
        return self._renderer.redirect(Bounce(bounce.location, (*bounce.headers, *done)))


def _said(reason: str) -> str:
    if reason in DEVICE_REASONS:
        return _UNPROVED
    return _SAID.get(reason, _UNUSABLE) if reason else ""


def _at(ticket: str, said: str = "") -> str:
    return f"/step-up?ticket={ticket}" + (f"&said={said}" if said else "")
