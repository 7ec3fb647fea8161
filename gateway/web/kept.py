"""What becomes of a form that met a session that was over, or a cookie that had lapsed: kept, said so, shown again, sent once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers as FormHeaders
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from connectors.errors import BodyTooLarge, ConnectorError
from connectors.messages import Body, Headers, InboundRequest
from policies.model import PatientRef
from sso.session import token_hash

from ..audit.event import AuditEvent, EventType
from ..audit.journal import Journal
from ..edge import csrf
from ..edge.origins import Doors
from ..errors import CrossSite
from ..kept import CLICK, GOES_ON, LARGEST, LIFE, SENT_AS, KeptWrite, KeptWrites, write_of
from ..session_events import strength
from ..sessions import Seat
from ..stores.base import Store
from ..systems import System
from ..upstreams import UpstreamSessions
from .render import Renderer, clock

PAGE = "/.lanyard/kept"
_NOWHERE = "nowhere"  # no log-on's id
_FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data")
# Fields that no person has typed, or that nobody is to read off a screen.
_UNSHOWN = ("pass", "pwd", "secret", "token", "csrf", "viewstate", "eventvalidation", "nonce")


class Kept:
    def __init__(
        self,
        writes: KeptWrites,
        store: Store,
        upstreams: UpstreamSessions,
        journal: Journal,
        doors: Doors,
        renderer: Renderer,
        public_url: str,
        now: Callable[[], float],
    ) -> None:
        self._writes = writes
        self._store = store
        self._upstreams = upstreams
        self._journal = journal
        self._doors = doors
        self._renderer = renderer
        self._public_url = public_url
        self._now = now

    async def keep(
        self, system: System, inbound: InboundRequest, token: bytes | None, *, lapsed: bool
    ) -> Response | None:
        """A page that says that the form is kept; None where there is nothing to keep, or nobody to keep it for.

        Only a form from a page of the same origin, by the cookie of a session that was once seated at this host. `lapsed`: the
        session is in good order, and only its cookie is to be renewed: then the answer leads there, and back to go on.
        """
        if not token or not _is_form(inbound):
            return None
        found = await self._store.by_token(token_hash(token))
        if found is None or found.host != inbound.host:
            return None
        session, shift = found.session, found.shift
        reason = "renewal" if lapsed else session.end_reason or session.lock_reason or "idle"
        write = await self._kept(system, inbound, Seat(session, shift, inbound.host), reason, held=lapsed)
        if write is not None and lapsed:
            back = f"{PAGE}?id={write.id}".encode()
            return self._renderer.redirect(await self._doors.to_main(inbound.host, back, inbound.headers))
        return self._said(kept=write is not None, lapsed=lapsed, write=write)

    async def refused(self, system: System, inbound: InboundRequest, seat: Seat, reason: str) -> KeptWrite | None:
        """A form that the policies refused and that a proof would let pass, kept; None for what is no form, or too large."""
        if inbound.prefix or not _is_form(inbound):
            return None
        return await self._kept(system, inbound, seat, reason, held=False)

    async def put_back(self, seat: Seat, write: KeptWrite) -> None:
        """It was to be sent and was not let out of the house: it may be sent as before, by hand."""
        await self._writes.keep(seat.shift.principal, replace(write, held=False))

    async def _kept(
        self, system: System, inbound: InboundRequest, seat: Seat, reason: str, *, held: bool
    ) -> KeptWrite | None:
        """None for what is too large."""
        session, shift = seat.session, seat.shift
        try:
            body = await inbound.body.hold(LARGEST)
        except BodyTooLarge:
            return None
        there, about = await self._upstreams.written_on(seat, system, inbound)
        upstream = await self._upstreams.known(seat, system) if there else _NOWHERE
        patients = await _patients(system, inbound) or about
        write = write_of(
            inbound,
            body,
            self._now(),
            system=system.name,
            title=system.title,
            session=session.id,
            upstream=upstream,
            patients=tuple(sorted(patients, key=lambda ref: (ref.namespace, ref.value))),
            held=held,
        )
        await self._writes.keep(shift.principal, write)
        p = shift.principal
        fields = {"issuer": p.issuer, "kept": write.id, "method": inbound.method, "reason": reason, "request": inbound.id,
                  "session": session.id, "shift": shift.id, "subject": p.subject, "system": system.name, **strength(shift)}  # fmt: skip
        await self._journal.record(AuditEvent(EventType.REQUEST_REJECTED, self._now(), fields))
        return write

    def _said(self, *, kept: bool, lapsed: bool, write: KeptWrite | None = None) -> Response:
        return self._renderer.page(
            "kept_now.html", 401, kept=kept, lapsed=lapsed, write=write, minutes=round(LIFE / 60),
            home=self._public_url + "/", framed=lapsed, renews=lapsed,
        )  # fmt: skip

    async def page(self, seat: Seat, system: System, write_id: str) -> Response:
        """The write with its system, patient and time; a way to send it, where that is safe."""
        write = await self._writes.read(seat.shift.principal, seat.host, write_id)
        if write is None:
            return self._renderer.page("kept.html", 404, write=None, home=self._public_url + "/")
        return self._renderer.page(
            "kept.html",
            write=write,
            at=clock(write.at),
            patients=", ".join(ref.value for ref in write.patients),
            texts=await texts(write),
            may_send=await self._may_send(seat, system, write),
            goes_on=write.held and self._now() - write.at < GOES_ON,
            target=write.target.decode("latin-1"),
            field=SENT_AS,
            home=self._public_url + "/",
            framed=write.held,
        )

    async def thrown_away(self, seat: Seat, write_id: str) -> None:
        await self._writes.take(seat.shift.principal, seat.host, write_id)

    async def meant(self, click: InboundRequest) -> str:
        """Which kept write this form, of `CLICK` bytes, sends from its own address; "" for any other, which is as it was."""
        if click.method != "POST" or click.media_type() != b"text/plain":
            return ""
        body = await click.body.hold(CLICK)
        click.body = Body.of(body)
        field, _, write_id = body.decode("latin-1").rstrip("\r\n").partition("=")
        return write_id if field == SENT_AS else ""

    async def taken(self, seat: Seat, system: System, write_id: str, target: bytes) -> KeptWrite | None:
        """The write, to be sent to where it was: once. None where it may not go, or is gone."""
        write = await self._writes.read(seat.shift.principal, seat.host, write_id)
        if write is None or write.target != target or not await self._may_send(seat, system, write):
            return None
        return await self._writes.take(seat.shift.principal, seat.host, write_id)

    async def not_sent(self, seat: Seat, write: KeptWrite) -> None:
        """It did not go, or nobody knows: its text is there to copy again, and it is never sent a second time."""
        await self._writes.keep(seat.shift.principal, replace(write, upstream=_NOWHERE, held=False))

    async def _may_send(self, seat: Seat, system: System, write: KeptWrite) -> bool:
        return seat.session.id == write.session and await self._upstreams.known(seat, system) == write.upstream


def request_of(write: KeptWrite, click: InboundRequest) -> InboundRequest:
    """A kept write as a request of now: the browser's own headers of now, the message and the page it was written on of then."""
    own = (b"content-type", b"content-length", b"transfer-encoding", b"referer")
    headers: Headers = (
        *(pair for pair in click.headers if pair[0] not in own),
        (b"content-type", write.content_type),
        (b"content-length", b"%d" % len(write.body)),
        *([(b"referer", write.referer)] if write.referer else []),
    )
    return InboundRequest(
        click.id,
        "POST",
        write.target,
        headers,
        Body.of(write.body),
        click.scheme,
        click.host,
        click.prefix,
        len(write.body),
        click.session,
    )


def _is_form(inbound: InboundRequest) -> bool:
    """That somebody sent from a page of the same origin."""
    if inbound.method != "POST" or not _navigates(inbound) or inbound.media_type() not in _FORMS:
        return False
    try:
        csrf.require_own_page(inbound, changing=True)
    except CrossSite:
        return False
    return True


def _navigates(inbound: InboundRequest) -> bool:
    dest = inbound.header(b"sec-fetch-dest")
    if dest is not None:
        return dest in (b"document", b"iframe", b"frame")
    return b"text/html" in (inbound.header(b"accept") or b"")


async def _patients(system: System, inbound: InboundRequest) -> frozenset[PatientRef]:
    """Whom it is about, as the route says; nobody where that cannot be told."""
    try:
        _, resource = await system.connector.describe(inbound)
    except ConnectorError:
        return frozenset()
    return resource.patients


async def texts(write: KeptWrite) -> list[tuple[str, str]]:
    """What a person may have typed, longest first: names and values of fields, without secrets and what only machines read."""
    if write.content_type.partition(b";")[0].strip().lower() == b"multipart/form-data":
        found = await _parts(write)
    else:
        found = parse_qsl(write.body.decode("latin-1"), encoding=_charset(write.body), errors="replace")
    shown = [(n, v) for n, v in found if v.strip() and not any(word in n.lower() for word in _UNSHOWN)]
    return sorted(shown, key=lambda pair: -len(pair[1]))


def _charset(body: bytes) -> str:
    """Old pages send their own charset, and do not say which."""
    try:
        for _, value in parse_qsl(body.decode("latin-1"), encoding="utf-8", errors="strict"):
            value.encode()
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


async def _parts(write: KeptWrite) -> list[tuple[str, str]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield write.body

    headers = FormHeaders({"content-type": write.content_type.decode("latin-1")})
    try:
        form = await MultiPartParser(headers, stream()).parse()
    except (MultiPartException, FormParserError, KeyError):
        return []
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
