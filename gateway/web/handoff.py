"""Hand-off pages: a new device asks with a code, the signed-on one says yes, and the new one proves that it is the one meant."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from policies.decision import StepUp
from sso.device import ProofFor
from sso.errors import DeviceRefused
from sso.handoff import ASKING_LIFE, GIVING_LIFE, Asking, Giving, new_code, plain, shown
from sso.session import PASSKEY, new_token, token_hash

from ..audit.event import EventType
from ..audit.journal import Journal
from ..edge import cookies
from ..edge.origins import Bounce
from ..edge.pace import Pace
from ..locks import Locks, Tried
from ..session_events import session_event
from ..sessions import Seat, Sessions
from ..stores.base import Store
from .bodies import form_of
from .qr import qr_code
from .render import Renderer, sentence
from .seating import Seating, seated_cookies
from .signon import SignOn
from .step_up import StepUpPages
from .visitors import Visitors

_SAID = {
    Tried.WRONG: "That is not your PIN. After five wrong ones this session ends.",
    Tried.LIMITED: "Too many PINs were tried for you. Prove it by signing on instead.",
}
ASKER = b"__Host-lanyard-handoff"  # the asking browser's own secret: the answer is for it alone


class HandOff:
    def __init__(
        self,
        public_url: str,
        visitors: Visitors,
        sessions: Sessions,
        store: Store,
        seating: Seating,
        journal: Journal,
        renderer: Renderer,
        now: Callable[[], float],
        locks: Locks,
        sign_on: SignOn,
        step_up: StepUpPages,
    ) -> None:
        self._public_url = public_url
        self._visitors = visitors
        self._sessions = sessions
        self._store = store
        self._seating = seating
        self._journal = journal
        self._renderer = renderer
        self._now = now
        self._locks = locks
        self._sign_on = sign_on
        self._step_up = step_up
        self._asks, self._typed = Pace(12, 60.0), Pace(10, 60.0)  # for each address, and for each signed-on session

    # At the new device

    async def ask(self, request: Request) -> Response:
        """POST: a code to show, and a page that waits for the answer to it."""
        source = self._visitors.source(request)
        if not self._asks.allows(source, self._now()):
            return self._message("Too many codes", "Wait a minute, then ask again.", 429)
        device = self._visitors.unproved(request)
        try:
            here = await self._visitors.here(request, await form_of(request), ProofFor.HAND_OFF)
        except DeviceRefused as refused:
            return self._not_this_device(request, refused)
        secret, code = new_token(), new_code()
        asking = Asking(
            token_hash(secret),
            here.enrolment.name if here else device.device_class.value.capitalize(),
            here.enrolment.id if here else "",
            device.zone,
            source,
            self._now(),
        )
        await self._store.put_code("handoff", code, asking.to_json(), self._now() + ASKING_LIFE)
        page = self._renderer.page(
            "handoff_ask.html", code=shown(code), picture=qr_code(f"{self._public_url}/handoff/give?code={code}")
        )
        page.raw_headers.append(cookies.given(ASKER, secret, max_age=int(ASKING_LIFE + GIVING_LIFE)))
        return page

    async def waiting(self, request: Request) -> Response:
        """Whether the answer has come, for the script of the page that waits."""
        return JSONResponse({"answered": await self._given(request) is not None}, headers={"cache-control": "no-store"})

    async def answer(self, request: Request) -> Response:
        """Whose shift it is, and the question for the number."""
        giving = await self._given(request)
        if giving is None:
            return self._message("No answer yet", "Nobody has said yes to this device, or too long ago.", 404)
        if giving.refused:
            return self._message("It was refused", "Whoever was asked said that this is not their device.", 403)
        return self._renderer.page("handoff_take.html", name=giving.name)

    async def take(self, request: Request) -> Response:
        """POST: the number, once. A wrong one ends it: a second guess would be somebody else's first.

        It is for the device that was named when it was said yes to. Another one, or the same without its proof, uses nothing up.
        """
        form = await form_of(request)
        try:
            here = await self._visitors.here(request, form, ProofFor.HAND_OFF)
        except DeviceRefused as refused:
            return self._not_this_device(request, refused)
        device, asked_for = here.enrolment.id if here else "", await self._given(request)
        if asked_for is not None and asked_for.device != device:
            self._journal.reject(self._visitors.source(request), "device-unproved")
            return self._message(
                "This is another device", "This browser did not show that it is the one that asked.", 403
            )
        secret = cookies.cookie(tuple(request.scope["headers"]), ASKER)
        kept = await self._store.take_code("handoff-given", token_hash(secret), self._now()) if secret else None
        giving = Giving.from_json(kept) if kept else Giving.refusal()
        giver = await self._sessions.seat_of(giving.session) if giving.session else None
        if giver is None:
            return self._message("It is over", "The code is too old, or whoever gave it has signed off.", 403)
        if not giving.matches(form.get("number", "")):
            await self._say(EventType.HANDOFF_REFUSED, giver, reason="wrong-number")
            return self._message("That was not the number", "For safety there is one try. Begin again.", 403)
        return await self._seated(request, giver, giving.device)

    async def _seated(self, request: Request, giver: Seat, proved: str) -> Response:
        try:
            device, idle = await self._visitors.device(request, proved, giver.shift.principal)
        except DeviceRefused as refused:
            await self._say(EventType.HANDOFF_REFUSED, giver, reason=refused.reason)
            return self._message("This device is not let in", sentence(refused), 403)
        seat, fresh, back = await self._seating.handed(request, giver, device, idle)
        await self._say(EventType.HANDOFF_ACCEPTED, giver, seated=seat.session.id)
        return self._renderer.redirect(Bounce(back, (*seated_cookies(seat, fresh), cookies.expired(ASKER))))

    def _not_this_device(self, request: Request, refused: DeviceRefused) -> Response:
        """A revoked device takes nobody's shift. One that cannot prove itself is told why, and may ask as an unknown one."""
        self._journal.reject(self._visitors.source(request), refused.reason)
        if refused.reason == "device-revoked":
            return self._message("This device is not let in", sentence(refused), 403)
        return self._renderer.redirect(Bounce(f"/sign-on?device={refused.reason}"))

    async def _given(self, request: Request) -> Giving | None:
        secret = cookies.cookie(tuple(request.scope["headers"]), ASKER)
        if not secret:
            return None
        kept = await self._store.read_code("handoff-given", token_hash(secret), self._now())
        return Giving.from_json(kept) if kept else None

    # At the device that is signed on

    async def give(self, request: Request) -> Response:
        """The question for the code; from a scan it is there already."""
        code = plain(request.query_params.get("code", ""))
        return await self._for_seat(request, lambda seat: self._asked_for(seat, code))

    async def _asked_for(self, seat: Seat, code: str, wrong: str = "") -> Response:
        return self._renderer.page(
            "handoff_give.html", 200 if not wrong else 422, code=shown(code) if code else "", wrong=wrong
        )

    async def look(self, request: Request) -> Response:
        """POST: which device asks. From here on the code is this shift's, and nobody else's."""
        typed = plain((await form_of(request)).get("code", ""))
        return await self._for_seat(request, lambda seat: self._look(seat, typed))

    async def _look(self, seat: Seat, code: str) -> Response:
        if not self._typed.allows(seat.session.id, self._now()):
            return self._message("Too many codes", "Wait a minute, then type the code again.", 429)
        kept = await self._store.take_code("handoff", code, self._now()) if code else None
        if kept is None:
            return await self._asked_for(
                seat, "", "There is no such code, or it is older than a minute. Ask for a new one."
            )
        claimed = json.dumps({"shift": seat.shift.id, "asking": kept.decode()}).encode()
        await self._store.put_code("handoff-claimed", code, claimed, self._now() + GIVING_LIFE)
        asking = Asking.from_json(kept)
        await self._say(EventType.HANDOFF_ASKED, seat, device=asking.device, zone=asking.where, source=asking.source)
        return self._show(seat, code, asking)

    async def claimed(self, request: Request) -> Response:
        """The same page again, after a proof."""
        code = plain(request.query_params.get("code", ""))

        return await self._for_seat(request, lambda seat: self._claimed(seat, code))

    async def _claimed(self, seat: Seat, code: str, *, said: str = "", unproved: bool = False) -> Response:
        kept = await self._store.read_code("handoff-claimed", code, self._now()) if code else None
        asking = _asking(kept, seat)
        if asking is None:
            return await self._asked_for(seat, "")
        return self._show(seat, code, asking, said=said, unproved=unproved)

    def _show(self, seat: Seat, code: str, asking: Asking, *, said: str = "", unproved: bool = False) -> Response:
        return self._renderer.page(
            "handoff_confirm.html",
            403 if said or unproved else 200,
            asking=asking,
            code=code,
            fresh=seat.proof_fresh(self._now()),
            pin=bool(seat.session.device.id),
            said=said,
            unproved=seat.session.device.name if unproved else "",
            name=seat.shift.principal.name,
        )

    async def confirm(self, request: Request) -> Response:
        """POST: yes, with a fresh proof and from the device that the session is on, or no."""
        form = await form_of(request)
        return await self._for_seat(request, lambda seat: self._confirm(request, seat, form))

    async def _confirm(self, request: Request, seat: Seat, form: dict[str, str]) -> Response:
        """`yes`, by a proof of the last minutes or a PIN; `sign-on`: first a proof by the provider; all else is no."""
        code, answer = plain(form.get("code", "")), form.get("answer", "")
        if answer not in ("yes", "sign-on"):
            return await self._answered(seat, code, yes=False)
        here = ""
        try:
            here = await self._visitors.at(request, form, seat, ProofFor.HAND_OFF)
        except DeviceRefused as refused:
            if answer == "yes":
                await self._say(EventType.HANDOFF_REFUSED, seat, reason=refused.reason)
                return await self._claimed(seat, code, unproved=True)
        if answer == "yes" and form.get("pin") and not seat.proof_fresh(self._now()):
            tried = await self._locks.try_pin(seat, form["pin"], here=here)
            if tried is Tried.ENDED:
                return self._renderer.redirect(Bounce("/sign-on"))
            if tried is not Tried.UNLOCKED:
                return await self._claimed(seat, code, said=_SAID[tried])
        if answer == "sign-on" or not seat.proof_fresh(self._now()):
            back = f"/handoff/claimed?code={code}"
            if seat.session.device.id and not here:  # its key is gone: another session, on a device that is not known
                return await self._sign_on.again(request, back)
            return await self._step_up.fresh(request, seat, back, StepUp(seat.shift.principal.assurance, (PASSKEY,)))
        return await self._answered(seat, code, yes=True)

    async def _answered(self, seat: Seat, code: str, *, yes: bool) -> Response:
        kept = await self._store.take_code("handoff-claimed", code, self._now()) if code else None
        asking = _asking(kept, seat)
        if asking is None:
            return self._message("It is over", "The code is too old. Ask for a new one at the other device.", 403)
        giving = Giving.of(seat.session.id, seat.shift.principal.name, asking.enrolled) if yes else Giving.refusal()
        await self._store.put_code("handoff-given", asking.browser, giving.to_json(), self._now() + GIVING_LIFE)
        if not yes:
            await self._say(EventType.HANDOFF_REFUSED, seat, reason="not-my-device", source=asking.source)
            return self._message(
                "Refused", "That device was not let in. Tell security if you did not ask for this.", 200
            )
        return self._renderer.page("handoff_number.html", number=giving.number, asking=asking)

    async def _for_seat(self, request: Request, show: Callable[[Seat], Awaitable[Response]]) -> Response:
        seat = await self._visitors.seat(request)
        if seat is None:
            code = plain(request.query_params.get("code", ""))
            back = f"/handoff/give?code={code}" if code else "/handoff/give"
            return self._renderer.redirect(Bounce(f"/sign-on?next={back}"))
        if seat.shift.emergency:
            lead = (
                "You signed on in an emergency, which is for this device alone. Sign on at the other device by itself."
            )
            return self._message("This shift stays here", lead, 403)
        self._sessions.touch(seat)
        return await show(seat)

    async def _say(self, kind: EventType, seat: Seat, **fields: object) -> None:
        await self._journal.record(session_event(kind, self._now(), seat, **fields))

    def _message(self, title: str, lead: str, status: int) -> Response:
        return self._renderer.page(
            "message.html", status, title=title, lead=lead, helps=[], facts=[], kind="failure" if status >= 400 else "",
            link=("/", "Go on"), top=False,
        )  # fmt: skip


def _asking(claimed: bytes | None, seat: Seat) -> Asking | None:
    """What was claimed for this shift; None for nothing, or another's."""
    kept = json.loads(claimed) if claimed else {"shift": ""}
    return Asking.from_json(kept["asking"].encode()) if kept["shift"] == seat.shift.id else None
