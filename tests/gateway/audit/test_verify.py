"""Whatever somebody without the key does to the segments, verify names the place; what is proven until there stays proven."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.search import catch_up, open_copy
from gateway.audit.segment import FRAME, Record, canonical, frame, segments
from gateway.audit.verify import verify

from .accesses import KEY, SMALL, records

EVENTS = 700  # over three segments


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """A whole journal of several segments, closed in good order."""
    journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, **SMALL)
    for number in range(EVENTS):
        event = AuditEvent(EventType.LOGIN_OK, float(number), {"n": number, "text": "x" * 400})
        await journal.record(event) if number % 50 == 0 else journal.note(event)
    await journal.close()
    assert len(segments(tmp_path / "journal" / "gateway")) >= 3
    return tmp_path


def event(data_dir: Path, number: int) -> tuple[Path, Record]:
    """Where the event of that sequence stands."""
    return next(found for found in records(data_dir) if b'"seq":%d,' % number in found[1].payload)


def put(path: Path, at: int, until: int, data: bytes) -> None:
    """Replace a part of a segment."""
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + data + whole[until:])


def bad(data_dir: Path) -> tuple[str, int]:
    """What verify finds, and how many events it proves before."""
    report = verify(data_dir, KEY)
    assert not report.whole
    return report.writers[0].bad, report.events


def with_checksum(record: Record, payload: bytes) -> bytes:
    return FRAME.pack(len(payload), zlib.crc32(payload), record.mac) + payload


def test_a_whole_journal_verifies_with_what_it_holds(data_dir: Path) -> None:
    """Every event is counted by type, the time until which it is proven is told, and that it was closed."""
    heard = list[int]()
    report = verify(data_dir, KEY, heard.append)
    (writer,) = report.writers
    assert report.whole
    assert writer.orderly
    assert (report.events, dict(writer.types), writer.until) == (EVENTS, {"login.ok": EVENTS}, EVENTS - 1.0)


def test_no_journal_is_not_a_whole_one(tmp_path: Path) -> None:
    """A folder without any writer proves nothing."""
    assert not verify(tmp_path, KEY).whole


@pytest.mark.parametrize("part", ["length", "checksum", "mac", "payload"])
@pytest.mark.parametrize("number", [1, 333, EVENTS])
def test_one_flipped_byte_is_found_at_its_record(data_dir: Path, number: int, part: str) -> None:
    """The first, a middle and the last event: verify names segment and byte. (AUD-280)"""
    path, record = event(data_dir, number)
    at = record.offset + {"length": 2, "checksum": 5, "mac": 20, "payload": 60}[part]
    put(path, at, at + 1, bytes([path.read_bytes()[at] ^ 1]))
    said, proven = bad(data_dir)
    assert said.startswith(f"{path.name}, byte {record.offset}: ")
    assert proven == number - 1


def test_a_removed_event_is_found(data_dir: Path) -> None:
    """The record that follows the gap does not continue the chain."""
    path, record = event(data_dir, 300)
    put(path, record.offset, record.end, b"")
    said, proven = bad(data_dir)
    assert said == f"{path.name}, byte {record.offset}: the record after sequence 299 was changed, removed or moved"
    assert proven == 299


def test_two_swapped_events_are_found(data_dir: Path) -> None:
    """Order is the chain's. (AUD-284)"""
    path, first = event(data_dir, 300)
    same, second = event(data_dir, 301)
    assert path == same
    whole = path.read_bytes()
    put(path, first.offset, second.end, whole[second.offset : second.end] + whole[first.offset : first.end])
    assert bad(data_dir)[1] == 299


def test_an_old_event_played_again_is_found(data_dir: Path) -> None:
    """A copy of a true record in another place is no event. (AUD-288)"""
    path, record = event(data_dir, 300)
    whole = path.read_bytes()
    put(path, record.end, record.end, whole[record.offset : record.end])
    assert bad(data_dir)[1] == 300


def test_a_rewritten_event_with_a_right_checksum_is_found(data_dir: Path) -> None:
    """Whoever lacks the key can make the checksum right, and nothing else. (AUD-285)"""
    path, record = event(data_dir, 300)
    put(path, record.offset, record.end, with_checksum(record, record.payload.replace(b'"n":299', b'"n":999')))
    assert bad(data_dir)[1] == 299


@pytest.mark.parametrize("where", ["middle", "end"])
def test_a_history_chained_anew_under_another_key_is_found(data_dir: Path, where: str) -> None:
    """Everything from one event on, macs and all, made again by somebody who has to guess the key. (AUD-285)"""
    number = 300 if where == "middle" else EVENTS
    path, first = event(data_dir, number)
    before = event(data_dir, number - 1)[1].mac
    made = b""
    for record in [r for p, r in records(data_dir) if p == path and r.offset >= first.offset]:
        again, before = frame(b"not the journal's key, but long!!", before, record.payload.replace(b'"n":', b'"m":'))
        made += again
    put(path, first.offset, path.stat().st_size, made)
    assert bad(data_dir)[1] == number - 1


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_segment_is_found(data_dir: Path, which: int) -> None:
    """The next header does not continue."""
    found = segments(data_dir / "journal" / "gateway")
    found[which].unlink()
    said, _ = bad(data_dir)
    assert said.startswith(f"{found[which + 1].name}, byte 0: the header does not continue sequence")


def test_swapped_segments_are_found(data_dir: Path) -> None:
    """A segment belongs where its header says."""
    first, second, *_ = segments(data_dir / "journal" / "gateway")
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    assert bad(data_dir) == (
        f"{first.name}, byte 0: the header does not continue sequence 0: a segment is missing, moved or changed, "
        "or `keys.journal` is another key",
        0,
    )


def test_another_writer_s_segments_are_found(data_dir: Path) -> None:
    """A whole chain moved to another writer's name is no chain of that writer."""
    (data_dir / "journal" / "gateway").rename(data_dir / "journal" / "cli")
    assert bad(data_dir)[0].endswith("byte 0: the header belongs to another place")


def test_a_file_that_is_no_segment_is_found(data_dir: Path) -> None:
    """Something laid beside the segments is named, and stops neither verify nor the gateway."""
    (data_dir / "journal" / "gateway" / "x-y.seg").write_text("hello")
    assert "`x-y.seg` is no segment's name" in bad(data_dir)[0]


def test_the_wrong_key_proves_nothing(data_dir: Path) -> None:
    """With another key not even the first header verifies."""
    report = verify(data_dir, b"another key of thirty-two bytes!!")
    assert (report.whole, report.events) == (False, 0)


def cut_inside(path: Path, last: Record) -> None:
    put(path, last.end - 7, path.stat().st_size, b"")


def cut_between(path: Path, last: Record) -> None:
    put(path, last.offset, path.stat().st_size, b"")


def test_a_tail_cut_inside_a_record_is_found(data_dir: Path) -> None:
    """Half a record where nobody is writing is a bad place."""
    path, last = event(data_dir, EVENTS)
    cut_inside(path, last)
    said, proven = bad(data_dir)
    assert (said, proven) == (f"{path.name}, byte {last.offset}: a record that is cut or changed", EVENTS - 1)


def test_a_tail_cut_between_records_shows_as_an_end_without_closing(data_dir: Path) -> None:
    """Cut at a record's edge, the chain is whole: what tells is that nothing closed it. (AUD-283, without a witness)"""
    cut_between(*event(data_dir, EVENTS - 100))
    report = verify(data_dir, KEY)
    assert report.whole
    assert not report.writers[0].orderly


def test_a_tail_cut_behind_the_copy_s_back_is_found(data_dir: Path) -> None:
    """The searchable copy knows a later sequence than the segments hold. (AUD-283)"""
    copy = open_copy(data_dir)
    catch_up(data_dir, copy)
    copy.close()
    assert verify(data_dir, KEY).whole
    cut_between(*event(data_dir, EVENTS - 100))
    said, proven = bad(data_dir)
    assert said == f"ends at sequence {EVENTS - 101}, but the searchable copy holds {EVENTS}: the newest were cut off"
    assert proven == EVENTS - 101


ODD: dict[str, Callable[[], bytes]] = {
    "no JSON": lambda: b"{",
    "a list": lambda: b"[1]",
    "no sequence": lambda: canonical({"type": "login.ok", "fields": {}}),
    "fields of another kind": lambda: canonical({"type": "access.intent", "fields": 1, "at": 1, "seq": 1, "epoch": 1}),
    "a closing that says nothing": lambda: canonical({"closed": 1}),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_well_chained_record_of_no_sense_is_found_not_raised(data_dir: Path, odd: str) -> None:
    """Even somebody with the key cannot make verify fall over. (AUD-297)"""
    path, last = event(data_dir, EVENTS)
    record, _ = frame(KEY, last.mac, ODD[odd]())
    put(path, last.end, path.stat().st_size, record)
    said, proven = bad(data_dir)
    assert said.startswith(f"{path.name}, byte {last.end}: ")
    assert proven == EVENTS
