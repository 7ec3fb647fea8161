"""A disk that fails: nothing is acknowledged that is not durable, and the journal comes back by itself."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.recovery import JournalDamaged
from gateway.audit.segment import segments
from gateway.audit.tail import Tail
from gateway.audit.verify import verify
from gateway.errors import JournalUnavailable

from .accesses import KEY, NOBODY, PERMIT, SMALL, events, line, of_type, read_of
from .faulty import FaultyDisk

LOGIN = AuditEvent(EventType.LOGIN_OK, 1.0, {"subject": "n-1"})


def opened(data_dir: Path, disk: FaultyDisk, heard: list[tuple[str, str]] | None = None) -> Journal:
    said = heard if heard is not None else []
    return Journal.open(
        data_dir, KEY, now=lambda: 1.0, disk=disk, alarm=lambda control, state: said.append((control, state)), **SMALL
    )


async def until_well(journal: Journal) -> int:
    """Record until the journal takes it again; the sequence."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await journal.record(LOGIN)
            except JournalUnavailable:
                await asyncio.sleep(0.02)


async def test_nothing_is_acknowledged_before_its_sync_has_ended(tmp_path: Path) -> None:
    """While the disk still syncs, nobody is told that the event is durable."""
    disk, go_on, began = FaultyDisk(), threading.Event(), threading.Event()
    journal = opened(tmp_path, disk)
    disk.before_sync = lambda: (began.set(), go_on.wait(20))[0]
    waiting = asyncio.ensure_future(journal.record(LOGIN))
    assert await asyncio.to_thread(began.wait, 20)
    for _ in range(100):
        await asyncio.sleep(0)  # give a premature acknowledgement every chance
    assert not waiting.done()
    go_on.set()
    assert await waiting == 1
    await journal.close()


async def test_a_group_is_written_and_synced_once(tmp_path: Path) -> None:
    """A hundred events that wait together cost one sync."""
    disk = FaultyDisk()
    journal = opened(tmp_path, disk)
    go_on, began = threading.Event(), threading.Event()
    disk.before_sync = lambda: (began.set(), go_on.wait(20))[0]
    first = asyncio.ensure_future(journal.record(LOGIN))
    assert await asyncio.to_thread(began.wait, 20)
    others = [asyncio.ensure_future(journal.record(LOGIN)) for _ in range(100)]
    await asyncio.sleep(0)
    before = len(disk.synced)
    go_on.set()
    assert await asyncio.gather(first, *others) == list(range(1, 102))
    assert len(disk.synced) - before == 2
    await journal.close()


async def test_a_failed_sync_gives_the_segment_up_and_the_events_go_into_a_new_one(tmp_path: Path) -> None:
    """After one failed sync its descriptor is never synced again, whoever waited waits a little longer, nothing is lost. (F04)"""
    disk, heard = FaultyDisk(), list[tuple[str, str]]()
    journal = opened(tmp_path, disk, heard)
    await journal.record(LOGIN)
    disk.sync_errors = [errno.EIO]
    assert await asyncio.gather(*(journal.record(LOGIN) for _ in range(10))) == list(range(2, 12))
    assert len(disk.failed) == 1
    assert len(segments(tmp_path / "journal" / "gateway")) == 2
    await journal.close()
    assert heard == [("journal", "sync-failed"), ("journal", "ok")]
    assert [fields["state"] for fields in of_type(tmp_path, "control.failure")] == ["sync-failed", "ok"]
    report = verify(tmp_path, KEY)
    assert report.whole
    assert report.writers[0].types["login.ok"] == 11


async def test_a_given_up_segment_is_never_written_or_synced_again(tmp_path: Path) -> None:
    """What a disk says about a file after a failed sync is not believed: the file is closed, and cut by its name."""
    disk = FaultyDisk()
    journal = opened(tmp_path, disk)
    (first,) = segments(tmp_path / "journal" / "gateway")
    await journal.record(LOGIN)
    disk.sync_errors = [errno.EIO]
    await journal.record(LOGIN)
    size = first.stat().st_size
    for _ in range(50):
        await journal.record(LOGIN)
    assert first.stat().st_size == size
    assert b'"seq":2,' not in first.read_bytes()
    await journal.close()
    assert verify(tmp_path, KEY).whole


async def test_while_the_disk_fails_everybody_is_refused_and_it_comes_back_without_a_restart(tmp_path: Path) -> None:
    """Waiting events are refused with the reason, new ones at once; when the disk works again, so does the journal. (F05)"""
    disk, heard = FaultyDisk(), list[tuple[str, str]]()
    journal = opened(tmp_path, disk, heard)
    await journal.record(LOGIN)
    disk.sync_errors = [errno.EIO] * 1_000_000
    outcomes = await asyncio.gather(*(journal.record(LOGIN) for _ in range(10)), return_exceptions=True)
    assert [getattr(outcome, "reason", outcome) for outcome in outcomes] == ["sync-failed"] * 10
    with pytest.raises(JournalUnavailable):
        await journal.intent(read_of("1"), NOBODY, PERMIT, line(), b"{}")
    with pytest.raises(JournalUnavailable):
        journal.count(read_of(), line())
    assert journal.state == "sync-failed"
    disk.sync_errors = []
    assert await until_well(journal) > 1
    assert journal.state == "ok"
    await journal.close()
    assert heard == [("journal", "sync-failed"), ("journal", "ok")]
    report = verify(tmp_path, KEY)
    assert report.whole
    assert report.writers[0].types["login.ok"] == 2


async def test_a_disk_that_fails_for_long_leaves_no_litter(tmp_path: Path) -> None:
    """Each attempt to begin a segment that fails takes its file away again."""
    disk = FaultyDisk()
    journal = opened(tmp_path, disk)
    disk.sync_errors = [errno.EIO] * 1_000_000
    for _ in range(20):
        with pytest.raises(JournalUnavailable):
            await journal.record(LOGIN)
    assert len(segments(tmp_path / "journal" / "gateway")) == 1
    disk.sync_errors = []
    await until_well(journal)
    await journal.close()


async def test_what_no_longer_reads_back_is_not_built_upon(tmp_path: Path) -> None:
    """When a failed disk has lost what was acknowledged, nothing is appended until a person has looked."""
    disk, heard = FaultyDisk(), list[tuple[str, str]]()
    journal = opened(tmp_path, disk, heard)
    await journal.record(LOGIN)
    (path,) = segments(tmp_path / "journal" / "gateway")
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(b"login.ok"))
        file.write(b"LOGIN")
    disk.sync_errors = [errno.EIO]
    with pytest.raises(JournalUnavailable) as refused:
        await journal.record(LOGIN)
    assert refused.value.reason == "damaged"
    assert heard[-1] == ("journal", "damaged")
    await journal.close()


async def test_a_short_write_is_written_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes a few bytes at a time gets the rest, and nothing is acknowledged half."""
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, bytes(data)[:7], offset))
    journal = opened(tmp_path, FaultyDisk())
    assert await asyncio.gather(*(journal.record(LOGIN) for _ in range(20))) == list(range(1, 21))
    await journal.close()
    assert len(of_type(tmp_path, "login.ok")) == 20
    assert verify(tmp_path, KEY).whole


async def test_a_full_queue_refuses_before_memory_goes(tmp_path: Path) -> None:
    """A disk that hangs does not fill memory with waiting events: the next are refused, with the reason."""
    disk, go_on = FaultyDisk(), threading.Event()
    journal = opened(tmp_path, disk)
    disk.before_sync = lambda: (go_on.wait(20), None)[1]
    waiting = [journal._put(EventType.LOGIN_OK, {}) for _ in range(20_000)]
    with pytest.raises(JournalUnavailable) as refused:
        await asyncio.gather(*(journal.record(LOGIN) for _ in range(2_000)))
    assert refused.value.reason == "queue-full"
    journal.note(LOGIN)
    go_on.set()
    assert await asyncio.gather(*waiting) == list(range(1, 20_001))
    await until_well(journal)
    await journal.close()
    assert {"control": "journal-notes", "lost": 1} in of_type(tmp_path, "control.failure")


async def cut_power(data_dir: Path, seed: int) -> tuple[list[int], set[int]]:
    """Append until the power goes; what was acknowledged, and what is there after a restart."""
    disk = FaultyDisk(seed, cut_at=5 + seed % 40)
    journal = opened(data_dir, disk)
    acknowledged: list[int] = []

    async def append() -> None:
        while True:
            acknowledged.append(await journal.record(LOGIN))

    await asyncio.gather(*(append() for _ in range(8)), return_exceptions=True)
    await journal.close()
    after = opened(data_dir, FaultyDisk())
    await after.close()
    assert verify(data_dir, KEY).whole
    return acknowledged, {event["seq"] for event in events(data_dir) if event["type"] == "login.ok"}


@pytest.mark.slow
async def test_two_hundred_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Whatever of the unsynced bytes the cut takes: acknowledged events are there, and the chain is whole. (F03)"""
    acknowledged = 0
    for seed in range(200):
        told, found = await cut_power(tmp_path / str(seed), seed)
        assert set(told) - found == set()
        acknowledged += len(told)
    assert acknowledged > 1000


async def test_the_power_cut_finds_a_journal_that_acknowledges_too_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same harness turns red on a build that does not wait for its sync."""

    def hasty(tail: Tail, data: bytes, own: bytes, sequence: int) -> None:
        tail._disk.write(tail._fd, data, tail._offset)
        tail._offset += len(data)
        tail._mac, tail.sequence = own, sequence

    monkeypatch.setattr(Tail, "_flush", hasty)
    missing = 0
    for seed in range(20):
        try:
            told, found = await cut_power(tmp_path / str(seed), seed)
        except JournalDamaged:
            missing += 1  # a group was written before the one in front of it was durable: recovery sees the hole
        else:
            missing += len(set(told) - found)
    assert missing > 0
