"""A brokered request's journey: who asks, what is asked, may it be, written down, carried.

The order is a matter for the type checker: `prepare` asks for a Permit, `forward` for a receipt of the journal. Nothing
leaves for a system before its intent is durable, and nothing leaves for the browser before the patients that the answer names are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from connectors.errors import SystemMisbehaves
from connectors.messages import InboundRequest, UpstreamResponse
from policies.decision import Decision, Deny, Permit
from policies.engine import PolicyEngine
from policies.model import AccessRequest, Action, Facts, Resource
from sso.errors import StoreUnavailable

from .audit.event import AssetReceipt, AuditReceipt, RequestLine
from .audit.journal import Journal
from .edge import csrf
from .errors import UpstreamUnavailable, WriteNotSent, WriteUnknown
from .facts import FactSource, facts_about
from .log_on import LogOn
from .proxy import headers
from .proxy.forward import forward
from .proxy.upstream import Transport
from .sessions import Seat
from .systems import System
from .upstreams import SAFE, UpstreamSessions

ASSET = "asset"  # the kind of a route that gives style sheets, scripts, images and fonts


class Answer(NamedTuple):
    """What goes to the browser, and the receipt under which it goes."""

    response: UpstreamResponse
    receipt: AuditReceipt | AssetReceipt
    resource: Resource


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is told instead of an answer: a verdict with its reasons."""

    decision: Deny
    access: AccessRequest


async def _as_it_is(seat: Seat) -> Seat:
    return seat


class Pipeline:
    def __init__(
        self,
        engine: PolicyEngine,
        journal: Journal,
        transport: Transport,
        upstreams: UpstreamSessions,
        facts: tuple[FactSource, ...],
        now: Callable[[], float],
        anew: Callable[[Seat], Awaitable[Seat]] = _as_it_is,
    ) -> None:
        """`anew` gives a seat as other gateways have left it; the very same where they have not changed it."""
        self._anew = anew
        self._engine = engine
        self._journal = journal
        self._transport = transport
        self._upstreams = upstreams
        self._facts = facts
        self._now = now

    async def broker(self, system: System, inbound: InboundRequest, seat: Seat, line: RequestLine) -> Answer | Refusal:
        """Carry one request to `system` and bring its answer back. Raises what gateway/errors.py has a row for."""
        action, resource = await system.connector.describe(inbound)
        csrf.require_own_page(inbound, changing=resource.changing, allowed=system.passage.opened_from)
        access, facts, decision = await self._decided(system, action, resource, seat)
        if isinstance(decision, Deny) and (latest := await self._anew(seat)) is not seat:
            # Refused by what is believed for a moment: the proof that was asked for may have been given at another gateway just now.
            seat = latest
            access, facts, decision = await self._decided(system, action, resource, seat)
        inbound.who = access.principal
        if isinstance(decision, Permit) and resource.kind == ASSET:
            receipt: AuditReceipt | AssetReceipt = self._journal.count(access, line)
        else:
            question = self._engine.input_record(decision.input_hash)
            receipt = await self._journal.intent(access, facts, decision, line, question)
        match decision:
            case Deny():
                return Refusal(decision, access)
            case Permit():
                return await self._carry(system, inbound, seat, access, decision, receipt)
            case _:
                assert_never(decision)

    async def _decided(
        self, system: System, action: Action, resource: Resource, seat: Seat
    ) -> tuple[AccessRequest, Facts, Decision]:
        now = self._now()
        access = AccessRequest(seat.principal(now), action, resource, seat.context(now, keepable=system.keepable))
        facts = await facts_about(access, self._facts)
        return access, facts, self._engine.decide(access, facts)

    async def _carry(
        self,
        system: System,
        inbound: InboundRequest,
        seat: Seat,
        access: AccessRequest,
        permit: Permit,
        receipt: AuditReceipt | AssetReceipt,
    ) -> Answer:
        tries = False
        try:
            tries = system.breaker.admit(look=inbound.method in SAFE and not access.resource.changing)
            async with system.bulkhead.of(seat.shift.id):
                response, live = await self._exchange(system, inbound, seat, access.resource, permit, receipt)
            system.heard.answered = self._now()
            system.breaker.answered()
        except BaseException as error:
            self._not_answered(system, error, tries=tries)
            self._journal.completed(receipt, 0, 0, "incomplete" if inbound.method in SAFE else "write-aborted")
            raise
        try:
            seen = await system.connector.disclosed(inbound, response)
            if isinstance(receipt, AuditReceipt) and (new := seen - access.patients):
                receipt = await self._journal.released(receipt, new)
            if system.translates is not None:
                response = await system.translates.translate(inbound, response)
            asset = access.resource.kind == ASSET
            about = ""
            if response.is_page:
                with _sent(system, inbound, access.resource):
                    about = await self._upstreams.showed(system, live, inbound, access, access.patients | seen)
            answer = headers.outward(response, inbound, system.passage, asset=asset, about=about)
            return Answer(answer, receipt, access.resource)
        except BaseException:
            response.close()
            self._journal.completed(receipt, response.status, 0, "incomplete")
            raise

    def _not_answered(self, system: System, error: BaseException, *, tries: bool) -> None:
        if isinstance(error, UpstreamUnavailable) or isinstance(error.__cause__, UpstreamUnavailable):
            system.heard.silent = self._now()
            system.breaker.silent(tried=tries)
        else:
            system.breaker.left(tried=tries)

    async def _exchange(
        self,
        system: System,
        inbound: InboundRequest,
        seat: Seat,
        resource: Resource,
        permit: Permit,
        receipt: AuditReceipt | AssetReceipt,
    ) -> tuple[UpstreamResponse, LogOn | None]:
        """Ask the system; where it has forgotten the clinician, log on again and ask once more, if that is safe."""
        live = await self._upstreams.logged_on(seat, system)
        if live is None:
            return await self._ask(system, inbound, resource, permit, receipt, None), None
        self._upstreams.refuse_stale_write(live, inbound, resource, follows=seat.session.follows)
        await self._upstreams.refuse_other_patient(system, live, inbound, resource)
        response = await self._ask(system, inbound, resource, permit, receipt, live)
        if await self._upstreams.forgotten(system, response):
            response.close()
            live = await self._upstreams.again(seat, system, live)
            if not self._upstreams.may_repeat(inbound, resource):
                raise WriteNotSent("the system had logged you off and did not take what you sent")
            response = await self._ask(system, inbound, resource, permit, receipt, live)
            if await self._upstreams.forgotten(system, response):
                response.close()
                raise SystemMisbehaves("the system logs you off again as soon as you are logged on")
        try:
            with _sent(system, inbound, resource):
                await self._upstreams.absorb(system, live, inbound, response)
        except BaseException:
            response.close()
            raise
        return response, live

    async def _ask(
        self,
        system: System,
        inbound: InboundRequest,
        resource: Resource,
        permit: Permit,
        receipt: AuditReceipt | AssetReceipt,
        live: LogOn | None,
    ) -> UpstreamResponse:
        passed = headers.inward(inbound, system.passage)
        request = await system.connector.prepare(passed, permit, live.session if live else None)
        request = headers.addressed(request, inbound, system.passage)
        try:
            return await forward(self._transport, system.origin, request, receipt, inbound.id)
        except UpstreamUnavailable as error:
            if error.sent and (inbound.method not in SAFE or resource.changing):
                raise WriteUnknown(f"`{system.title}` did not answer after it was sent something to keep") from error
            raise


@contextlib.contextmanager
def _sent(system: System, inbound: InboundRequest, resource: Resource) -> Iterator[None]:
    """Where the store does not take what an answer changed, it is not let out: but a write has been sent all the same."""
    try:
        yield
    except StoreUnavailable as error:
        if inbound.method not in SAFE or resource.changing:
            raise WriteUnknown(
                f"`{system.title}` was sent something to keep, and its answer cannot be shown"
            ) from error
        raise
