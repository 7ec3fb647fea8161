"""What the journal acknowledges, in which order, and what an event says."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.verify import verify
from gateway.errors import JournalUnavailable
from policies.decision import Obligation, Permit, Reason

from .accesses import DENY, KEY, NOBODY, PERMIT, SMALL, events, line, of_type, patient, read_of, records

QUESTION = b'{"action":"read"}'


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    clock = itertools.count(1_000)
    opened = Journal.open(tmp_path, KEY, now=lambda: float(next(clock)), **SMALL)
    yield opened
    await opened.close()


async def test_a_thousand_at_once_get_distinct_increasing_sequences(journal: Journal, tmp_path: Path) -> None:
    """A thousand requests in the same instant get a thousand places, in the order in which they came."""
    told = [
        asyncio.ensure_future(journal.intent(read_of(), NOBODY, PERMIT, line(f"r-{n}"), QUESTION)) for n in range(1000)
    ]
    receipts = await asyncio.gather(*told)
    assert [receipt.sequence for receipt in receipts] == list(range(1, 1001))
    assert [fields["request"] for fields in of_type(tmp_path, "access.intent")] == [f"r-{n}" for n in range(1000)]


async def test_what_is_acknowledged_can_be_read_at_once(journal: Journal, tmp_path: Path) -> None:
    """When `record` returns, the event stands in the segment, at the sequence that was returned."""
    sequence = await journal.record(AuditEvent(EventType.LOGIN_OK, 5.0, {"subject": "n-1"}))
    (event,) = events(tmp_path)
    assert (event["seq"], event["type"], event["at"], event["writer"]) == (sequence, "login.ok", 5.0, "gateway")


async def test_what_happened_together_is_written_in_its_order(journal: Journal, tmp_path: Path) -> None:
    """Several events of one sign-on wait once for the disk; the last one's sequence comes back."""
    kinds = EventType.LOGIN_OK, EventType.SHIFT_STARTED, EventType.SESSION_SEATED
    sequence = await journal.record(*(AuditEvent(kind, 5.0, {"subject": "n-1"}) for kind in kinds))
    written = events(tmp_path)
    assert [event["type"] for event in written] == [kind.value for kind in kinds]
    assert written[-1]["seq"] == sequence == 3


async def test_an_intent_says_who_what_where_and_under_which_rule(journal: Journal, tmp_path: Path) -> None:
    """An auditor finds every answer in the one event."""
    decision = Permit(
        ("nurses-read",), "v1", "a" * 64, frozenset({Obligation("no_export")}), Reason("off-site", "away", ("o1",))
    )
    access = read_of("9990000018")
    said = line("r-9", target=b"/Observation?patient=\xe9", parameters=(("patient", "1"),), proof_age=30)
    receipt = await journal.intent(access, NOBODY, decision, said, QUESTION)
    (fields,) = of_type(tmp_path, "access.intent")
    assert fields == {
        "action": "read", "agent": "Firefox", "device": "Ward 7 PC 3", "disclosure": "opened", "input_hash": "a" * 64,
        "issuer": "https://id.example", "kind": "observation", "method": "GET", "name": "Nia Nurse", "organisation": "RBA",
        "patients": [["nhs-number", "9990000018"]], "policy": "v1", "proof": "federated", "proof_age": 30,
        "purpose": "TREAT", "request": "r-9", "role": "R8001", "route": "read", "session": "session-1",
        "shift": "shift-1", "source": "10.0.0.1", "subject": "n-1", "system": "epr",
        "target": "/Observation?patient=é", "zone": "ward", "parameters": [["patient", "1"]], "rules": ["nurses-read"],
        "observed": {"reason": "off-site", "rules": ["o1"]}, "obligations": ["no_export"],
    }  # fmt: skip
    assert (receipt.request, receipt.verdict, receipt.patients) == ("r-9", "permit", access.patients)


async def test_a_refusal_says_why_and_what_would_help(journal: Journal, tmp_path: Path) -> None:
    """A denied request is journalled with its reason, its rules and its remedies."""
    receipt = await journal.intent(read_of("1"), NOBODY, DENY, line(), QUESTION)
    (fields,) = of_type(tmp_path, "access.denied")
    assert (fields["reason"], fields["rules"], fields["remedies"]) == ("no-permit", ["r1"], ["step_up"])
    assert receipt.verdict == "deny"


async def test_the_engine_s_input_stands_once_in_each_segment(journal: Journal, tmp_path: Path) -> None:
    """Each segment can be read by itself: it holds each question once, and its hash every time."""
    for n in range(500):
        await journal.intent(read_of(), NOBODY, PERMIT, line(f"r-{n}"), QUESTION)
    inputs = [path for path, record in records(tmp_path) if json.loads(record.payload).get("input")]
    assert len(set(inputs)) > 1
    assert sorted(inputs) == sorted({path for path, record in records(tmp_path) if b"access.intent" in record.payload})


async def test_patients_that_the_answer_names_are_durable_before_it_leaves(journal: Journal, tmp_path: Path) -> None:
    """`released` returns a receipt that covers them, and they stand in the segment by then."""
    receipt = await journal.intent(read_of("1"), NOBODY, PERMIT, line("r-2"), QUESTION)
    covering = await journal.released(receipt, frozenset({patient("2"), patient("3")}))
    assert of_type(tmp_path, "record.released") == [
        {"patients": [["nhs-number", "2"], ["nhs-number", "3"]], "request": "r-2"}
    ]
    assert covering.patients == {patient("1"), patient("2"), patient("3")}
    assert covering.sequence > receipt.sequence


async def test_a_long_list_names_every_patient_in_events_of_bounded_length(journal: Journal, tmp_path: Path) -> None:
    """A ward list of two thousand patients loses none of them, and no event is longer than 16 KiB."""
    everybody = [f"999{n:07d}" for n in range(2000)]
    receipt = await journal.intent(read_of(*everybody[:900]), NOBODY, PERMIT, line("r-3"), QUESTION)
    await journal.released(receipt, frozenset(map(patient, everybody[900:])))
    named = [p for e in events(tmp_path) for _, p in e["fields"]["patients"]]
    assert sorted(named) == everybody
    assert {e["fields"]["request"] for e in events(tmp_path)} == {"r-3"}
    assert max(len(record.payload) for _, record in records(tmp_path)) <= 16_384


@pytest.mark.parametrize("character", ["A", "\x01", "é", "\U0001f489", "\ud800"])
async def test_long_fields_are_cut_with_a_mark_and_a_digest(journal: Journal, tmp_path: Path, character: str) -> None:
    """A 64 KiB user agent, target and parameter are cut, and the event is accepted whole. (HTTP-277)"""
    agent = character * 65_536
    said = line("r-4", agent=agent, target=b"/" + b"\x01" * 7000, parameters=(("q", agent),) * 50)
    await journal.intent(read_of("1"), NOBODY, PERMIT, said, QUESTION)
    (fields,) = of_type(tmp_path, "access.intent")
    assert hashlib.sha256(agent.encode("utf-8", "backslashreplace")).hexdigest()[:32] in fields["agent"]
    assert fields["patients"] == [["nhs-number", "1"]]
    assert max(len(record.payload) for _, record in records(tmp_path)) <= 16_384


async def test_an_event_of_any_shape_is_bounded_and_written(journal: Journal, tmp_path: Path) -> None:
    """Deep, huge, wide and unknown values become a bounded event, never an error that costs the record of it."""
    deep: object = "x"
    for _ in range(300):
        deep = [deep]
    odd = {"a": deep, "b": 1 << 80, "c": b"bytes", "d": {n: "y" * 900 for n in range(300)}, "request": "r-5"}
    await journal.record(AuditEvent(EventType.CONNECTOR_ERROR, 1.0, odd))
    (fields,) = of_type(tmp_path, "connector.error")
    assert fields["request"] == "r-5"
    assert max(len(record.payload) for _, record in records(tmp_path)) <= 16_384


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [("complete", "record.completed"), ("incomplete", "record.incomplete"), ("write-aborted", "write.aborted")],
)
async def test_an_end_is_written_behind_the_answer(tmp_path: Path, outcome: str, kind: str) -> None:
    """Status and bytes follow in a later group, under the request's id."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
    receipt = await journal.intent(read_of("1"), NOBODY, PERMIT, line("r-6"), QUESTION)
    journal.completed(receipt, 200, 4096, outcome)  # type: ignore[arg-type]  # one of the literals, from the table above
    await journal.close()
    assert of_type(tmp_path, kind) == [{"bytes": 4096, "request": "r-6", "status": 200}]
    assert verify(tmp_path, KEY).unended == 0


async def test_an_intent_without_an_end_counts_as_released(tmp_path: Path) -> None:
    """Nobody can say that the answer did not arrive: verify lists the request."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
    await journal.intent(read_of("1"), NOBODY, PERMIT, line("r-7"), QUESTION)
    await journal.close()
    (writer,) = verify(tmp_path, KEY).writers
    assert writer.unended == {"r-7"}


async def test_assets_and_rejected_requests_are_sums(tmp_path: Path) -> None:
    """A thousand style sheets and a thousand malformed requests are one event each, with a count."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
    for _ in range(1000):
        journal.count(read_of(), line())
        journal.reject("10.0.0.9", "bad-target")
    await journal.close()
    assert of_type(tmp_path, "record.completed") == [{"assets": 1000, "session": "session-1", "system": "epr"}]
    assert of_type(tmp_path, "request.rejected") == [{"count": 1000, "reason": "bad-target", "source": "10.0.0.9"}]


async def test_a_flood_from_everywhere_is_counted_in_bounded_memory(tmp_path: Path) -> None:
    """A hundred thousand sources fill a thousand places and one more; no request is left out of the sum."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
    for n in range(100_000):
        journal.reject(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "bad-target")
    await journal.close()
    rejected = of_type(tmp_path, "request.rejected")
    assert len(rejected) == 1025
    assert sum(fields["count"] for fields in rejected) == 100_000


async def test_an_alarm_is_an_event_and_reaches_whoever_listens(tmp_path: Path) -> None:
    """A failing control is told once, to the operators and to the journal; a listener that breaks stops neither."""
    heard = []

    def listen(control: str, state: str) -> None:
        heard.append((control, state))
        raise RuntimeError("the metrics are broken")

    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, alarm=listen, **SMALL)
    for state in ("failing", "failing", "ok"):
        journal.alarm("search-copy", state)
    await journal.close()
    assert heard == [("search-copy", "failing"), ("search-copy", "ok")]
    assert [fields["state"] for fields in of_type(tmp_path, "control.failure")] == ["failing", "ok"]


async def test_a_second_writer_is_refused(journal: Journal, tmp_path: Path) -> None:
    """Two gateways on one folder would fork the chain: the second does not start, and says why. (AUD-289)"""
    with pytest.raises(JournalUnavailable, match="another process writes to") as refused:
        Journal.open(tmp_path, KEY, now=lambda: 1.0)
    assert refused.value.reason == "locked"
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0))


async def test_another_writer_s_chain_stands_beside(journal: Journal, tmp_path: Path) -> None:
    """The command line writes beside a running gateway, in a chain of its own; both verify."""
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0))
    beside = Journal.open(tmp_path, KEY, now=lambda: 1.0, name="cli", **SMALL)
    await beside.record(AuditEvent(EventType.AUDIT_READ, 1.0, {"question": {}}))
    await beside.close()
    report = verify(tmp_path, KEY)
    assert report.whole
    assert [(w.name, w.events, w.being_written) for w in report.writers] == [("cli", 1, False), ("gateway", 1, True)]


async def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    """After `close` an event is refused rather than lost."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
    await journal.close()
    with pytest.raises(JournalUnavailable) as refused:
        await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0))
    assert refused.value.reason == "closed"


async def test_each_opening_is_an_epoch(tmp_path: Path) -> None:
    """The epoch rises with each start, the sequence goes on, and the chain runs through."""
    for _ in range(3):
        journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
        await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0))
        await journal.close()
    assert [(event["epoch"], event["seq"]) for event in events(tmp_path)] == [(1, 1), (2, 2), (3, 3)]
    assert verify(tmp_path, KEY).whole


async def test_somebody_who_gave_up_waiting_stops_nobody(journal: Journal) -> None:
    """A request cancelled while its event is being written leaves the others of its group alone."""
    tasks = [asyncio.ensure_future(journal.intent(read_of(), NOBODY, PERMIT, line(), QUESTION)) for _ in range(20)]
    await asyncio.sleep(0)  # let each queue its event
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) == 10
    assert all(outcome.verdict == "permit" for outcome in outcomes if not isinstance(outcome, BaseException))


def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    """A short key makes no chain."""
    with pytest.raises(JournalUnavailable, match="lanyard key new"):
        Journal.open(tmp_path, b"short", now=lambda: 1.0)
