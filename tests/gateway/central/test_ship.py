"""What writers have made durable arrives in the central journal: once, in order, and whatever happens to the database."""

from __future__ import annotations

import asyncio
import errno
import shutil
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.search import Question, found_by, search
from gateway.audit.segment import Record, read, segments, writers
from gateway.central.copy import CentralCopy
from gateway.errors import SearchUnavailable
from tests.counterparts.postgres import PASSWORD

from ..audit.accesses import KEY, NOBODY, PERMIT, SMALL, events, line, patient, read_of
from ..audit.faulty import FaultyDisk
from .places import CentralPlace, wait_until


def opened(data_dir: Path, name: str = "gateway", **given: object) -> Journal:
    return Journal.open(data_dir, KEY, **({"now": time.time, "name": name} | SMALL | given))  # type: ignore[arg-type]  # as Journal.open takes


def truth(data_dir: Path) -> list[tuple[str, int, int]]:
    return sorted((event["writer"], event["epoch"], event["seq"]) for event in events(data_dir))


def signed_on(number: int) -> AuditEvent:
    return AuditEvent(EventType.LOGIN_OK, float(number), {"subject": f"n-{number}", "text": "x" * 300})


async def test_every_writer_s_events_arrive_with_what_they_are_found_by(place: CentralPlace, tmp_path: Path) -> None:
    """The gateway's and the command line's, over several segments, with payload and mac as they stand on the disk."""
    journal, beside = opened(tmp_path), opened(tmp_path, "cli")
    with place.shipping(tmp_path):
        receipt = await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line("r-1"), b"{}")
        await journal.released(receipt, frozenset({patient("9990000026")}))
        for number in range(600):
            journal.note(signed_on(number))
        await beside.record(AuditEvent(EventType.AUDIT_READ, 5.0, {"user": "ana"}))
        await journal.record(signed_on(600))
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 604)
        await journal.close()
        await beside.close()
    assert place.places() == [(f"gateway/{w}" if w == "cli" else w, e, s) for w, e, s in reversed_last(truth(tmp_path))]
    assert len(segments(tmp_path / "journal" / "gateway")) > 1
    assert kept(place) == on_disk(tmp_path)
    assert {row[0] for row in place.rows("SELECT value FROM patient")} == {"9990000018", "9990000026"}
    assert place.rows("SELECT value FROM about WHERE kind = 'access.intent'") == [("session-1",)]
    assert place.states == ["ok"]


def reversed_last(places: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The command line's last: it is called `gateway/cli` there."""
    return sorted(places, key=lambda place: (place[0] == "cli", place))


def kept(place: CentralPlace) -> set[tuple[bytes, bytes]]:
    """Mac and payload of everything that is there."""
    return set(place.rows("SELECT mac, payload FROM event UNION ALL SELECT mac, payload FROM frame"))  # type: ignore[arg-type]  # two columns


def on_disk(data_dir: Path) -> set[tuple[bytes, bytes]]:
    return {
        (item.mac, item.payload)
        for folder in writers(data_dir)
        for path in segments(folder)
        for item in read(path)
        if isinstance(item, Record)
    }


async def fill(data_dir: Path, number: int, begin: int = 0, name: str = "gateway") -> None:
    """A writer that writes so many events and stops in good order."""
    journal = opened(data_dir, name)
    for one in range(begin, begin + number):
        journal.note(signed_on(one))
    await journal.close()


async def test_a_record_arrives_within_a_second(place: CentralPlace, tmp_path: Path) -> None:
    """Without anybody's asking for it; the bound is generous for a busy machine."""
    journal = opened(tmp_path)
    with place.shipping(tmp_path):
        await journal.record(signed_on(1))
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 1)
        begun = time.monotonic()
        await journal.record(signed_on(2))
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 2)
        assert time.monotonic() - begun < 3
        await journal.close()


async def test_a_database_that_stops_and_comes_back_loses_and_doubles_nothing(
    own_place: CentralPlace, tmp_path: Path
) -> None:
    """The journal goes on, it is an alarm within ten seconds, and all is there afterwards, in order. (F06)"""
    place, journal = own_place, opened(tmp_path)
    with place.shipping(tmp_path):
        await journal.record(signed_on(0))
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 1)
        place.server.kill()
        for number in range(1, 200):
            assert await journal.record(signed_on(number)) == number + 1
        await asyncio.to_thread(wait_until, lambda: place.states[-1:] == ["unavailable"], 10)
        place.server.begin()
        await asyncio.to_thread(wait_until, lambda: place.states[-1:] == ["ok"])
        await journal.close()
    assert place.places() == truth(tmp_path)
    assert [state for state in place.states if state != "behind"] == ["ok", "unavailable", "ok"]


async def test_a_server_that_stands_still_holds_one_thread_and_no_event(
    own_place: CentralPlace, tmp_path: Path
) -> None:
    """Nothing answers and nothing refuses: the shipper comes back by itself, and the journal has not waited. (F07)"""
    place, journal = own_place, opened(tmp_path)
    with place.shipping(tmp_path) as shipper:
        await journal.record(signed_on(0))
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 1)
        place.server.stand_still()
        try:
            longest = 0.0
            for number in range(1, 50):
                begun = time.monotonic()
                await journal.record(signed_on(number))
                longest = max(longest, time.monotonic() - begun)
                await asyncio.sleep(0.02)
            await asyncio.to_thread(wait_until, lambda: bool(shipper.failing), 15)
            assert longest < 2
            names = [thread.name for thread in threading.enumerate()]
            assert names.count("journal-shipper") == 1
        finally:
            place.server.go_on()
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 50)
        await journal.close()
    assert place.places() == truth(tmp_path)


async def test_a_locked_table_is_waited_for_a_second_and_tried_again(place: CentralPlace, tmp_path: Path) -> None:
    """Somebody holds the table for seconds: one connection of ours at most, an alarm, and everything once afterwards. (F07)"""
    journal = opened(tmp_path)
    with place.shipping(tmp_path) as shipper, closing(place.server.connect(place.database)) as holder:
        with holder.transaction():
            holder.execute("LOCK TABLE journal.event IN ACCESS EXCLUSIVE MODE")
            for number in range(20):
                await journal.record(signed_on(number))
            await asyncio.to_thread(wait_until, lambda: place.states[-1:] == ["unavailable"], 15)
            assert len(ours(place)) <= 1
            assert "lock" in shipper.failing
        await asyncio.to_thread(wait_until, lambda: place.states[-1:] == ["ok"])
        await journal.close()
    assert place.places() == truth(tmp_path)


async def test_a_database_that_takes_five_seconds_is_away(place: CentralPlace, tmp_path: Path) -> None:
    """A trigger sleeps: the statement is given up after its second, and nothing of it is there. (F07)"""
    place.do(
        "CREATE FUNCTION journal.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NEW; END'"
    )
    place.do("CREATE TRIGGER slow BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION journal.slow()")
    journal = opened(tmp_path)
    with place.shipping(tmp_path) as shipper:
        for number in range(20):
            await journal.record(signed_on(number))
        await asyncio.to_thread(wait_until, lambda: place.states[-1:] == ["unavailable"], 15)
        assert "timeout" in shipper.failing
        assert place.places() == []
        place.do("DROP TRIGGER slow ON event")
        await asyncio.to_thread(wait_until, lambda: place.states[-1:] == ["ok"])
        await journal.close()
    assert place.places() == truth(tmp_path)


def ours(place: CentralPlace) -> list[tuple[object, ...]]:
    """The gateway's connections to this database."""
    return place.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lanyard-journal'"
    )


async def test_what_was_sent_before_a_shipper_was_killed_is_not_doubled(place: CentralPlace, tmp_path: Path) -> None:
    """Even where the place that was reached is forgotten, each record is there once, and nothing differs."""
    await fill(tmp_path, 300)
    with place.shipping(tmp_path):
        pass
    place.do("DELETE FROM reached")
    await fill(tmp_path, 10)
    with place.shipping(tmp_path):
        pass
    assert place.places() == truth(tmp_path)
    assert place.states == ["ok"]


async def test_what_was_not_synced_is_not_sent(place: CentralPlace, tmp_path: Path) -> None:
    """An event whose sync failed was never acknowledged and may be cut again: another has its number in the end."""
    disk = FaultyDisk()
    journal = opened(tmp_path, disk=disk)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0, {"subject": "kept"}))
    go_on, began = threading.Event(), threading.Event()
    disk.before_sync = lambda: (began.set(), go_on.wait(20))[0]
    lost = asyncio.ensure_future(journal.record(AuditEvent(EventType.LOGIN_OK, 2.0, {"subject": "not yet"})))
    assert await asyncio.to_thread(began.wait, 20)
    with place.shipping(tmp_path):
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 1)
    assert len(place.places()) == 1
    disk.sync_errors = [errno.EIO] * 1_000_000
    go_on.set()
    assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], Exception)
    disk.sync_errors = []
    async with asyncio.timeout(20):
        while journal.state != "ok":
            await asyncio.sleep(0.02)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 3.0, {"subject": "another"}))
    with place.shipping(tmp_path):
        await journal.close()
    assert place.places() == truth(tmp_path)
    assert "not yet" not in {row[0] for row in place.rows("SELECT subject FROM event")}
    assert place.states == ["ok"]


async def test_two_gateways_of_one_name_are_told_and_not_mixed(place: CentralPlace, tmp_path: Path) -> None:
    """The second's events stand under its name and the number of its data directory."""
    here, there = tmp_path / "here", tmp_path / "there"
    await fill(here, 5)
    await fill(there, 7)
    with place.shipping(here):
        await asyncio.to_thread(wait_until, lambda: len(place.places()) == 5)
        with place.shipping(there):
            await asyncio.to_thread(wait_until, lambda: "name-taken" in place.states)
            await asyncio.to_thread(wait_until, lambda: len(place.places()) == 12)
    counted = dict(place.rows("SELECT writer, count(*) FROM event GROUP BY 1"))  # type: ignore[arg-type]  # two columns
    number = (there / "journal" / "installation").read_text()[:8]
    assert counted == {"gateway": 5, f"gateway@{number}": 7}


async def test_another_record_under_a_known_number_is_an_alarm(place: CentralPlace, tmp_path: Path) -> None:
    """A data directory that was copied goes on twice: what came first stays, and the difference is said."""
    await fill(tmp_path / "here", 5)
    with place.shipping(tmp_path / "here"):
        pass
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    await fill(tmp_path / "here", 5)
    await fill(tmp_path / "copy", 3, begin=100)
    with place.shipping(tmp_path / "here"):
        pass
    before = kept(place)
    place.do("DELETE FROM reached WHERE epoch = 2")
    with place.shipping(tmp_path / "copy"):
        await asyncio.to_thread(wait_until, lambda: "differs" in place.states)
    assert kept(place) >= before


async def test_a_zero_character_stops_nothing(place: CentralPlace, tmp_path: Path) -> None:
    """PostgreSQL knows none in a text: the event is found without it, and is there as it was written."""
    journal = opened(tmp_path)
    await journal.record(AuditEvent(EventType.LOGIN_OK, 1.0, {"subject": "n\0-1", "name": "\\u0000 N\0ia"}))
    await journal.close()
    with place.shipping(tmp_path):
        pass
    assert kept(place) == on_disk(tmp_path)
    with closing(CentralCopy(place.central)) as copy:
        (one,) = search(copy, Question(who="ia"))
        assert one.fields == {"subject": "n\0-1", "name": "\\u0000 N\0ia"}
        assert len(found_by(copy, "login.ok", "subject", ["n\ufffd-1"], since=0.0)) == 1


async def test_a_role_that_may_only_add_is_enough(place: CentralPlace, tmp_path: Path) -> None:
    """With the rights of docs/journal.md the gateway sends, asks and proves, and can neither change nor delete an event."""
    for statement in GRANTS:
        place.do(statement)
    less = replace(place, central=replace(place.central, place=replace(place.central.place, user="lanyard_adds")))
    await fill(tmp_path, 50)
    with less.shipping(tmp_path):
        pass
    assert place.places() == truth(tmp_path)
    with closing(CentralCopy(less.central)) as copy:
        assert len(search(copy, Question())) == 50
        for statement in (
            "DELETE FROM event",
            "UPDATE event SET name = 'x'",
            "DELETE FROM frame",
            "DELETE FROM writer",
        ):
            with pytest.raises(SearchUnavailable, match="permission denied"):
                copy.execute(statement)


GRANTS = (
    f"CREATE ROLE lanyard_adds LOGIN PASSWORD '{PASSWORD}'",
    "GRANT USAGE ON SCHEMA journal TO lanyard_adds",
    "GRANT SELECT, INSERT ON journal.event, journal.frame, journal.person, journal.patient, journal.about TO lanyard_adds",
    "GRANT SELECT, INSERT, UPDATE ON journal.writer, journal.reached TO lanyard_adds",
)
