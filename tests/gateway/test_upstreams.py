"""Upstream sessions: log on once, notice a log-off, repeat only what is safe."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from connectors.base import Credential, Share, UpstreamSession
from connectors.errors import CredentialMissing, CredentialRefused
from connectors.messages import Body, InboundRequest, UpstreamRequest, UpstreamResponse
from gateway.audit.event import AuditEvent, EventType
from gateway.errors import OpenElsewhere, OtherPatient, WriteNotSent
from gateway.log_on import LogOn
from gateway.log_on_calls import Tried, nobody_notes
from gateway.sessions import Seat
from gateway.stores.postgres import PostgresStore
from gateway.stores.sqlite import SqliteStore
from gateway.systems import System
from gateway.upstreams import UpstreamSessions
from policies.decision import Permit
from policies.model import AccessRequest, Action, Context, Device, Disclosure, PatientRef, Principal, Resource
from sso.errors import StoreUnavailable
from sso.session import Session
from sso.shift import Shift

PAGE = Resource(system="pas", kind="page", route="")
NOTE = Resource(system="pas", kind="note", route="note", disclosure=Disclosure.CHANGED, changing=True)


class OldSystem:
    """A connector whose log-ons are counted."""

    def __init__(self) -> None:
        self.log_ons: list[Credential] = []
        self.log_offs: list[str] = []
        self.refuses = False

    async def log_on(self, credential: Credential, client: httpx2.AsyncClient) -> UpstreamSession:
        self.log_ons.append(credential)
        await asyncio.sleep(0)
        if self.refuses:
            raise CredentialRefused("no")
        return UpstreamSession(f"s{len(self.log_ons)}", "pas", {"cookies": []})

    async def is_logged_off(self, response: UpstreamResponse) -> bool:
        return response.status == 302

    async def absorb(self, session: UpstreamSession, inbound: InboundRequest, response: UpstreamResponse) -> bool:
        session.state["cookies"] = [inbound.target.decode()]
        return True

    async def log_off(self, session: UpstreamSession, client: httpx2.AsyncClient) -> None:
        self.log_offs.append(session.id)

    async def describe(self, inbound: InboundRequest) -> tuple[Action, Resource]:
        return Action.ENTER, PAGE

    async def prepare(
        self, inbound: InboundRequest, permit: Permit, session: UpstreamSession | None
    ) -> UpstreamRequest:
        return UpstreamRequest(inbound.method, inbound.target, ())

    async def disclosed(self, inbound: InboundRequest, response: UpstreamResponse) -> frozenset[PatientRef]:
        return frozenset()


class Shelf:
    """A store in memory, of one process or of several."""

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self.kept: dict[tuple[str, ...], tuple[int, bytes]] = {}
        self.versions = 0
        self.asked = 0  # how often it was asked for a version
        self.codes: dict[tuple[str, str], tuple[bytes, float]] = {}
        self.leases: dict[str, str] = {}
        self.away = False

    async def put_upstream(
        self, key: tuple[str, ...], value: bytes, owner_session: str, *, after: int | None = None
    ) -> int | None:
        await self._answers()
        if after is not None and after != self.kept.get(key, (0,))[0]:
            return None
        self.versions += 1
        self.kept[key] = self.versions, value
        return self.versions

    async def get_upstream(self, key: tuple[str, ...]) -> tuple[int, bytes] | None:
        await self._answers()
        return self.kept.get(key)

    async def upstream_version(self, key: tuple[str, ...]) -> int:
        await self._answers()
        self.asked += 1
        return self.kept.get(key, (0,))[0]

    async def delete_upstream(self, key: tuple[str, ...]) -> None:
        await self._answers()
        self.kept.pop(key, None)

    async def put_code(self, kind: str, code: str, value: bytes, expires: float) -> None:
        await self._answers()
        self.codes[kind, code] = value, expires

    async def read_code(self, kind: str, code: str, now: float) -> bytes | None:
        await self._answers()
        value, expires = self.codes.get((kind, code), (None, now))
        return value if expires > now else None

    async def take_code(self, kind: str, code: str, now: float) -> bytes | None:
        value = await self.read_code(kind, code, now)
        self.codes.pop((kind, code), None)
        return value

    async def first_time(self, kind: str, code: str, expires: float, now: float) -> bool:
        raise NotImplementedError

    async def take_lease(self, name: str, holder: str, lasts: float) -> int | None:
        await self._answers()
        if self.leases.setdefault(name, holder) != holder:
            return None
        self.versions += 1
        return self.versions

    async def renew_lease(self, name: str, holder: str, lasts: float) -> bool:
        await self._answers()
        return self.leases.get(name) == holder

    async def drop_lease(self, name: str, holder: str) -> None:
        if self.leases.get(name) == holder:
            del self.leases[name]

    async def _answers(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")


class Book:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> int:
        self.events.append(event)
        return len(self.events)

    def types(self) -> list[EventType]:
        return [event.type for event in self.events]


class Cards:
    """Everybody's credential, but for those who have none."""

    def __init__(self) -> None:
        self.secret = "right"

    async def credential(self, principal: Principal, system: str) -> Credential | None:
        return None if principal.subject == "stranger" else Credential(principal.subject, self.secret)


class Ward:
    """The rooms around UpstreamSessions, wired for a test."""

    def __init__(
        self,
        share: Share = Share.SESSION,
        shelf: Shelf | SqliteStore | PostgresStore | None = None,
        tried: Tried = nobody_notes,
        old: OldSystem | None = None,
    ) -> None:
        self.old, self.book, self.cards, self.shelf = old or OldSystem(), Book(), Cards(), shelf or Shelf()
        self.system = _system(self.old, share)
        self.over: set[str] = set()  # sessions that have ended
        self.at = 0.0
        self.sessions = UpstreamSessions(
            self.shelf,
            self.cards,
            self.book,
            lambda _system: httpx2.AsyncClient(),
            lambda: self.at,
            self._seat_of,
            tried=tried,
        )

    async def _seat_of(self, session: str) -> Seat | None:
        return None if session in self.over else seat(session)


def _system(connector: Any, share: Share) -> System:
    class Table:
        name, title = "pas", "Old PAS"

    parts: dict[str, Any] = dict.fromkeys(("manifest", "origin", "passage", "bulkhead", "breaker", "state"))
    from connectors.base import State

    parts["state"] = State.BROKERED
    # only the parts that upstream sessions look at
    return System(table=Table(), connector=connector, host="pas.test", share=share, **parts)  # type: ignore[arg-type]


def seat(session: str = "one", shift: str = "shift", subject: str = "nurse") -> Seat:
    principal = Principal("https://op", subject, "N", "nurse", frozenset({"nurse"}))
    return Seat(
        session=Session(session, shift, 0, 0, 300, Device()),
        shift=Shift(shift, principal, 0, 9e9, 0, 0),
        host="pas.test",
    )


def asked(method: str = "GET", target: bytes = b"/page", body: bytes = b"", referer: bytes = b"") -> InboundRequest:
    headers = ((b"referer", referer),) if referer else ()
    return InboundRequest("r", method, target, headers, Body.of(body))


def html(status: int = 200) -> UpstreamResponse:
    return UpstreamResponse(status, ((b"content-type", b"text/html"),), Body.of(b"<p>"))


async def test_fifty_first_requests_make_one_log_on() -> None:
    """Log-on is single-flight: requests that arrive together share one."""
    ward = Ward()
    live = await asyncio.gather(*(ward.sessions.logged_on(seat(), ward.system) for _ in range(50)))
    assert len(ward.old.log_ons) == 1
    assert len({id(one) for one in live}) == 1
    assert ward.book.types() == [EventType.UPSTREAM_LOGGED_ON]


async def test_each_session_has_its_own_log_on() -> None:
    """Two devices of one shift never share a system's current patient."""
    ward = Ward()
    one, two = [await ward.sessions.logged_on(seat(s), ward.system) for s in ("one", "two")]
    assert one
    assert two
    assert one.session.id != two.session.id


async def test_a_shift_may_share_a_log_on_where_the_manifest_says_so() -> None:
    """share = "shift" gives both sessions the same log-on, another shift its own."""
    ward = Ward(Share.SHIFT)
    for session, shift in (("one", "a"), ("two", "a"), ("three", "b")):
        await ward.sessions.logged_on(seat(session, shift), ward.system)
    assert len(ward.old.log_ons) == 2


async def test_a_form_of_somebody_else_s_page_at_the_same_browser_is_not_sent() -> None:
    """Where a session follows another's, only forms of pages that its own log-on has shown are."""
    ward, form = Ward(), asked("POST", b"/save", b"text", referer=b"https://pas.test/page")
    live = await ward.sessions.logged_on(seat(), ward.system)
    assert live
    ward.sessions.refuse_stale_write(live, form, NOTE)
    with pytest.raises(WriteNotSent):
        ward.sessions.refuse_stale_write(live, form, NOTE, follows=True)
    live.showed(b"/page")
    ward.sessions.refuse_stale_write(live, form, NOTE, follows=True)


async def test_a_locked_session_keeps_no_log_on_from_its_clinician() -> None:
    """Where a system allows one, the device in front of the clinician gets it: anew, without the patient chosen at the other."""
    ward, locked = Ward(Share.ONE_PER_CLINICIAN), seat("one")
    first = await ward.sessions.logged_on(locked, ward.system)
    assert first
    with pytest.raises(OpenElsewhere):
        await ward.sessions.logged_on(seat("two"), ward.system)
    ward.sessions._seat_of = lambda session: asyncio.sleep(0, locked)
    locked.session.lock(1.0, "clinician")
    second = await ward.sessions.logged_on(seat("two"), ward.system)
    assert second
    assert second.session.id != first.session.id
    assert ward.old.log_offs == [first.session.id]


async def test_a_system_with_one_log_on_for_each_clinician_says_where_it_is_open() -> None:
    """The second session is told, and the first one's log-on is left alone."""
    ward = Ward(Share.ONE_PER_CLINICIAN)
    await ward.sessions.logged_on(seat("one"), ward.system)
    with pytest.raises(OpenElsewhere, match=r"`Old PAS` open on another device: desktop, outside the hospital, signed"):
        await ward.sessions.logged_on(seat("two"), ward.system)
    assert len(ward.old.log_ons) == 1
    assert ward.old.log_offs == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_session_that_is_over_holds_nobody_up(restarted: bool) -> None:
    """Left idle or gone with a restart: its log-on is ended first, and the next session gets one of its own."""
    ward = Ward(Share.ONE_PER_CLINICIAN)
    await ward.sessions.logged_on(seat("one"), ward.system)
    if restarted:
        ward = Ward(Share.ONE_PER_CLINICIAN, ward.shelf, old=ward.old)
    ward.over.add("one")
    taken = await asyncio.gather(*(ward.sessions.logged_on(seat("two"), ward.system) for _ in range(5)))
    assert {one.holder for one in taken if one} == {"two"}
    assert ward.old.log_offs == ["s1"]
    assert len(ward.old.log_ons) == 2
    assert [e.type for e in ward.book.events][-2:] == [EventType.UPSTREAM_LOGGED_OFF, EventType.UPSTREAM_LOGGED_ON]
    with pytest.raises(OpenElsewhere):
        await ward.sessions.logged_on(seat("three"), ward.system)


@pytest.mark.parametrize("share", Share)
async def test_a_session_that_nobody_signed_off_is_logged_off_after_all(share: Share) -> None:
    """Left idle: its log-on does not stay open at the system, nor in memory; whoever is still there keeps theirs."""
    ward = Ward(share)
    await ward.sessions.logged_on(seat("one", subject="nurse"), ward.system)
    await ward.sessions.logged_on(seat("two", "another", subject="doctor"), ward.system)
    ward.over.add("one")
    await ward.sessions.sweep({"pas": ward.system})
    await ward.sessions.sweep({"pas": ward.system})
    assert ward.old.log_offs == ["s1"]
    assert len(ward.shelf.kept) == 1
    assert ward.book.events[-1].fields["by"] == "session-over"
    await ward.sessions.logged_on(seat("two", "another", subject="doctor"), ward.system)
    assert len(ward.old.log_ons) == 2


async def test_a_shift_s_log_on_lives_as_long_as_any_session_that_uses_it() -> None:
    """share = "shift": the session that it was made for is over, another one goes on with it."""
    ward = Ward(Share.SHIFT)
    for session in ("one", "two"):
        await ward.sessions.logged_on(seat(session), ward.system)
    ward.over.add("one")
    await ward.sessions.sweep({"pas": ward.system})
    await ward.sessions.logged_on(seat("two"), ward.system)
    assert (len(ward.old.log_ons), ward.old.log_offs) == (1, [])
    ward.over.add("two")
    await ward.sessions.sweep({"pas": ward.system})
    assert ward.old.log_offs == ["s1"]


async def test_a_form_of_the_device_before_is_not_sent_after_the_system_came_over() -> None:
    """Away and back again: what stood on this screen belonged to an earlier log-on, perhaps to another patient."""
    ward = Ward(Share.ONE_PER_CLINICIAN)
    await ward.sessions.logged_on(seat("one"), ward.system)
    ward.over.add("one")
    live = await ward.sessions.logged_on(seat("two"), ward.system)
    assert live
    with pytest.raises(WriteNotSent):
        ward.sessions.refuse_stale_write(live, asked("POST", referer=b"https://pas.test/page"), NOTE)


async def test_owners_whose_names_join_alike_are_kept_apart() -> None:
    """HTTP-130: keys are tuples, so that `a:b` at `c` is not `a` at `b:c`."""
    ward = Ward()
    await ward.sessions.logged_on(seat("a:b|c"), ward.system)
    await ward.sessions.logged_on(seat("a|b:c"), ward.system)
    assert len(ward.old.log_ons) == 2


async def test_a_refused_credential_is_not_tried_again_in_this_shift() -> None:
    """A wrong password is tried once, so that the old system locks nobody out."""
    ward = Ward()
    ward.old.refuses = True
    for session in ("one", "one", "two"):
        with pytest.raises(CredentialRefused):
            await ward.sessions.logged_on(seat(session), ward.system)
    assert len(ward.old.log_ons) == 1
    assert EventType.UPSTREAM_LOG_ON_FAILED in ward.book.types()


async def test_a_replaced_credential_is_tried() -> None:
    """When the credential has changed, it gets its one try."""
    ward = Ward()
    ward.old.refuses = True
    with pytest.raises(CredentialRefused):
        await ward.sessions.logged_on(seat(), ward.system)
    ward.old.refuses, ward.cards.secret = False, "new"
    assert await ward.sessions.logged_on(seat(), ward.system)


async def test_a_clinician_without_a_credential_is_told() -> None:
    """Nothing is sent to the system for somebody of whom no credential is kept."""
    ward = Ward()
    with pytest.raises(CredentialMissing):
        await ward.sessions.logged_on(seat(subject="stranger"), ward.system)
    assert ward.old.log_ons == []


async def test_many_who_notice_a_log_off_make_one_new_log_on() -> None:
    """After a log-off, parallel requests share the next log-on."""
    ward = Ward()
    dead = await ward.sessions.logged_on(seat(), ward.system)
    assert dead
    fresh = await asyncio.gather(*(ward.sessions.again(seat(), ward.system, dead) for _ in range(20)))
    assert len(ward.old.log_ons) == 2
    assert {one.generation for one in fresh} == {2}


@pytest.mark.parametrize(
    ("request_", "resource", "may"),
    [
        (asked(), PAGE, True),
        (asked("HEAD"), PAGE, True),
        (asked("GET", body=b"x"), PAGE, False),
        (asked("POST"), PAGE, False),
        (asked("GET"), NOTE, False),
    ],
)
def test_only_a_bodiless_safe_request_on_an_unchanging_route_may_be_repeated(
    request_: InboundRequest, resource: Resource, may: bool
) -> None:
    """The one place that decides what is sent a second time."""
    assert Ward().sessions.may_repeat(request_, resource) is may


async def test_a_form_of_a_dead_log_on_s_page_is_not_sent() -> None:
    """After a log-off, a form whose page the new log-on has not shown is refused; once shown, it goes."""
    ward = Ward()
    first = await ward.sessions.logged_on(seat(), ward.system)
    assert first
    form = asked("POST", b"/save", b"text", referer=b"https://pas.test/page?bed=4")
    ward.sessions.refuse_stale_write(first, form, NOTE)
    fresh = await ward.sessions.again(seat(), ward.system, first)
    with pytest.raises(WriteNotSent):
        ward.sessions.refuse_stale_write(fresh, form, NOTE)
    with pytest.raises(WriteNotSent):
        ward.sessions.refuse_stale_write(fresh, asked("POST", b"/save", b"text"), NOTE)
    await ward.sessions.absorb(ward.system, fresh, asked(target=b"/page?bed=4"), html())
    ward.sessions.refuse_stale_write(fresh, form, NOTE)


async def test_where_a_log_on_has_come_to_is_told_apart() -> None:
    """Another page, another log-on, a restart: what was written before belongs to none of them."""
    ward = Ward()
    assert await ward.sessions.known(seat(), ward.system) == ""
    live = await ward.sessions.logged_on(seat(), ward.system)
    assert live
    await ward.sessions.absorb(ward.system, live, asked(target=b"/page?bed=4"), html())
    came_to = await ward.sessions.known(seat(), ward.system)
    assert came_to == await ward.sessions.known(seat(), ward.system) != ""
    await ward.sessions.absorb(ward.system, live, asked(target=b"/page?bed=5"), html())
    assert await ward.sessions.known(seat(), ward.system) != came_to
    fresh = await ward.sessions.again(seat(), ward.system, live)
    await ward.sessions.absorb(ward.system, fresh, asked(target=b"/page?bed=4"), html())
    assert await ward.sessions.known(seat(), ward.system) != came_to


async def test_a_log_on_survives_a_restart() -> None:
    """Another process on the same store goes on with the kept log-on and its cookies."""
    ward = Ward()
    live = await ward.sessions.logged_on(seat(), ward.system)
    assert live
    await ward.sessions.absorb(ward.system, live, asked(target=b"/seen"), html())
    await ward.sessions.keep()
    later = Ward(shelf=ward.shelf)
    again = await later.sessions.logged_on(seat(), later.system)
    assert again
    assert again.session.state == {"cookies": ["/seen"]}
    assert later.old.log_ons == []


async def test_a_restart_does_not_let_a_stale_form_through() -> None:
    """What a second log-on has shown is remembered across a restart, and nothing else."""
    ward = Ward()
    first = await ward.sessions.logged_on(seat(), ward.system)
    assert first
    fresh = await ward.sessions.again(seat(), ward.system, first)
    await ward.sessions.absorb(ward.system, fresh, asked(target=b"/new"), html())
    await ward.sessions.keep()
    later = Ward(shelf=ward.shelf)
    kept = await later.sessions.logged_on(seat(), later.system)
    assert kept
    later.sessions.refuse_stale_write(kept, asked("POST", referer=b"https://pas.test/new"), NOTE)
    with pytest.raises(WriteNotSent):
        later.sessions.refuse_stale_write(kept, asked("POST", referer=b"https://pas.test/old"), NOTE)


async def test_sign_off_logs_off_at_the_system() -> None:
    """Ending a session ends its log-ons there and forgets them here."""
    ward = Ward()
    await ward.sessions.logged_on(seat("one"), ward.system)
    await ward.sessions.logged_on(seat("two"), ward.system)
    await ward.sessions.end(seat("one"), {"pas": ward.system}, whole_shift=False)
    assert ward.old.log_offs == ["s1"]
    assert len(ward.shelf.kept) == 1


async def test_the_journal_never_sees_a_secret() -> None:
    """Events of log-ons name system and person, not the credential."""
    ward = Ward()
    ward.cards.secret = "sesame-opens"
    await ward.sessions.logged_on(seat(), ward.system)
    assert "sesame-opens" not in json.dumps([event.fields for event in ward.book.events])


async def test_where_a_system_is_survives_a_restart() -> None:
    """A form of a tab from before it is still judged by the patient that the system is at."""
    ward = Ward()
    live = await ward.sessions.logged_on(seat(), ward.system)
    assert live
    at = frozenset({PatientRef("system:pas", "H1")})
    live.dirty = live.current.moved(at)
    await ward.sessions.keep()
    version, kept = ward.shelf.kept[live.key]
    again = LogOn.of(live.key, kept, version)
    assert again.current.at == at
    assert again.current.marks(at) == live.current.marks(at)


def opens(patient: str) -> AccessRequest:
    """A look at one patient's page."""
    resource = replace(PAGE, patients=frozenset({PatientRef("system:pas", patient)}))
    return AccessRequest(seat().shift.principal, Action.READ, resource, Context(Device()))


async def test_a_form_that_names_nobody_goes_to_nobody_else() -> None:
    """Where the system keeps the patient: not once another page has brought it to somebody else, whether shown or only asked for."""
    ward = Ward()
    ward.system.keeps_patient = True
    live = await ward.sessions.logged_on(seat(), ward.system)
    assert live
    form = asked("POST", b"/save", b"text", referer=b"https://pas.test/notes")
    for patient, page in (("H1", b"/notes"), ("H2", b"/summary")):
        access = opens(patient)
        assert await ward.sessions.showed(ward.system, live, asked("GET", page), access, access.resource.patients)
    with pytest.raises(OtherPatient):
        await ward.sessions.refuse_other_patient(ward.system, live, form, NOTE)
    await ward.sessions.refuse_other_patient(ward.system, live, form, PAGE)
    await ward.sessions.refuse_other_patient(
        ward.system, live, form, replace(NOTE, patients=opens("H1").resource.patients)
    )
    await ward.sessions.refuse_other_patient(ward.system, live, form, NOTE)
    ward.system.keeps_patient = False
    assert await ward.sessions.showed(ward.system, live, form, opens("H2"), opens("H2").resource.patients) == ""


async def test_a_list_brings_the_system_to_nobody() -> None:
    """A work list names many, and is about none of them; so does a page without a patient."""
    ward = Ward()
    ward.system.keeps_patient = True
    live = await ward.sessions.logged_on(seat(), ward.system)
    access = replace(opens("H1"), action=Action.LIST)
    assert await ward.sessions.showed(ward.system, live, asked("GET", b"/list"), access, access.resource.patients) == ""
    assert await ward.sessions.showed(ward.system, live, asked("GET", b"/menu"), opens("H1"), frozenset()) == ""


async def test_a_form_that_came_too_late_is_about_its_page_s_patient() -> None:
    """And may be sent only while the system is surely there."""
    ward = Ward()
    form = asked("POST", b"/save", b"text", referer=b"https://pas.test/notes")
    assert await ward.sessions.written_on(seat(), ward.system, form) == (True, frozenset())
    ward.system.keeps_patient = True
    live = await ward.sessions.logged_on(seat(), ward.system)
    access = opens("H1")
    await ward.sessions.showed(ward.system, live, asked("GET", b"/notes"), access, access.resource.patients)
    assert await ward.sessions.written_on(seat(), ward.system, form) == (True, access.resource.patients)
    access = opens("H2")
    await ward.sessions.showed(ward.system, live, asked("GET", b"/notes"), access, access.resource.patients)
    assert await ward.sessions.written_on(seat(), ward.system, form) == (False, frozenset())
