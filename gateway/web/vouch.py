"""Vouching: a signed-on senior says who a colleague is, by login name, and gets a number for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from policies.decision import Decision, Deny
from sso.device import ProofFor
from sso.errors import DeviceRefused
from sso.handoff import shown
from sso.last_sign_on import LastSignOn, plain_name

from ..edge.origins import Bounce
from ..edge.pace import Pace
from ..locks import Locks, Tried
from ..sessions import Seat, Sessions
from ..stores.base import Store
from ..vouching import LIFE, Vouching
from .bodies import form_of
from .render import Renderer, sentence
from .step_up import StepUpPages
from .visitors import Visitors

_UNKNOWN = (
    "Nobody of that login name has signed on here lately. Whoever is new here signs on with the sign-on service once: "
    "their name and role are known from there and from nowhere else."
)
_SELF = "Nobody vouches for themselves."
_SAID = {
    Tried.WRONG: "That is not your PIN. After five wrong ones this session ends.",
    Tried.LIMITED: "Too many PINs were tried for you. Prove it by signing on instead.",
}


class VouchPages:
    def __init__(
        self,
        vouching: Vouching,
        store: Store,
        visitors: Visitors,
        sessions: Sessions,
        locks: Locks,
        step_up: StepUpPages,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._vouching = vouching
        self._store = store
        self._visitors = visitors
        self._sessions = sessions
        self._locks = locks
        self._step_up = step_up
        self._renderer = renderer
        self._now = now
        self._typed = Pace(10, 60.0)  # names, for each signed-on session

    async def page(self, request: Request) -> Response:
        async def show(seat: Seat) -> Response:
            return self._ask()

        return await self._for_senior(request, show)

    def _ask(self, said: str = "") -> Response:
        return self._renderer.page("vouch.html", 422 if said else 200, said=said)

    async def look(self, request: Request) -> Response:
        """POST: whom this name means."""
        form = await form_of(request)

        async def show(seat: Seat) -> Response:
            if not self._typed.allows(seat.session.id, self._now()):
                return self._ask("Too many names. Wait a minute, then type it again.")
            found = await self._colleague(seat, form.get("who", ""))
            return self._ask(found) if isinstance(found, str) else self._confirm(seat, form["who"], found)

        return await self._for_senior(request, show)

    def _confirm(self, seat: Seat, who: str, record: LastSignOn, said: str = "") -> Response:
        p = record.principal
        return self._renderer.page(
            "vouch_confirm.html",
            403 if said else 200,
            who=who,
            name=p.name,
            roles=", ".join(sorted(role.replace("-", " ") for role in p.roles)),
            since=f"{datetime.fromtimestamp(record.at).astimezone():%d %B, %H:%M}",
            fresh=seat.proof_fresh(self._now()),
            pin=bool(seat.session.device.id),
            said=said,
        )

    async def yes(self, request: Request) -> Response:
        """POST: yes, with a proof of the last minutes, or a PIN that is one."""
        form = await form_of(request)

        async def show(seat: Seat) -> Response:
            return await self._yes(request, seat, form)

        return await self._for_senior(request, show)

    async def _yes(self, request: Request, seat: Seat, form: dict[str, str]) -> Response:
        who, pin = form.get("who", ""), form.get("pin", "")
        record = await self._colleague(seat, who)
        if isinstance(record, str):
            return self._ask(record)
        try:
            here = await self._visitors.at(request, form, seat, ProofFor.VOUCH)
        except DeviceRefused as refused:
            return self._confirm(seat, who, record, sentence(refused))
        if pin and not seat.proof_fresh(self._now()):
            tried = await self._locks.try_pin(seat, pin, here=here)
            if tried is Tried.ENDED:
                return self._renderer.redirect(Bounce("/sign-on"))
            if tried is not Tried.UNLOCKED:
                return self._confirm(seat, who, record, _SAID[tried])
        if isinstance(decision := self._vouching.may(seat), Deny):
            if decision.step_up is not None:
                return await self._step_up.fresh(request, seat, "/vouch", decision.step_up)
            return self._refused(decision)
        code = await self._vouching.given(seat, record)
        name = record.principal.name
        return self._renderer.page("vouch_number.html", number=shown(code), name=name, minutes=round(LIFE / 60))

    async def _colleague(self, seat: Seat, who: str) -> LastSignOn | str:
        """Whom this name means, or why nobody."""
        name, own = plain_name(who), seat.shift.principal
        record = await self._store.last_sign_on_named(name) if name else None
        if record is None:
            return _UNKNOWN
        known = record.principal
        return _SELF if (known.issuer, known.subject) == (own.issuer, own.subject) else record

    async def _for_senior(self, request: Request, show: Callable[[Seat], Awaitable[Response]]) -> Response:
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on?next=/vouch"))
        decision = self._vouching.may(seat, freshly=True)
        if isinstance(decision, Deny):
            return self._refused(decision)
        self._sessions.touch(seat)
        return await show(seat)

    def _refused(self, decision: Decision) -> Response:
        assert isinstance(decision, Deny)
        own = decision.reason.code != "no-permit"
        return self._renderer.page(
            "message.html",
            403,
            title="You may not vouch for others",
            lead=sentence(decision.reason.text) if own else "Your role does not let you vouch for a colleague.",
            helps=["Ask whoever leads the shift."],
            facts=[("Reason", decision.reason.code)],
            kind="refusal",
            link=("/", "Go on"),
            top=False,
        )
