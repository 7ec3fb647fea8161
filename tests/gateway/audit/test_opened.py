"""What was opened on a device, out of the journal: its own sessions' accesses, newest first, a page at a time."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from gateway.audit.asked import Copy
from gateway.audit.copying import NAME
from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.looking import local_copy
from gateway.audit.opened import became_of, opened_on, patients_of
from gateway.audit.search import catch_up, open_copy

from .accesses import DENY, KEY, NOBODY, PERMIT, SMALL, line, patient, read_of

PC, PHONE = "5f" * 16, "a1" * 16


class Clock:
    """A second later at each look."""

    at = 100.0

    def __call__(self) -> float:
        self.at += 1.0
        return self.at


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """Two sessions on a PC and one on a phone; three looks and a refusal on the PC, one look on the phone."""
    journal = Journal.open(tmp_path, KEY, now=(now := Clock()), **SMALL)
    await journal.record(AuditEvent(EventType.DEVICE_ENROLLED, now(), {"device_id": PC, "by": "ana"}))
    for session, device in (("s-1", PC), ("s-2", PC), ("s-3", PHONE), ("s-4", "")):
        await journal.record(AuditEvent(EventType.SESSION_SEATED, now(), {"session": session, "device_id": device}))
    looks = (("r-1", "s-1"), ("r-2", "s-3"), ("r-3", "s-2"), ("r-4", "s-4"), ("r-5", "s-1"))
    for request, session in looks:
        asked = line(request)._replace(session=session)
        receipt = await journal.intent(read_of("9990000018"), NOBODY, PERMIT, asked, b"{}")
        if request == "r-3":
            await journal.released(receipt, frozenset({patient("9990000026")}))
    await journal.intent(read_of("9990000034"), NOBODY, DENY, line("r-6")._replace(session="s-1"), b"{}")
    await journal.record(AuditEvent(EventType.DEVICE_REVOKED, now(), {"device_id": PC, "by": "bo"}))
    await journal.close()
    return tmp_path


def test_what_was_opened_on_a_device_is_its_sessions_accesses(copy: Copy) -> None:
    """Not another device's, not an unknown one's, and not what was refused."""
    found = opened_on(copy, [PC], since=0.0, limit=10)
    assert [one.fields["request"] for one in found] == ["r-5", "r-3", "r-1"]
    assert [one.fields["request"] for one in opened_on(copy, [PHONE], since=0.0, limit=10)] == ["r-2"]
    assert [one.fields["request"] for one in opened_on(copy, [PC, PHONE], since=0.0, limit=10)] == [
        "r-5", "r-3", "r-2", "r-1",
    ]  # fmt: skip
    assert opened_on(copy, ["ff" * 16], since=0.0, limit=10) == []


def test_a_page_begins_behind_the_last_place_of_the_page_before(copy: Copy) -> None:
    """None is shown twice and none is left out; what is older than the time asked for is not there."""
    pages, behind = [], None
    while page := opened_on(copy, [PC], since=0.0, limit=2, behind=behind):
        pages.append([one.fields["request"] for one in page])
        behind = page[-1].place
    assert pages == [["r-5", "r-3"], ["r-1"]]
    newest = opened_on(copy, [PC], since=0.0, limit=1)[0]
    assert opened_on(copy, [PC], since=newest.at, limit=9) == [newest]


def test_whoever_an_access_named_is_told_with_it(copy: Copy) -> None:
    """In the question or in the answer, each once."""
    named = patients_of(copy, opened_on(copy, [PC], since=0.0, limit=10))
    assert named == {
        "r-1": [("nhs-number", "9990000018")],
        "r-3": [("nhs-number", "9990000018"), ("nhs-number", "9990000026")],
        "r-5": [("nhs-number", "9990000018")],
    }


def test_what_became_of_a_device_is_told_with_who_did_it(copy: Copy) -> None:
    """Newest first."""
    found = became_of(copy, [PC], 10)
    assert [(one.type, one.fields["by"]) for one in found] == [("device.revoked", "bo"), ("device.enrolled", "ana")]
    assert [one.type for one in became_of(copy, [PC], 1)] == ["device.revoked"]
    assert became_of(copy, [PHONE], 10) == []


def test_no_question_reads_the_whole_journal(data_dir: Path) -> None:
    """Each part of it goes by an index: a journal of years answers as fast as one of a day."""
    plans: list[str] = []

    class Planned:
        def execute(self, asked: str, values: tuple[object, ...] = ()) -> list[object]:
            plans.extend(row[3] for row in here.execute(f"EXPLAIN QUERY PLAN {asked}", values))
            return []

    with local_copy(data_dir) as here:
        opened_on(Planned(), [PC], since=0.0, limit=1, behind=(1.0, "gateway", 1, 1))
        became_of(Planned(), [PC], 1)
        patients_of(Planned(), [])
    assert any("SEARCH about" in step for step in plans)
    assert [step for step in plans if step.startswith("SCAN") and ("event" in step or "about" in step)] == []


def test_a_copy_of_another_release_is_made_again(data_dir: Path) -> None:
    """Its tables lack what is asked for here; the journal has it."""
    with contextlib.closing(open_copy(data_dir)) as first:
        catch_up(data_dir, first)
        first.execute("DROP TABLE about")
        first.execute("PRAGMA user_version = 0")
    assert (data_dir / NAME).exists()
    with contextlib.closing(open_copy(data_dir)) as again:
        assert again.execute("SELECT count(*) FROM event").fetchone() == (0,)
        catch_up(data_dir, again)
        assert len(opened_on(again, [PC], since=0.0, limit=10)) == 3
