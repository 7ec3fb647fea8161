"""Who saw what: the copy holds each event once, whatever happens to it, and the journal goes on without it."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.asked import Copy
from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.search import Question, SearchCopy, catch_up, found_by, open_copy, search
from gateway.audit.segment import segments
from gateway.audit.verify import verify

from .accesses import DENY, KEY, NOBODY, PERMIT, SMALL, events, line, patient, read_of
from .faulty import FaultyDisk


def opened(data_dir: Path, **given: object) -> Journal:
    return Journal.open(data_dir, KEY, now=lambda: 5.0, **SMALL, **given)  # type: ignore[arg-type]  # as Journal.open takes


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """Two looks at two patients, one of them learnt from the answer, a refusal, and a log-on."""
    journal = opened(tmp_path)
    first = await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line("r-1"), b"{}")
    await journal.released(first, frozenset({patient("9990000026")}))
    journal.completed(first, 200, 10, "complete")
    await journal.intent(read_of("9990000018"), NOBODY, DENY, line("r-2"), b"{}")
    await journal.record(AuditEvent(EventType.LOGIN_OK, 9.0, {"subject": "d-1", "name": "Dan 100% Doctor"}))
    await journal.close()
    return tmp_path


def found(data_dir: Path, **asked: object) -> list[tuple[str, int]]:
    """Type and sequence of what is found, newest first."""
    copy = open_copy(data_dir)
    try:
        catch_up(data_dir, copy)
        return [(f.type, f.seq) for f in search(copy, Question(**asked))]  # type: ignore[arg-type]  # a question's fields
    finally:
        copy.close()


def copied(data_dir: Path) -> list[tuple[str, int, int]]:
    """What the copy holds; nothing while it is being made."""
    copy = sqlite3.connect(data_dir / "search.db")
    try:
        return copy.execute("SELECT writer, epoch, seq FROM event ORDER BY 1, 2, 3").fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        copy.close()


def truth(data_dir: Path) -> list[tuple[str, int, int]]:
    return sorted((event["writer"], event["epoch"], event["seq"]) for event in events(data_dir))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("asked", "sequences"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"who": "n-1"}, [4, 1]),
        ({"who": "nia"}, [4, 1]),
        ({"who": "100%"}, [5]),
        ({"who": "1_0"}, []),
        ({"patient": "999 000 0018"}, [4, 3, 2, 1]),
        ({"patient": "9990000026"}, [3, 2, 1]),
        ({"patient": "' OR 1=1 --"}, []),
        ({"type": "access.denied"}, [4]),
        ({"system": "epr"}, [4, 1]),
        ({"request": "r-1"}, [3, 2, 1]),
        ({"since": 9.0}, [5]),
        ({"until": 9.0}, [4, 3, 2, 1]),
        ({"limit": 2}, [5, 4]),
        ({"patient": "9990000018", "type": "access.denied"}, [4]),
    ],
)
def test_a_question_finds_what_it_names(copy: Copy, asked: dict[str, object], sequences: list[int]) -> None:
    """Who, patient (also where only the answer named them), system, type, time and request, alone and together."""
    assert [one.seq for one in search(copy, Question(**asked))] == sequences  # type: ignore[arg-type]  # a question's fields


def test_the_next_page_begins_behind_the_last(copy: Copy) -> None:
    """Pages of two give everything once, in one order."""
    pages, behind = list[int](), None
    while page := search(copy, Question(limit=2, behind=behind)):
        pages += [one.seq for one in page]
        behind = page[-1].place
    assert pages == [5, 4, 3, 2, 1]


def test_events_are_found_by_a_field_that_is_no_column(copy: Copy) -> None:
    """The shift of an access; a field that names another, or an event of another type, is not found."""
    assert [one.seq for one in found_by(copy, "access.intent", "shift", ["shift-1", "shift-2"], since=0.0)] == [1]
    assert found_by(copy, "access.intent", "shift", ["shift-2"], since=0.0) == []
    assert found_by(copy, "login.ok", "shift", ["shift-1"], since=0.0) == []


def test_each_event_is_stored_once_however_often_it_is_read(data_dir: Path) -> None:
    """A copy that forgets how far it got reads again and adds nothing."""
    found(data_dir)
    with sqlite3.connect(data_dir / "search.db") as copy:
        copy.execute("DELETE FROM reached")
    copy.close()
    found(data_dir)
    assert copied(data_dir) == truth(data_dir)


def test_a_deleted_copy_is_made_again(data_dir: Path) -> None:
    """The segments are enough."""
    before = found(data_dir)
    for file in data_dir.glob("search.db*"):
        file.unlink()
    assert found(data_dir) == before


def test_a_copy_that_is_no_database_is_put_aside(data_dir: Path) -> None:
    """Garbage in its place is kept for whoever wants to know, and a new copy is made."""
    (data_dir / "search.db").write_bytes(b"no database at all" * 100)
    assert len(found(data_dir)) == 5
    assert (data_dir / "search.db.damaged").read_bytes().startswith(b"no database")


def test_nobody_else_may_read_the_copy(data_dir: Path) -> None:
    """It names patients: the gateway's user alone may open it."""
    found(data_dir)
    assert {file.stat().st_mode & 0o077 for file in data_dir.glob("search.db*")} == {0}


async def test_what_was_cut_from_a_segment_goes_from_the_copy(tmp_path: Path) -> None:
    """An event that was read before its sync failed was never acknowledged: another takes its place, in the copy too."""
    disk = FaultyDisk()
    journal = opened(tmp_path, disk=disk)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0, {"subject": "kept"}))
    go_on, began = threading.Event(), threading.Event()
    disk.before_sync = lambda: (began.set(), go_on.wait(20))[0]
    lost = asyncio.ensure_future(journal.record(AuditEvent(EventType.LOGIN_OK, 2.0, {"subject": "not yet"})))
    assert await asyncio.to_thread(began.wait, 20)
    assert found(tmp_path, who="not yet") == [("login.ok", 2)]
    disk.sync_errors = [errno.EIO] * 1_000_000
    go_on.set()
    assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], Exception)
    disk.sync_errors = []
    async with asyncio.timeout(20):
        while journal.state != "ok":
            await asyncio.sleep(0.02)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 3.0, {"subject": "another"}))
    await journal.close()
    assert found(tmp_path, who="not yet") == []
    assert len(found(tmp_path, who="another")) == 1
    assert copied(tmp_path) == truth(tmp_path)
    assert verify(tmp_path, KEY).whole


async def test_the_copy_follows_a_running_journal_over_its_segments(tmp_path: Path) -> None:
    """Events arrive in the copy while the gateway runs, through rotation, from every writer."""
    heard: list[tuple[str, str]] = []
    journal = opened(tmp_path)
    copy = SearchCopy(tmp_path, lambda control, state: heard.append((control, state)), every=0.01)
    beside = opened(tmp_path, name="cli")
    for n in range(600):
        journal.note(AuditEvent(EventType.LOGIN_OK, 1.0, {"n": n, "text": "x" * 500}))
        await beside.record(AuditEvent(EventType.AUDIT_READ, 1.0)) if n % 100 == 0 else None
    await journal.record(AuditEvent(EventType.LOGIN_OK, 2.0))
    assert len(segments(tmp_path / "journal" / "gateway")) > 1
    await asyncio.to_thread(wait_until, lambda: len(copied(tmp_path)) == 607)
    await journal.close()
    await beside.close()
    copy.close()
    assert copied(tmp_path) == truth(tmp_path)
    assert heard == []


async def test_a_locked_copy_is_alarmed_and_the_journal_goes_on(tmp_path: Path) -> None:
    """While somebody locks the database, events are acknowledged as ever; afterwards the copy catches up. (F06, F07)"""
    heard: list[tuple[str, str]] = []
    journal = opened(tmp_path)
    open_copy(tmp_path).close()
    holder = sqlite3.connect(tmp_path / "search.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    copy = SearchCopy(tmp_path, lambda control, state: heard.append((control, state)), every=0.01)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0))
    await asyncio.to_thread(wait_until, lambda: heard == [("search-copy", "failing")])
    assert copy.failing
    assert await journal.record(AuditEvent(EventType.LOGIN_OK, 2.0)) == 2
    holder.execute("ROLLBACK")
    holder.close()
    await asyncio.to_thread(wait_until, lambda: heard[-1] == ("search-copy", "ok"))
    await journal.close()
    copy.close()
    assert copied(tmp_path) == truth(tmp_path)


async def test_a_copy_taken_away_is_alarmed_and_made_again(tmp_path: Path) -> None:
    """Somebody deletes the database under the running gateway: it is said, and the copy is whole again."""
    heard: list[tuple[str, str]] = []
    journal = opened(tmp_path)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0))
    copy = SearchCopy(tmp_path, lambda control, state: heard.append((control, state)), every=0.01)
    await asyncio.to_thread(wait_until, lambda: (tmp_path / "search.db").exists() and copied(tmp_path) != [])
    for file in tmp_path.glob("search.db*"):
        file.unlink()
    await asyncio.to_thread(wait_until, lambda: heard[-2:] == [("search-copy", "failing"), ("search-copy", "ok")])
    await journal.close()
    copy.close()
    assert copied(tmp_path) == truth(tmp_path)
