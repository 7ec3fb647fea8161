"""Coming back after whatever happened: a torn tail is cut and said, a changed middle is not touched."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from gateway.audit.disk import RealDisk
from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.recovery import JournalDamaged, recover
from gateway.audit.segment import segments
from gateway.audit.verify import verify

from .accesses import KEY, SMALL, events, of_type, records


def opened(data_dir: Path, key: bytes = KEY) -> Journal:
    return Journal.open(data_dir, key, now=lambda: 1.0, **SMALL)


def login(number: int) -> AuditEvent:
    return AuditEvent(EventType.LOGIN_OK, 1.0, {"n": number})


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The segment of a journal of ten events, each in a group of its own, that was not closed."""
    journal = opened(tmp_path)
    for number in range(10):
        await journal.record(login(number))
    await journal.close()
    (path,) = segments(tmp_path / "journal" / "gateway")
    closing = records(tmp_path)[-1][1]
    with path.open("r+b") as file:
        file.truncate(closing.offset)
    return path


async def restart(data_dir: Path) -> None:
    await opened(data_dir).close()


@pytest.mark.parametrize("left", [4, 39, 41, 60])
async def test_a_torn_tail_is_cut_and_said(tmp_path: Path, path: Path, left: int) -> None:
    """Half a record at the end goes; the event says how many bytes and the last whole sequence. (AUD-292)"""
    last = records(tmp_path)[-1][1]
    with path.open("r+b") as file:
        file.truncate(last.offset + left)
    await restart(tmp_path)
    assert of_type(tmp_path, "audit.recovered") == [{"bytes": left, "last": 9}]
    assert [fields["n"] for fields in of_type(tmp_path, "login.ok")] == list(range(9))
    assert verify(tmp_path, KEY).whole


async def test_allocated_space_behind_the_tear_is_no_loss(tmp_path: Path, path: Path) -> None:
    """The zeros of a segment that was allocated and not filled are not counted as cut."""
    last = records(tmp_path)[-1][1]
    with path.open("r+b") as file:
        file.truncate(last.offset + 50)
        file.truncate(100_000)
    await restart(tmp_path)
    assert of_type(tmp_path, "audit.recovered") == [{"bytes": 50, "last": 9}]


async def test_an_end_without_closing_is_said(tmp_path: Path, path: Path) -> None:
    """A killed gateway leaves a mark in the journal although nothing was torn."""
    await restart(tmp_path)
    assert of_type(tmp_path, "audit.recovered") == [{"bytes": 0, "last": 10}]


async def test_a_good_end_needs_no_recovery(tmp_path: Path) -> None:
    """A gateway that was stopped in good order starts without a word."""
    await restart(tmp_path)
    await restart(tmp_path)
    assert events(tmp_path) == []


async def test_a_torn_group_is_cut_from_its_first_torn_record(tmp_path: Path) -> None:
    """A power cut may tear the middle of one unacknowledged write: what stands behind it in that write goes too."""
    journal = opened(tmp_path)
    await journal.record(login(0))
    for number in range(1, 30):
        journal.note(login(number))
    await journal.close()
    (path,) = segments(tmp_path / "journal" / "gateway")
    found = [(r, e) for (_, r), e in zip(records(tmp_path)[1:-1], events(tmp_path), strict=True)]
    group = max(event["group"] for _, event in found)
    torn, event = next((r, e) for r, e in found if e["group"] == group)
    with path.open("r+b") as file:
        file.truncate(records(tmp_path)[-1][1].offset)
        file.seek(torn.offset + 45)
        file.write(bytes(20))
    await restart(tmp_path)
    (said,) = of_type(tmp_path, "audit.recovered")
    assert said["last"] == event["seq"] - 1
    assert verify(tmp_path, KEY).whole


@pytest.mark.parametrize("number", [0, 1, 5, 8])
async def test_a_changed_middle_is_not_cut(tmp_path: Path, path: Path, number: int) -> None:
    """Acknowledged events follow: the start is refused, naming segment, byte and remedy, and the file stays as it is."""
    place = records(tmp_path)[number][1]
    with path.open("r+b") as file:
        file.seek(place.offset + 50)
        file.write(b"\xff")
    before = path.read_bytes()
    with pytest.raises(JournalDamaged) as refused:
        opened(tmp_path)
    for told in (path.name, f"byte {place.offset}", "lanyard audit verify"):
        assert told in str(refused.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [3, 9])
async def test_a_record_changed_with_its_checksum_is_found_at_start(tmp_path: Path, path: Path, number: int) -> None:
    """A right checksum without the key is no torn write: the start is refused."""
    place = records(tmp_path)[number][1]
    data = bytearray(path.read_bytes())
    payload = place.payload.replace(b'"n":', b'"m":')
    data[place.offset : place.end] = (
        len(payload).to_bytes(4, "big") + zlib.crc32(payload).to_bytes(4, "big") + place.mac + payload
    )
    path.write_bytes(data)
    with pytest.raises(JournalDamaged, match=f"the record at byte {place.offset} does not verify"):
        opened(tmp_path)


async def test_another_key_is_told(tmp_path: Path, path: Path) -> None:
    """A key that was swapped by mistake is named, before anything is appended under it."""
    with pytest.raises(JournalDamaged, match=r"keys\.journal"):
        opened(tmp_path, b"another key of thirty-two bytes!!")


async def test_a_segment_whose_header_never_became_durable_goes(tmp_path: Path, path: Path) -> None:
    """Killed while it began a segment: the file is taken away and the chain goes on from the one before."""
    (path.parent / "00000001-00000002.seg").write_bytes(bytes(5000))
    (path.parent / "00000001-00000003.seg").write_bytes(b"\0\0\0\x50half a head")
    await restart(tmp_path)
    assert [found.name for found in segments(path.parent)] == [path.name, "00000002-00000001.seg"]
    assert verify(tmp_path, KEY).whole


async def test_recovery_can_be_killed_itself(path: Path) -> None:
    """Recovery gives the same place however often it runs."""
    assert recover(path.parent, KEY, RealDisk()) == recover(path.parent, KEY, RealDisk())
