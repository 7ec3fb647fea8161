"""Pages of ours that are not for everybody: whether this person may is asked of the policies and written down before the page is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from policies.decision import Deny
from policies.engine import PolicyEngine
from policies.model import Facts, PatientRef

from ..audit.event import AuditReceipt, RequestLine
from ..audit.journal import Journal
from ..devices import Actor
from ..duties import Asking
from ..edge.exchange import new_id
from ..session_events import request_line
from ..sessions import Seat
from ..step_up import StepUps, Wanted
from .launchpad import Launchpad
from .paths import own_path
from .refusals import Onward, Refusals
from .refused import stronger
from .render import wants_page
from .visitors import Visitors


@dataclass(slots=True)
class Admitted:
    """Somebody who may; `released` is for patients that the page names."""

    seat: Seat
    receipt: AuditReceipt
    journal: Journal

    @property
    def actor(self) -> Actor:
        return Actor.seated(self.seat)

    @property
    def looks(self) -> dict[str, object]:
        """Who looks, as `audit.read` says it."""
        return {**self.actor.known, "request": self.receipt.request}

    async def released(self, patients: frozenset[PatientRef]) -> None:
        """Written down before they are shown. Raises JournalUnavailable."""
        if patients:
            self.receipt = await self.journal.released(self.receipt, patients)


Show = Callable[[Request, Admitted], Awaitable[Response]]


class Security:
    def __init__(
        self,
        launchpad: Launchpad,
        visitors: Visitors,
        engine: PolicyEngine,
        journal: Journal,
        steps: StepUps,
        refusals: Refusals,
        now: Callable[[], float],
    ) -> None:
        self._launchpad = launchpad
        self._visitors = visitors
        self._engine = engine
        self._journal = journal
        self._steps = steps
        self._refusals = refusals
        self._now = now

    async def page(self, request: Request, duty: Asking, show: Show) -> Response:
        """The page for whoever may see it, else the sign-on page or the refusal. What is posted can be asked for by GET too:
        a stronger proof leads back there."""

        async def seated(request: Request, seat: Seat) -> Response:
            return await self._judged(request, seat, duty, show)

        return await self._launchpad.seated(request, seated)

    async def _judged(self, request: Request, seat: Seat, duty: Asking, show: Show) -> Response:
        access = duty.asked(seat, self._now())
        line = self._line(request, seat)
        decision = self._engine.decide(access, Facts())
        question = self._engine.input_record(decision.input_hash)
        receipt = await self._journal.intent(access, Facts(), decision, line, question)
        if isinstance(decision, Deny):
            onward = await self._over_a_proof(decision, seat, request)
            return self._refusals.denied(
                decision, request.method, tuple(request.scope["headers"]), line.id, None, onward
            )
        admitted = Admitted(seat, receipt, self._journal)
        try:
            response = await show(request, admitted)
        except BaseException:
            self._journal.completed(admitted.receipt, 0, 0, "incomplete")
            raise
        self._journal.completed(admitted.receipt, response.status_code, len(response.body), "complete")
        return response

    async def _over_a_proof(self, deny: Deny, seat: Seat, request: Request) -> Onward | None:
        """The way back to this address, where a proof would turn the verdict. What was filled in is not kept: it is said."""
        if deny.step_up is None or not wants_page(request.method, tuple(request.scope["headers"])):
            return None
        back = own_path(request.scope["path"])
        about = {"page": back, "refused": deny.reason.code}
        says = self._refusals.says(deny, None)
        ticket = await self._steps.ask(Wanted(seat.session.id, deny.step_up, back, says, about))
        return Onward(
            f"/step-up?ticket={ticket}", stronger(deny.step_up, seat), "lost" if request.method == "POST" else ""
        )

    def _line(self, request: Request, seat: Seat) -> RequestLine:
        target, source = request.scope["lanyard.target"], self._visitors.source(request)
        agent = request.headers.get("user-agent", "")
        return request_line(seat, self._now(), new_id(), request.method, target, source, agent)
