"""A badge at a shared device: it selects a clinician, and their PIN proves. And the page where a clinician registers one.

Whatever is tapped, the same page asks for the PIN, names nobody and changes nothing; whoever was here before is switched from
only once somebody else has proved to be there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import Response

from policies.model import Ownership
from sso.badge import MOST, BadgeRefused, Holder
from sso.device import Enrolment, ProofFor
from sso.errors import DeviceRefused
from sso.session import BY_CLINICIAN, PIN, new_token, token_hash

from ..audit.event import AuditEvent, EventType
from ..audit.journal import Journal
from ..badges import Badges
from ..edge.origins import Bounce
from ..edge.pace import Pace
from ..locks import Locks, Tried
from ..session_events import seated_event
from ..sessions import Seat, Sessions
from ..stores.base import Store
from .bodies import form_of
from .paths import own_path
from .render import Renderer, sentence, when
from .seating import seated_cookies
from .signon import SignOn
from .switching import Switching
from .visitors import Visitors

_LIFE = 120.0  # seconds from the badge to the PIN
_SAID = {
    Tried.WRONG: "That badge and that PIN do not go together.",
    Tried.LIMITED: "Too many PINs were tried. Sign on instead; badges work again in an hour.",
}


@dataclass(frozen=True, slots=True)
class _Tap:
    """What was selected, kept until the PIN comes: at which device, by which mark of the number, and whose it is."""

    device: str
    mark: str
    holder: Holder | None

    @classmethod
    def from_json(cls, data: bytes) -> _Tap:
        fields = json.loads(data)
        holder = fields.pop("holder")
        return cls(holder=Holder(*holder) if holder else None, **fields)


class BadgePages:
    def __init__(
        self,
        public_host: str,
        badges: Badges,
        visitors: Visitors,
        sessions: Sessions,
        locks: Locks,
        switching: Switching,
        sign_on: SignOn,
        store: Store,
        journal: Journal,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._public_host = public_host
        self._badges = badges
        self._visitors = visitors
        self._sessions = sessions
        self._locks = locks
        self._switching = switching
        self._sign_on = sign_on
        self._store = store
        self._journal = journal
        self._renderer = renderer
        self._now = now
        self._taps = Pace(30, 60.0)  # at each device

    # At a shared device

    async def tap(self, request: Request) -> Response:
        """POST: whatever was tapped, the question for a PIN. A session that is open in this browser is locked."""
        form = await form_of(request)
        here = await self._here(request, form)
        if not isinstance(here, Enrolment):
            return here
        if not self._taps.allows(here.id, self._now()):
            return self._message("Too many badges", "Wait a minute, then tap again.", 429)
        if (seat := await self._visitors.seat(request)) is not None:
            await self._locks.lock(seat, BY_CLINICIAN)
        typed = form.get("badge", "")
        tap = _Tap(here.id, self._badges.marks(typed)[0], await self._badges.whose(typed))
        token = new_token()
        await self._store.put_code("badge", token, json.dumps(asdict(tap)).encode(), self._now() + _LIFE)
        return self._ask(token, own_path(form.get("next", "/")))

    def _ask(self, token: str, back: str, said: str = "") -> Response:
        return self._renderer.page("badge_pin.html", 403 if said else 200, tap=token, back=back, said=said)

    async def prove(self, request: Request) -> Response:
        """POST: the PIN of whoever tapped."""
        form = await form_of(request)
        here = await self._here(request, form)
        if not isinstance(here, Enrolment):
            return here
        token, back = form.get("tap", ""), own_path(form.get("next", "/"))
        kept = await self._store.read_code("badge", token, self._now()) if 0 < len(token) < 64 else None
        if kept is None or (tap := _Tap.from_json(kept)).device != here.id:
            return self._message("Tap your badge again", "That took longer than two minutes.", 403)
        tried = await self._locks.try_pin_of(tap.holder, tap.mark, form.get("pin", ""), here.id)
        if tap.holder is None or tried is not Tried.UNLOCKED:
            await self._failed(request, tap.holder, here, tried)
            return self._ask(token, back, _SAID[tried])
        if await self._store.take_code("badge", token, self._now()) is None:
            return self._message("Tap your badge again", "This tap was used already.", 403)
        return await self._proved(request, tap.holder, here.id, back)

    async def _proved(self, request: Request, holder: Holder, here: str, back: str) -> Response:
        """To the session that they left here, else to a new one in the shift that they have, else to the provider."""
        held = await self._visitors.held(request)
        if held is not None and _of(held) == holder:
            turn = held.session.turn
            await self._locks.unlock(held, PIN, self._now(), turn=turn, here=here)
            return self._renderer.redirect(Bounce(back))  # which leads to the lock again where it did not hold
        desk = self._switching.marked(tuple(request.scope["headers"]))
        left = await self._locks.left_by(token_hash(desk), *holder) if desk else []
        # A shift that began without the provider is joined by nobody.
        seats = [seat for seat in await self._sessions.of_person(*holder) if not seat.shift.emergency]
        one_shift = len({seat.shift.id for seat in seats}) == 1  # else the clinician chooses the role, at the provider
        if not left and not one_shift:
            return await self._sign_on.again(request, "/" if held else back, device=here)
        mark, entered = await self._cleared(request, held, back)
        back = "/" if held else back
        own, token = None, ""
        if left:
            own, place = left[0], left[0].session.left
            token = await self._resumed(own, here)
            back = place if back == "/" and place else back
        if own is None or not token:
            if not one_shift:
                return await self._sign_on.again(request, back, device=here)
            own, token = await self._joined(request, max(seats, key=_last_seen), here, follows=bool(desk or held))
        marks = self._switching.cookies(mark) if mark else ()
        onward = await self._switching.by_way_of(entered, back)
        return self._renderer.redirect(Bounce(onward, (*seated_cookies(own, token), *marks)))

    async def _cleared(self, request: Request, held: Seat | None, back: str) -> tuple[str, tuple[str, ...]]:
        """Whoever was here is switched from: this browser's mark, and the hosts that they had entered."""
        if held is None:
            return "", ()
        mark = self._switching.mark(tuple(request.scope["headers"]))
        await self._switching.away(held, mark, back)
        return mark, held.session.hosts

    async def _resumed(self, own: Seat, here: str) -> str:
        """A cookie's value for the session that was left; "" where it is over by now, or on another device than this one."""
        if not await self._locks.unlock(own, PIN, self._now(), turn=own.session.turn, here=here, follows=True):
            return ""
        return await self._sessions.token(own, self._public_host)

    async def _joined(self, request: Request, giver: Seat, here: str, *, follows: bool) -> tuple[Seat, str]:
        """A session on this device in the shift that the clinician has elsewhere."""
        device, idle = await self._visitors.device(request, here, giver.shift.principal)
        seat, token = await self._sessions.join(
            giver, device, self._public_host, idle=idle, previous=None, follows=follows
        )
        await self._sessions.proved(seat.session, PIN, self._now())
        await self._journal.record(seated_event(self._now(), seat, self._visitors.source(request), by="badge"))
        await self._locks.follow(seat)
        return seat, token

    async def _failed(self, request: Request, holder: Holder | None, here: Enrolment, tried: Tried) -> None:
        who = {"issuer": holder.issuer, "subject": holder.subject} if holder else {}
        where = {"device_id": here.id, "device_name": here.name, "source": self._visitors.source(request)}
        fields = {"reason": f"pin-{tried.value}", "by": "badge", **who, **where}
        await self._journal.record(AuditEvent(EventType.LOGIN_FAILED, self._now(), fields))

    async def _here(self, request: Request, form: dict[str, str]) -> Enrolment | Response:
        """The shared enrolled device that this comes from, proved just now, else why badges do nothing here."""
        try:
            here = await self._visitors.here(request, form, ProofFor.UNLOCK)
        except DeviceRefused as refused:
            self._journal.reject(self._visitors.source(request), refused.reason)
            return self._message("A badge does nothing here", sentence(refused), 403)
        if here is None or here.enrolment.ownership is not Ownership.SHARED:
            self._journal.reject(self._visitors.source(request), "device-unproved")
            says = "This browser did not show that it is one of the ward's shared devices."
            return self._message("A badge does nothing here", says, 403)
        return here.enrolment

    # One's own badges

    async def page(self, request: Request) -> Response:
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on?next=/shift/badge"))
        return await self._page(seat)

    async def _page(self, seat: Seat, *, said: str = "") -> Response:
        own = [
            {
                "id": badge.id,
                "since": when(badge.registered),
            }
            for badge in await self._badges.of(_of(seat))
        ]
        name, fresh = seat.shift.principal.name, self._may_register(seat)
        return self._renderer.page(
            "badge.html", 422 if said else 200, name=name, fresh=fresh, own=own, more=len(own) < MOST, said=said
        )

    def _may_register(self, seat: Seat) -> bool:
        return seat.proof_fresh(self._now()) and not seat.shift.emergency

    async def register(self, request: Request) -> Response:
        """POST: by whoever has proved to be there within the last five minutes."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        if not self._may_register(seat):
            return self._renderer.redirect(Bounce("/shift/badge"))
        typed = (await form_of(request)).get("badge", "")
        try:
            await self._badges.register(_of(seat), typed, by="clinician", session=seat.session.id)
        except BadgeRefused as refused:
            return await self._page(seat, said=sentence(refused))
        self._sessions.touch(seat)
        return self._renderer.redirect(Bounce("/shift/badge"))

    async def forget(self, request: Request) -> Response:
        """POST: one of one's own is lost."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        wanted = (await form_of(request)).get("id", "")
        await self._badges.forget(_of(seat), wanted, by="clinician", session=seat.session.id)
        return self._renderer.redirect(Bounce("/shift/badge"))

    def _message(self, title: str, lead: str, status: int) -> Response:
        return self._renderer.page(
            "message.html", status, title=title, lead=lead, helps=[], facts=[], kind="failure", link=("/unlock", "Go on"),
            top=False,
        )  # fmt: skip


def _of(seat: Seat) -> Holder:
    return Holder(seat.shift.principal.issuer, seat.shift.principal.subject)


def _last_seen(seat: Seat) -> float:
    return seat.session.last_seen
