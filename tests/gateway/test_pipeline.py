"""The pipeline: decided, written down, carried, in this order; and what is told when a step fails."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.base import Share, State, SystemConfig
from connectors.errors import SystemMisbehaves, SystemUnavailable
from connectors.messages import Body, InboundRequest, UpstreamRequest, UpstreamResponse
from connectors.webform import WebformConnector
from gateway.audit.event import AssetReceipt, AuditReceipt, RequestLine
from gateway.errors import CrossSite, JournalUnavailable, UpstreamUnavailable, WriteUnknown
from gateway.pipeline import Answer, Pipeline, Refusal
from gateway.proxy.breaker import Breaker
from gateway.proxy.limits import Bulkhead
from gateway.proxy.passage import Passage
from gateway.sessions import Seat
from gateway.systems import System
from policies.bundle import Bundle
from policies.engine import CedarEngine
from policies.model import Device, Ownership, PatientRef, Posture, Principal
from sso.session import Session
from sso.shift import Shift
from tests.gateway.installation import FORM

OPTIONS: dict[str, Any] = {
    **FORM,
    "routes": [
        {"id": "css", "path": "/app.css", "asset": True},
        {
            "id": "page",
            "path": "/page",
            "kind": "note",
            "action": "read",
            "patient": {"in": "answer", "pattern": "No: (H[0-9]+)"},
        },
        {"id": "known", "path": "/p/{id}", "kind": "note", "action": "read", "patient": {"in": "path", "name": "id"}},
        {"id": "save", "methods": ["POST"], "path": "/save", "kind": "note", "action": "write"},
    ],
}
ENGINE = CedarEngine(Bundle.load())
LOGGED_OFF = UpstreamResponse(302, ((b"location", b"/login"),), Body.of(b""))


class Diary:
    """A journal that notes the order in which it is told, and fails when told to."""

    def __init__(self, told: list[str], failing: str = "") -> None:
        self.told, self.failing = told, failing

    async def intent(self, access: Any, facts: Any, decision: Any, line: RequestLine, question: bytes) -> AuditReceipt:
        if self.failing == "intent":
            raise JournalUnavailable("disk-full", "no room")
        verdict = type(decision).__name__.lower()
        self.told.append(f"intent {verdict}")
        return AuditReceipt(line.id, verdict, 1, access.patients)

    async def released(self, receipt: AuditReceipt, seen: frozenset[PatientRef]) -> AuditReceipt:
        if self.failing == "released":
            raise JournalUnavailable("disk-full", "no room")
        self.told.append(f"released {sorted(ref.value for ref in seen)}")
        return receipt

    def completed(self, receipt: Any, status: int, sent: int, outcome: str) -> None:
        self.told.append(outcome)

    def count(self, access: Any, line: RequestLine) -> AssetReceipt:
        self.told.append("counted")
        return AssetReceipt(line.id)


class Wire:
    """A transport that answers what it was given, and notes what was asked."""

    def __init__(self, told: list[str], answers: list[UpstreamResponse | Exception]) -> None:
        self.told, self.answers = told, answers

    async def send(self, origin: Any, request: UpstreamRequest, *_: Any, **__: Any) -> UpstreamResponse:
        self.told.append(f"{request.method} {request.target.decode()}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class NoLogOn:
    """Upstream sessions of a system that needs none."""

    async def logged_on(self, seat: Seat, system: System) -> None:
        return None

    async def showed(self, *_: Any) -> str:
        return ""


class Gate:
    """A pipeline with its rooms replaced by notebooks; `told` is everything in order."""

    def __init__(self, *answers: UpstreamResponse | Exception, failing: str = "", role: str = "nurse") -> None:
        self.told: list[str] = []
        parts: dict[str, Any] = {"journal": Diary(self.told, failing), "transport": Wire(self.told, list(answers))}
        self.pipeline = Pipeline(
            ENGINE,
            parts["journal"],
            parts["transport"],
            NoLogOn(),
            (),
            lambda: 0.0,  # type: ignore[arg-type]  # a notebook
        )
        self.system = _system()
        principal = Principal("https://op", "n", "N", role, frozenset({role}), assurance=2)
        device = Device(ownership=Ownership.SHARED, posture=Posture.ON_SITE)
        self.seat = Seat(Session("s", "t", 0, 0, 300, device), Shift("t", principal, 0, 9e9, 0, 0), "pas.test")

    async def ask(
        self, method: str, target: bytes, *headers: tuple[bytes, bytes], body: bytes = b""
    ) -> Answer | Refusal:
        own = headers or ((b"sec-fetch-site", b"same-origin"),)
        inbound = InboundRequest("r1", method, target, own, Body.of(body), "https", "pas.test")
        line = RequestLine("r1", "s", "t", method, target, "10.0.0.1")
        return await self.pipeline.broker(self.system, inbound, self.seat, line)


def _system() -> System:
    table: Any = type("Table", (), {"name": "pas", "title": "Old PAS"})
    passage = Passage(b"https://pas.test", b"", b"http://old", b"", b"old", translate=True)
    origin: Any = object()
    manifest: Any = object()
    connector = WebformConnector(SystemConfig("pas", "Old PAS", "http://old", OPTIONS, 1024))
    return System(
        table,
        manifest,
        connector,
        origin,
        passage,
        Bulkhead("Old PAS", 4),
        Breaker("Old PAS", float),
        "pas.test",
        Share.SESSION,
        State.BROKERED,
    )


def page(text: bytes, kind: bytes = b"text/html", status: int = 200) -> UpstreamResponse:
    return UpstreamResponse(status, ((b"content-type", kind),), Body.of(text))


async def test_a_look_is_written_down_before_the_system_is_asked() -> None:
    """Intent, then the request, then the answer."""
    gate = Gate(page(b"hello"))
    assert isinstance(await gate.ask("GET", b"/p/H1"), Answer)
    assert gate.told == ["intent permit", "GET /p/H1"]


async def test_a_patient_that_only_the_answer_names_is_written_down_before_it_leaves() -> None:
    """The release is in the journal when the answer is handed over; a patient who was known is not written twice."""
    gate = Gate(page(b"<p>No: H7</p>"))
    await gate.ask("GET", b"/page")
    assert gate.told == ["intent permit", "GET /page", "released ['H7']"]


async def test_a_refusal_is_written_down_and_nothing_is_asked() -> None:
    """The receptionist's look at notes never reaches the system."""
    gate = Gate(role="receptionist")
    outcome = await gate.ask("GET", b"/p/H1")
    assert isinstance(outcome, Refusal)
    assert outcome.decision.reason.code
    assert gate.told == ["intent deny"]


async def test_without_a_journal_nothing_is_asked() -> None:
    """An intent that cannot be made durable ends the journey."""
    gate = Gate(page(b"x"), failing="intent")
    with pytest.raises(JournalUnavailable):
        await gate.ask("GET", b"/p/H1")
    assert gate.told == []


async def test_without_a_journal_nothing_that_was_answered_is_handed_over() -> None:
    """A release that cannot be made durable: the answer is closed and told as incomplete."""
    closed: list[bool] = []
    answer = page(b"No: H7")
    answer.close = lambda: closed.append(True)
    gate = Gate(answer, failing="released")
    with pytest.raises(JournalUnavailable):
        await gate.ask("GET", b"/page")
    assert closed == [True]
    assert gate.told[-1] == "incomplete"


async def test_a_write_without_an_answer_is_told_as_unknown() -> None:
    """It was sent and nobody knows whether it was done: that is what is said, and it is not sent again."""
    gate = Gate(UpstreamUnavailable("gone", sent=True))
    with pytest.raises(WriteUnknown):
        await gate.ask("POST", b"/save", body=b"note=x")
    assert gate.told == ["intent permit", "POST /save", "write-aborted"]


async def test_a_write_that_never_left_is_not_called_unknown() -> None:
    """The connection was refused: the system saw nothing."""
    gate = Gate(UpstreamUnavailable("refused", sent=False))
    with pytest.raises(SystemUnavailable) as caught:
        await gate.ask("POST", b"/save", body=b"note=x")
    assert not isinstance(caught.value, WriteUnknown)


async def test_a_look_without_an_answer_is_told_as_unavailable() -> None:
    """A look that failed changes nothing, and its intent has its end."""
    gate = Gate(UpstreamUnavailable("gone", sent=True))
    with pytest.raises(SystemUnavailable):
        await gate.ask("GET", b"/p/H1")
    assert gate.told[-1] == "incomplete"


@pytest.mark.parametrize(
    "headers",
    [
        ((b"sec-fetch-site", b"cross-site"), (b"origin", b"https://evil.test")),
        ((b"sec-fetch-site", b"same-site"), (b"origin", b"https://other.test")),
        ((b"origin", b"https://pas.test.evil.test"),),
        ((b"accept", b"text/html"),),
    ],
)
async def test_a_write_from_another_page_is_refused_before_anything(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """BR-228, BR-230: another site's form, a sibling host's, or one that does not say where it comes from."""
    gate = Gate()
    with pytest.raises(CrossSite):
        await gate.ask("POST", b"/save", *headers, body=b"note=x")
    assert gate.told == []


async def test_an_asset_is_counted_and_must_be_one() -> None:
    """A style sheet is counted; a page in its place is not passed on."""
    gate = Gate(page(b"p{}", b"text/css"))
    assert isinstance(await gate.ask("GET", b"/app.css"), Answer)
    assert gate.told == ["counted", "GET /app.css"]
    with pytest.raises(SystemMisbehaves):
        await Gate(page(b"<p>record")).ask("GET", b"/app.css")
