"""Sign-on pages of the main host, and whether what was claimed at sign-on is still true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import Response

from policies.model import Ownership, Principal
from sso.errors import DEVICE_REASONS, DeviceRefused, InteractionNeeded, ProviderAway, SignOnError, SignOnRefused
from sso.provider import Callback, IdentityProvider, PendingSignOn, SignedOn, not_under_way
from sso.session import token_hash
from sso.shift import VOUCHED, Shift

from ..audit.event import AuditEvent, EventType
from ..audit.journal import Journal
from ..devices import Here
from ..edge import cookies
from ..edge.origins import Bounce
from ..emergency import Emergency
from ..errors import fault_for
from ..leases import Leases
from ..metrics import Metrics
from ..presence import Presence
from ..session_events import shift_event
from ..sessions import Seat, Sessions
from ..stores.base import Store
from .bodies import form_of
from .leaving import Leaving, binding_name
from .paths import own_path
from .places import Places
from .render import Renderer, sentence
from .seating import Seating
from .signoff import ANEW, SignOff
from .step_up import StepUpPages
from .visitors import Visitors, session_token

_AGAIN_AFTER = 30.0  # seconds before a provider that was away is asked again
_AT_ONCE, _PATIENCE = 3, 1.0  # sign-ons that are written at once in one worker; seconds that one waits for that
_MOST_WAITING = 10_000  # shifts that it was away for, before those that are over are forgotten


@dataclass(frozen=True, slots=True)
class SignOnSettings:
    acr_values: tuple[str, ...]
    recheck: float  # seconds
    grace: float | None  # seconds that a shift goes on while the provider is away; None: to its end
    badges: bool = False  # whether readers are in use


class SignOn:
    def __init__(
        self,
        settings: SignOnSettings,
        provider: IdentityProvider,
        sessions: Sessions,
        store: Store,
        journal: Journal,
        visitors: Visitors,
        renderer: Renderer,
        metrics: Metrics,
        now: Callable[[], float],
        sign_off: SignOff,
        seating: Seating,
        presence: Presence,
        emergency: Emergency,
        leaving: Leaving,
        step_up: StepUpPages,
        leases: Leases,
    ) -> None:
        self._leases = leases
        self._settings = settings
        self._provider = provider
        self._sessions = sessions
        self._store = store
        self._journal = journal
        self._visitors = visitors
        self._renderer = renderer
        self._metrics = metrics
        self._now = now
        self._sign_off = sign_off
        self._seating = seating
        self._leaving = leaving
        self._step_up = step_up
        self._rechecking: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}
        self._presence = presence
        self._emergency = emergency
        self._places = Places(_AT_ONCE, _PATIENCE)

    def stale(self, shift: Shift) -> bool:
        """Whether the claims are due to be asked for again."""
        return self._now() - shift.checked >= self._settings.recheck

    # Sign-on

    async def page(self, request: Request) -> Response:
        """Where somebody without a session lands."""
        back = own_path(request.query_params.get("next", "/"))
        reason = request.query_params.get("device", "")
        unproved = reason if reason in DEVICE_REASONS else ""
        away, emergency = self._presence.away, self._emergency.enabled
        shown = await self._visitors.shown(request) if self._settings.badges else None
        return self._renderer.page(
            "signon.html",
            503 if away else 200,
            back=back,
            anew=await self._anew(request),
            unproved=unproved,
            away=away,
            emergency=emergency,
            badges=self._settings.badges and not unproved and (shown is None or shown.ownership is Ownership.SHARED),
            keyed=shown is None,
        )

    async def start(self, request: Request) -> Response:
        """Leave for the provider. By POST a page's script adds the proof of the device that it is on."""
        asked = await form_of(request) if request.method == "POST" else request.query_params
        back = own_path(asked.get("next", "/"))
        if asked.get("proof") == "fresh" and (seat := await self._visitors.seat(request)) is not None:
            return await self._step_up.fresh(request, seat, back)
        try:
            here = await self._visitors.here(request, asked if request.method == "POST" else {})
        except DeviceRefused as refused:
            return await self.not_this_device(request, refused, back)
        if await self._presence.look():  # nobody is sent where nothing answers
            return self._renderer.redirect(
                Bounce("/sign-on" if back == "/" else f"/sign-on?next={quote(back, safe='')}")
            )
        fresh, device = await self._anew(request, here), here.enrolment.id if here else ""
        return await self._leaving.leave(
            request, back, acr_values=self._settings.acr_values, fresh=fresh, device=device
        )

    async def not_this_device(self, request: Request, refused: DeviceRefused, back: str) -> Response:
        """A revoked device signs nobody on. One that cannot prove itself is told why, and signs on as an unknown one."""
        if refused.reason == "device-revoked":
            remedy = "Use another device. If this one is still in use, ask for a new link and enrol it again."
            return await self._refused(request, SignOnRefused(refused.reason, str(refused), remedy=remedy))
        self._journal.reject(self._visitors.source(request), refused.reason)
        return self._renderer.redirect(Bounce(f"/sign-on?next={quote(back, safe='')}&device={refused.reason}"))

    async def _anew(self, request: Request, here: Here | None = None) -> bool:
        """Whether somebody was here whom a click would bring back while the provider's session lives: then it must ask.

        After a sign-off, a lock, and an end from elsewhere on every device; on a shared one also after the shift's end, and when
        we do not know any more how it ended. An enrolled one remembers for itself, whatever became of cookies.
        """
        if (seat := await self._visitors.seat(request)) is not None:
            return bool(seat.shift.emergency)  # the provider's own session may be somebody else's
        if cookies.cookies(tuple(request.scope["headers"]), ANEW):
            return True
        if here is not None and here.before and here.enrolment.ownership is Ownership.SHARED:
            return True
        if not (token := session_token(request)):
            return False
        if (kept := await self._store.by_token(token_hash(token))) is None:
            return self._visitors.unproved(request).ownership is Ownership.SHARED
        session = kept[0]
        return (
            session.ended is not None
            or session.device.ownership is Ownership.SHARED
            or not session.may_act(self._now())  # it could only have been unlocked by a proof
        )

    async def silently(self, request: Request, seat: Seat, back: str) -> Response:
        """Ask the provider whether it still knows this clinician, without a page."""
        return await self._leaving.leave(request, back, prompt="none", subject=seat.shift.principal.subject)

    async def again(self, request: Request, back: str, *, device: str = "") -> Response:
        """Leave for the provider, which is to ask who is there. `device`: the enrolled one that has just proved itself."""
        if await self._presence.look():
            raise ProviderAway("the identity provider does not answer")
        return await self._leaving.leave(request, back, acr_values=self._settings.acr_values, fresh=True, device=device)

    async def callback(self, request: Request) -> Response:
        """Back from the provider. The sign-on under way is taken out first: a second callback finds nothing."""
        if request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
            # Whoever only looks ahead must not use the answer up: the visit that follows is to find it.
            return Response(status_code=405, headers={"allow": "GET", "cache-control": "no-store"})
        try:
            answer, pending = await self._under_way(request)
        except SignOnRefused as error:
            return await self._refused(request, error)
        name = binding_name(answer.state)
        binding = cookies.cookie(tuple(request.scope["headers"]), name)
        try:
            signed_on = await self._provider.finish(answer, pending, browser=token_hash(binding) if binding else "")
        except (SignOnRefused, ProviderAway) as error:
            return await self._not_signed_on(request, pending, error)
        async with self._places.one():
            return await self._signed_on(request, pending, signed_on, name)

    async def _signed_on(self, request: Request, pending: PendingSignOn, signed_on: SignedOn, name: bytes) -> Response:
        """The provider knows them: to where they are meant to be."""
        if not pending.subject:
            await self._emergency.remember(signed_on)
        held, previous = await self._visitors.held(request), await self._visitors.seat(request)
        if held is None and pending.step_up:
            return await self._step_up.proved(request, pending, signed_on, previous, name)
        if held is None and pending.subject:
            return await self._confirmed(pending, signed_on, previous, name)
        try:
            if held is not None:
                return await self._seating.at_lock(request, pending, signed_on, held, name)
            return await self._seating.arrived(request, pending, signed_on, previous, name)
        except DeviceRefused as refused:
            return await self.not_this_device(request, refused, pending.return_path)

    async def _under_way(self, request: Request) -> tuple[Callback, PendingSignOn]:
        """The answer, and the sign-on that it is to. Raises SignOnRefused."""
        answer = Callback.read(request.scope["query_string"])
        kept = await self._store.take_code("pending", answer.state, self._now())
        if kept is None:
            raise not_under_way()
        return answer, PendingSignOn.from_json(kept.decode())

    async def _not_signed_on(self, request: Request, pending: PendingSignOn, error: SignOnError) -> Response:
        if pending.step_up:
            return await self._step_up.failed(request, pending, error)
        if isinstance(error, InteractionNeeded):
            # A silent check did not suffice: sign on with a page, and come back to the one that was asked for.
            return self._renderer.redirect(Bounce(f"/sign-on/start?next={quote(pending.return_path, safe='')}"))
        if isinstance(error, SignOnRefused):
            return await self._refused(request, error)
        raise error

    async def _confirmed(self, pending: PendingSignOn, signed_on: SignedOn, seat: Seat | None, name: bytes) -> Response:
        """A silent check came back. It confirms the shift that is seated here now, and never seats anybody.

        In the meantime the clinician may have signed off, or somebody else on, in another tab.
        """
        done = (cookies.expired(name),)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on", done))
        known, found = seat.shift.principal, signed_on.principal
        if (known.issuer, known.subject) != (found.issuer, found.subject):
            return self._renderer.redirect(Bounce("/", done))
        if not _still_covers(known, found):
            await self._role_changed(seat.shift)
            return self._renderer.redirect(Bounce("/sign-on", (*done, cookies.expired(cookies.SESSION))))
        await self._sessions.confirmed(seat.shift, signed_on, seat.session)
        await self._journal.record(shift_event(EventType.SHIFT_RENEWED, self._now(), seat.shift))
        return self._renderer.redirect(Bounce(pending.return_path, done))

    async def _refused(self, request: Request, error: SignOnRefused) -> Response:
        self._metrics.sign_ons.labels(error.reason).inc()
        fields = {"reason": error.reason, "source": self._visitors.source(request)}
        await self._journal.record(AuditEvent(EventType.LOGIN_FAILED, self._now(), fields))
        return self._renderer.page(
            "message.html",
            403,
            title="You could not be signed on",
            lead=sentence(error),
            helps=[error.remedy or fault_for(error).remedy],
            facts=[("Reason", error.reason)],
            kind="failure",
            link=("/sign-on", "Try again"),
            top=False,
        )

    # Are the claims still true?

    async def due(self, request: Request, seat: Seat, here: str) -> Response | None:
        """At a navigation on the main host: a re-check by refresh token behind the page, else a silent bounce."""
        shift = seat.shift
        if not self.stale(shift):
            return None
        if shift.emergency:
            return await self._asked_to_sign_on(shift, own_path(here))
        if shift.provider_away and self.out_of_grace(shift):
            await self._sign_off.end_shift(shift, "provider-away")
            return self._renderer.redirect(Bounce("/sign-on", (cookies.expired(cookies.SESSION),)))
        if shift.refresh_token:
            self.recheck(shift)
            return None
        try:
            return await self.silently(request, seat, own_path(here))
        except ProviderAway:
            await self._sessions.provider_away(shift)
            return None

    async def _asked_to_sign_on(self, shift: Shift, back: str) -> Response | None:
        """A shift that began without the provider: once it is back, whoever does something is asked to sign on there, and may go on."""
        if shift.emergency == VOUCHED or self._presence.away:
            return None
        await self._sessions.asked(shift)
        return self._renderer.redirect(Bounce(f"/emergency/back?next={back}"))

    def recheck(self, shift: Shift) -> None:
        """One at a time for each shift, behind whatever goes on; a provider that was away is not asked at every request."""
        running = self._rechecking.get(shift.id)
        if (running is None or running.done()) and self._now() >= self._not_before.get(shift.id, 0.0):
            if shift.provider_away:
                if len(self._not_before) >= _MOST_WAITING:
                    self._not_before = {key: at for key, at in self._not_before.items() if at > self._now()}
                self._not_before[shift.id] = self._now() + _AGAIN_AFTER
            else:
                self._not_before.pop(shift.id, None)
            task = asyncio.get_running_loop().create_task(
                self._rechecked(shift, asks=self._presence.may_recheck()), name="recheck"
            )
            self._rechecking[shift.id] = task
            task.add_done_callback(lambda _: self._rechecking.pop(shift.id, None))

    async def _rechecked(self, shift: Shift, *, asks: bool) -> None:
        """One gateway asks for all: a refresh token is good once, and whoever waited finds what came of it."""
        try:
            if not asks:
                await self._away(shift)
                return
            async with self._leases.held("refresh", shift.id):
                shift = await self._sessions.latest(shift)
                if shift.live(self._now()) and shift.refresh_token and self.stale(shift):
                    await self._recheck(shift)
        except Exception as error:
            structlog.get_logger().error("recheck failed", error=error)

    async def _recheck(self, shift: Shift) -> None:
        used = shift.refresh_token
        try:
            signed_on = await self._provider.refresh(used, shift.principal)
        except InteractionNeeded:
            self._presence.heard()
            await self._sessions.asked_with_a_page(shift, used)
        except SignOnRefused as error:
            self._presence.heard()
            shift = await self._sessions.latest(shift)
            if shift.refresh_token == used:  # else the provider has ended one device's session meanwhile, not the shift
                await self._sign_off.end_shift(shift, error.reason)
        except ProviderAway:
            self._presence.missed()
            await self._away(shift)
        else:
            self._presence.heard()
            if not _still_covers(shift.principal, signed_on.principal):
                await self._role_changed(shift)
            else:
                await self._sessions.confirmed(shift, signed_on)

    async def _role_changed(self, shift: Shift) -> None:
        await self._emergency.forget(shift.principal)
        await self._sign_off.end_shift(shift, "role-changed")

    async def _away(self, shift: Shift) -> None:
        """The provider could not be asked: go on, flagged, until `grace`."""
        if self.out_of_grace(shift):
            await self._sign_off.end_shift(shift, "provider-away")
        elif not shift.provider_away:
            await self._sessions.provider_away(shift)

    def out_of_grace(self, shift: Shift) -> bool:
        grace = self._settings.grace
        return not shift.emergency and grace is not None and self._now() - shift.checked > grace


def _still_covers(known: Principal, found: Principal) -> bool:
    """Whether what the provider says now is no more than what the shift began with: the same role, no new names."""
    return found.role == known.role and known.roles >= found.roles
