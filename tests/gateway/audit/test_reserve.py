"""The disk fills: alarms first, refusals last, and all is well again without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.verify import verify
from gateway.errors import JournalUnavailable
from policies.model import Facts, Known, Purpose

from .accesses import DENY, KEY, NOBODY, PERMIT, line, of_type, read_of
from .faulty import FaultyDisk

RESERVE, SEGMENT = 4 << 20, 128 << 10  # given away in 32 steps
BIG = AuditEvent(EventType.CONNECTOR_ERROR, 1.0, {"text": "x" * 2000, "more": "y" * 2000})


class Filling:
    """A journal on a disk that has just been filled by others."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.heard: list[tuple[str, str]] = []
        self.disk = FaultyDisk()
        self.journal = Journal.open(
            data_dir,
            KEY,
            now=lambda: 1.0,
            reserve=RESERVE,
            segment=SEGMENT,
            disk=self.disk,
            alarm=lambda control, state: self.heard.append((control, state)),
        )

    def fill(self) -> None:
        self.disk.room = 1 << 30
        self.disk.taken = self.disk.free(self.data_dir / "journal" / "gateway")

    async def write_until(self, state: str) -> None:
        async with asyncio.timeout(60):
            while self.journal.state != state:
                await self.journal.record(BIG)

    async def wait_for(self, state: str) -> None:
        async with asyncio.timeout(20):
            while self.journal.state != state:
                await asyncio.sleep(0.02)

    async def reads(self, **given: object) -> str:
        """What a nurse's read is told: `ok` or the reason why it cannot be journalled."""
        facts = given.pop("facts", NOBODY)
        decision = given.pop("decision", PERMIT)
        access = read_of("1", **given)  # type: ignore[arg-type]  # the purpose
        try:
            await self.journal.intent(access, facts, decision, line(), b"{}")  # type: ignore[arg-type]  # as given
        except JournalUnavailable as refused:
            return refused.reason
        return "ok"


@pytest.fixture
async def filling(tmp_path: Path) -> AsyncIterator[Filling]:
    made = Filling(tmp_path)
    yield made
    await made.journal.close()


async def test_the_alarm_comes_before_any_refusal(filling: Filling) -> None:
    """At 80 % of the reserve operators are alarmed, and every access goes on."""
    filling.fill()
    await filling.write_until("alarm")
    assert filling.heard == [("journal-reserve", "alarm")]
    assert await filling.reads() == "ok"
    assert {"control": "journal-reserve", "state": "alarm"} in of_type(filling.data_dir, "control.failure")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "reserve-low"),
        ({"facts": Facts(break_glass=Known.YES)}, "ok"),
        ({"purpose": Purpose.BREAK_GLASS}, "ok"),
        ({"decision": DENY}, "ok"),
    ],
)
async def test_from_95_percent_only_emergencies_are_served(
    filling: Filling, given: dict[str, object], told: str
) -> None:
    """Breaking the glass goes on, refusals are still written down, ordinary access waits."""
    filling.fill()
    await filling.write_until("break-glass-only")
    assert await filling.reads(**given) == told
    assert [state for _, state in filling.heard] == ["alarm", "break-glass-only"]


async def test_at_100_percent_nothing_is_released_and_space_brings_it_back(filling: Filling) -> None:
    """Everybody is refused with the reason, nothing is lost, and free space is enough to go on. (F05)"""
    filling.fill()
    await filling.write_until("used")
    assert await filling.reads(purpose=Purpose.BREAK_GLASS) == "reserve-used"
    with pytest.raises(JournalUnavailable):
        filling.journal.count(read_of(), line())
    filling.disk.taken = 0
    await filling.wait_for("ok")
    assert await filling.reads() == "ok"
    assert filling.heard[-1] == ("journal-reserve", "ok")
    await filling.journal.close()
    assert verify(filling.data_dir, KEY).whole


async def test_the_last_byte_is_refused_not_lost(filling: Filling) -> None:
    """Writing on past the reserve ends in `reserve-used`; every event acknowledged before it is there."""
    filling.fill()
    acknowledged, refused = 0, ""
    while not refused:
        try:
            await filling.journal.record(BIG)
            acknowledged += 1
        except JournalUnavailable as error:
            refused = error.reason
    assert refused == "reserve-used"
    filling.disk.taken = 0
    await filling.wait_for("ok")
    assert len(of_type(filling.data_dir, "connector.error")) == acknowledged
    assert ("journal", "reserve-used") in filling.heard


async def test_a_full_disk_at_start_is_told(tmp_path: Path) -> None:
    """Without room for one segment the gateway does not start, and says what to do."""
    disk = FaultyDisk()
    disk.room = 0
    with pytest.raises(JournalUnavailable, match="free some room") as refused:
        Journal.open(tmp_path, KEY, now=lambda: 1.0, disk=disk)
    assert refused.value.reason == "disk-full"
    await Journal.open(tmp_path, KEY, now=lambda: 1.0, reserve=RESERVE, segment=SEGMENT).close()


async def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """Another fault than room has another reason."""

    class ReadOnly(FaultyDisk):
        def create(self, path: Path, size: int) -> int:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(JournalUnavailable) as refused:
        Journal.open(tmp_path, KEY, now=lambda: 1.0, disk=ReadOnly(), reserve=RESERVE, segment=SEGMENT)
    assert refused.value.reason == "unwritable"


async def test_a_reserve_that_was_half_used_is_known_after_a_restart(filling: Filling, tmp_path: Path) -> None:
    """A restart on a disk that is still full goes on where it was, and alarms again."""
    filling.fill()
    await filling.write_until("alarm")
    await filling.journal.close()
    filling.journal = Journal.open(tmp_path, KEY, now=lambda: 1.0, reserve=RESERVE, segment=SEGMENT, disk=filling.disk)
    assert filling.journal.state == "alarm"
