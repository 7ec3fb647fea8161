"""Below the guard: which site is asked, who is asking, and from there into the pages or the pipeline."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, assert_never
from urllib.parse import parse_qsl, quote

from prometheus_client import Counter, Histogram
from starlette.datastructures import QueryParams
from starlette.responses import Response

from connectors.errors import (
    AnswerTooLarge,
    BadRequest,
    CredentialMissing,
    CredentialRefused,
    NotBrokered,
    SystemMisbehaves,
)
from connectors.messages import InboundRequest

from . import logs
from .audit.event import AuditEvent, EventType, RequestLine
from .audit.journal import Journal
from .edge import cookies, csrf
from .edge.exchange import Receive, Scope, Send, inbound, send_answer
from .edge.origins import ApiSite, Asked, Bounce, MainSite, Site, SystemSite, asked
from .edge.pace import Pace
from .errors import FOR_PEOPLE, UNEXPECTED, ClientGone, CrossSite, Fault, fault_for
from .kept import CLICK, KeptWrite
from .metrics import Metrics
from .pages import Pages
from .pipeline import Answer, Pipeline, Refusal
from .proxy.headers import wants_service_worker
from .session_events import request_line, strength
from .sessions import Seat, Sessions
from .systems import System
from .web.app import static
from .web.kept import PAGE, request_of

_OURS = b"/.lanyard/"
_RENEWED = b"/.lanyard/renewed"
_LONGEST_CLICK = 4096  # bytes of our own small forms
_REJECTED = (BadRequest, NotBrokered, CrossSite)
_VIOLATIONS = (SystemMisbehaves, AnswerTooLarge)


class Gateway:
    def __init__(
        self,
        pages: Pages,
        pipeline: Pipeline,
        sessions: Sessions,
        journal: Journal,
        metrics: Metrics,
        now: Callable[[], float],
    ) -> None:
        self._main = pages.main
        self._renderer = pages.renderer
        self._refusals = pages.refusals
        self._refused = pages.refused
        self._surroundings = pages.surroundings
        self._doors = pages.doors
        self._locks = pages.locks
        self._sign_on = pages.sign_on
        self._kept = pages.kept
        self._guard_pages = pages.guard
        self._vault = pages.vault
        self._pipeline = pipeline
        self._sessions = sessions
        self._journal = journal
        self._metrics = metrics
        self._now = now
        self._logging = Pace(10, 1.0)
        self._unlogged: dict[str, int] = {}
        self._meters: dict[str, tuple[Histogram, Counter, Counter]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whatever goes wrong is told; nothing that goes wrong lets anything pass."""
        told = _Told(send)
        try:
            await self._site(scope, receive, told)
        except ClientGone:
            if told.begun:
                raise
        except Exception as error:
            await self._fault(error, scope, receive, told)

    async def _fault(self, error: Exception, scope: Scope, receive: Receive, send: _Told) -> None:
        fault = fault_for(error)
        if fault is UNEXPECTED or fault.status == 503:
            self._log(error, fault, scope)
        if send.begun:
            raise error  # the answer is cut short, never ended as if it were whole
        system = scope.get("lanyard.system")
        self._write_down(error, fault, scope, system)
        says = str(error) if isinstance(error, FOR_PEOPLE) else ""
        headers = tuple(scope["headers"])
        response = self._refusals.failed(
            fault, scope["method"], headers, scope.get("lanyard.request", ""), system, says
        )
        await response(scope, receive, send)

    def _log(self, error: Exception, fault: Fault, scope: Scope) -> None:
        """A fault of every request is told ten times a second; how many more there were, with the next that is told."""
        if not self._logging.allows(fault.code, self._now()):
            self._unlogged[fault.code] = self._unlogged.get(fault.code, 0) + 1
            return
        more = self._unlogged.pop(fault.code, 0)
        request = scope.get("lanyard.request", "")
        logs.log().error("request failed", fault=fault.code, request=request, more=more, error=error)

    def _write_down(self, error: Exception, fault: Fault, scope: Scope, system: System | None) -> None:
        """What a clinician's request was refused for, and what a system answered that may not be passed on."""
        seat: Seat | None = scope.get("lanyard.seat")
        if isinstance(error, _REJECTED) or fault is UNEXPECTED:
            kind = EventType.REQUEST_REJECTED
        elif isinstance(error, _VIOLATIONS):
            kind = EventType.UPSTREAM_VIOLATION
        else:
            return
        if seat is None or system is None:
            return
        p = seat.shift.principal
        fields = {
            "issuer": p.issuer,
            "method": scope["method"],
            "reason": fault.code,
            "request": scope.get("lanyard.request", ""),
            "session": seat.session.id,
            "shift": seat.shift.id,
            "subject": p.subject,
            "system": system.name,
            "why": type(error).__name__ if fault is UNEXPECTED else str(error),
            **strength(seat.shift),
        }
        self._journal.note(AuditEvent(kind, self._now(), fields))

    def _site(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        site: Site = scope["lanyard.site"]
        target: bytes = scope["lanyard.target"]
        if target.startswith(_OURS) or target == _OURS[:-1]:
            if isinstance(site, SystemSite) and scope["path"] == PAGE:
                return self._kept_write(site, scope, receive, send)
            return self._ours(site, scope, receive, send)
        match site:
            case MainSite():
                return self._main(scope, receive, send)
            case SystemSite():
                return self._brokered(site.system, "", site.host, scope, receive, send)
            case ApiSite():
                name = target[1:].partition(b"?")[0].partition(b"/")[0].decode("latin-1")
                system = site.systems.get(name)
                if system is None:
                    return self._refusals.not_found(scope["method"], tuple(scope["headers"]))(scope, receive, send)
                return self._brokered(system, f"/{name}", site.host, scope, receive, send)
            case _:
                assert_never(site)

    async def _ours(self, site: Site, scope: Scope, receive: Receive, send: Send) -> None:
        """`/.lanyard/` is ours on every origin and never goes to a system."""
        await (await self._our_page(site, scope))(scope, receive, send)

    async def _our_page(self, site: Site, scope: Scope) -> Response:
        host = site.host
        if (page := await self._guard_pages.answer(host, scope)) is not None:
            return page
        headers = tuple(scope["headers"])
        path, query = scope["path"].removeprefix("/.lanyard/"), QueryParams(scope["query_string"])
        if scope["method"] not in ("GET", "HEAD"):
            return self._refusals.not_found(scope["method"], headers)
        if path == "enter":
            bounce = await self._doors.enter(host, query.get("code", ""), headers)
            # A code that does not fit (used, late, another browser's) begins again at the system's own page.
            return self._renderer.redirect(bounce or Bounce("/"))
        if path == "renew" and not isinstance(site, MainSite):
            return self._renderer.redirect(await self._doors.to_main(host, _RENEWED, headers))
        if path == "renewed":
            return self._renderer.page("renewed.html", framed=True)
        if path == "sign-off":
            return self._renderer.redirect(await self._doors.sign_off_stop(host, query.get("ticket", "")))
        if path.startswith("static/") and (file := static(path.removeprefix("static/"))) is not None:
            return file
        return self._refusals.not_found(scope["method"], headers)

    async def _brokered(
        self, system: System, prefix: str, host: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = tuple(scope["headers"])
        scope["lanyard.system"] = system
        token = cookies.cookie(headers, cookies.SESSION)
        seat = await self._sessions.seated(token, host)
        if seat is None:
            await (await self._not_seated(system, prefix, host, scope, receive, token))(scope, receive, send)
            return
        scope["lanyard.seat"] = seat
        if (leave := await self._claims_due(seat, host, scope, headers)) is not None:
            await leave(scope, receive, send)
            return
        request = inbound(scope, receive, host=host, prefix=prefix, session=seat.session.id)
        if request.length == CLICK and (write_id := await self._kept.meant(request)):
            await self._send_kept(write_id, request, seat, scope, receive, send)
            return
        await self._carry(system, request, seat, scope, receive, send)

    async def _carry(
        self,
        system: System,
        request: InboundRequest,
        seat: Seat,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        write: KeptWrite | None = None,
    ) -> bool:
        """Whether it was answered, or refused by the policies. `write`: what was kept, where it is that."""
        scope["lanyard.request"] = request.id
        if wants_service_worker(request):
            raise BadRequest("a service worker would outlive the session: it is not given")
        if system.polls is None or not system.polls.is_background(request):
            self._sessions.touch(seat)
        begun = time.perf_counter()
        try:
            outcome = await self._pipeline.broker(system, request, seat, self._line(system, request, seat, scope))
        except (CredentialMissing, CredentialRefused):
            if (ask := await self._vault.instead(system, scope, seat)) is None:
                raise
            await self._renderer.redirect(ask)(scope, receive, send)
            return False
        self._measure(system, outcome, time.perf_counter() - begun)
        match outcome:
            case Refusal():
                await (await self._refused.told(outcome, request, seat, system, write))(scope, receive, send)
            case Answer():
                scope["lanyard.stoppable"] = True
                await self._send(outcome, request, send)
        return True

    def _measure(self, system: System, outcome: Answer | Refusal, seconds: float) -> None:
        meters = self._meters.get(system.name)
        if meters is None:  # a label costs more than the count
            requests, state = self._metrics.requests, system.state.value
            meters = self._meters[system.name] = (
                self._metrics.seconds.labels(system.name),
                requests.labels(system.name, state, "permitted"),
                requests.labels(system.name, state, "denied"),
            )
        taken, permitted, denied = meters
        taken.observe(seconds)
        (permitted if isinstance(outcome, Answer) else denied).inc()

    async def _claims_due(
        self, seat: Seat, host: str, scope: Scope, headers: tuple[tuple[bytes, bytes], ...]
    ) -> Response | None:
        """Are the claims still true? By refresh token behind what goes on, else over the main host at the next navigation."""
        shift = seat.shift
        if not self._sign_on.stale(shift):
            return None
        if shift.refresh_token:
            self._sign_on.recheck(shift)
            return None
        if shift.provider_away and not self._sign_on.out_of_grace(shift):
            return None
        if scope["method"] != "GET" or asked("GET", headers) is not Asked.DOCUMENT:
            return None
        return self._renderer.redirect(await self._doors.to_main(host, scope["lanyard.target"], headers))

    async def _send(self, answer: Answer, request: InboundRequest, send: Send) -> None:
        sent = 0
        outcome = "incomplete"
        try:
            sent = await send_answer(send, answer.response, head=request.method == "HEAD")
            outcome = "complete"
        finally:
            self._journal.completed(answer.receipt, answer.response.status, sent, outcome)  # type: ignore[arg-type]  # one of the two literals above

    async def _not_seated(
        self, system: System, prefix: str, host: str, scope: Scope, receive: Receive, token: bytes | None
    ) -> Response:
        """A form is kept for whoever wrote it; all else is sent to sign on, or told."""
        lapsed = await self._sessions.lapsed(token, host) is not None
        said = None
        if not prefix:
            request = inbound(scope, receive, host=host, prefix="", session="")
            said = await self._kept.keep(system, request, token, lapsed=lapsed)
        if said is not None:
            await self._locks.held(token, host)  # an idle session is locked from here on
        return said or await self._unseated(token, host, scope, tuple(scope["headers"]), lapsed=lapsed)

    async def _kept_write(self, site: SystemSite, scope: Scope, receive: Receive, send: Send) -> None:
        """Our page at a system's host: a form that was kept is shown, or thrown away."""
        headers, host, system = tuple(scope["headers"]), site.host, site.system
        scope["lanyard.system"] = system
        token = cookies.cookie(headers, cookies.SESSION)
        seat = await self._sessions.seated(token, host)
        if seat is None:
            lapsed = await self._sessions.lapsed(token, host) is not None
            await (await self._unseated(token, host, scope, headers, lapsed=lapsed))(scope, receive, send)
            return
        scope["lanyard.seat"] = seat
        if (leave := await self._claims_due(seat, host, scope, headers)) is not None:
            await leave(scope, receive, send)
            return
        if scope["method"] != "POST":
            write_id = QueryParams(scope["query_string"]).get("id", "")
            await (await self._kept.page(seat, system, write_id))(scope, receive, send)
            return
        click = inbound(scope, receive, host=host, prefix="", session=seat.session.id)
        csrf.require_own_page(click, changing=True)
        form = dict(parse_qsl((await click.body.hold(_LONGEST_CLICK)).decode("latin-1")))
        write_id = form.get("id", "")
        await self._kept.thrown_away(seat, write_id)
        await self._renderer.redirect(_shown_again(write_id))(scope, receive, send)

    async def _send_kept(
        self, write_id: str, click: InboundRequest, seat: Seat, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """A kept write goes through the pipeline like any other, from where it was written to where it was sent."""
        csrf.require_own_page(click, changing=True)
        system = scope["lanyard.system"]
        write = await self._kept.taken(seat, system, write_id, click.target)
        if write is None:
            await self._renderer.redirect(_shown_again(write_id))(scope, receive, send)
            return
        passed = False
        try:
            passed = await self._carry(system, request_of(write, click), seat, scope, receive, send, write=write)
        finally:
            if not passed:
                await self._kept.not_sent(seat, write)

    async def _unseated(
        self, token: bytes | None, host: str, scope: Scope, headers: tuple[tuple[bytes, bytes], ...], *, lapsed: bool
    ) -> Response:
        """No session, a locked one, or a cookie that has lapsed: a navigation goes to the main host, which knows what is to be done
        there; so does a frame, where nothing is to be asked."""
        kind = asked(scope["method"], headers)
        locked = await self._locks.held(token, host) is not None
        if kind is Asked.DOCUMENT or (lapsed and kind is Asked.FRAME and scope["method"] == "GET"):
            return self._renderer.redirect(await self._doors.to_main(host, scope["lanyard.target"], headers))
        if lapsed:
            return self._refusals.lapsed(scope["method"], headers)
        if locked:
            return self._refusals.locked(scope["method"], headers)
        return self._refusals.signed_out(scope["method"], headers, framed=kind is Asked.FRAME)

    def _line(self, system: System, request: InboundRequest, seat: Seat, scope: Scope) -> RequestLine:
        source = self._surroundings.source(scope["client"][0], request.headers)
        agent = request.header(b"user-agent")
        words = agent.decode("latin-1") if agent else ""
        parameters = system.names.named_parameters(request) if system.names else ()
        return request_line(seat, self._now(), request.id, request.method, request.target, source, words, parameters)


def _shown_again(write_id: str) -> Bounce:
    return Bounce(f"{PAGE}?id={quote(write_id, safe='')}")


class _Told:
    """A send that remembers whether an answer has begun."""

    __slots__ = ("_send", "begun")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Any) -> None:
        self.begun = True
        await self._send(message)
