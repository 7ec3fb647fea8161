"""`audit.ack = "local+central"`: nothing counts that is not in the central journal too."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.errors import JournalUnavailable

from ..audit.accesses import KEY, NOBODY, PERMIT, SMALL, line, patient, read_of
from ..audit.faulty import FaultyDisk
from .places import CentralPlace

LOGIN = AuditEvent(EventType.LOGIN_OK, 1.0, {"subject": "n-1"})


@contextlib.asynccontextmanager
async def confirmed(place: CentralPlace, data_dir: Path, **given: object) -> AsyncIterator[Journal]:
    """A journal whose events count once they are in both places."""
    journal = Journal.open(data_dir, KEY, **({"now": time.time} | SMALL | given))  # type: ignore[arg-type]  # as Journal.open takes
    with place.shipping(data_dir) as shipper:
        journal.confirming = shipper
        yield journal
        await journal.close()


async def until_taken(journal: Journal) -> None:
    """As whoever is refused and tries again."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(JournalUnavailable):
                await journal.record(LOGIN)
                return
            await asyncio.sleep(0.05)


async def test_what_is_acknowledged_is_in_both_places(place: CentralPlace, tmp_path: Path) -> None:
    """An intent, a release and any other event are there on return; a completion is not waited for."""
    async with confirmed(place, tmp_path) as journal:
        await until_taken(journal)
        receipt = await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line("r-1"), b"{}")
        assert (("gateway", 1, receipt.sequence)) in place.places()
        more = await journal.released(receipt, frozenset({patient("9990000026")}))
        assert ("gateway", 1, more.sequence) in place.places()
        number = await journal.record(LOGIN)
        assert ("gateway", 1, number) in place.places()
        journal.completed(receipt, 200, 10, "complete")


async def test_a_group_is_one_commit(place: CentralPlace, tmp_path: Path) -> None:
    """Many who wait at the same time are told by a few transactions."""
    async with confirmed(place, tmp_path) as journal:
        await until_taken(journal)
        before = len(place.places())
        await asyncio.gather(*(journal.record(LOGIN) for _ in range(200)))
        assert len(place.places()) == before + 200
        ((commits,),) = place.rows("SELECT count(DISTINCT xmin::text) FROM event WHERE seq > %s", (before,))
        assert commits < 40


async def test_without_the_central_journal_nothing_is_released(own_place: CentralPlace, tmp_path: Path) -> None:
    """Refused with a reason of its own within about a second, at once from then on, and taken again when it is back. (F06)"""
    async with confirmed(own_place, tmp_path) as journal:
        await until_taken(journal)
        receipt = await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line("r-1"), b"{}")
        own_place.server.stand_still()
        try:
            begun = time.monotonic()
            with pytest.raises(JournalUnavailable) as refused:
                await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line("r-2"), b"{}")
            assert refused.value.reason == "central-unavailable"
            assert time.monotonic() - begun < 4
            journal.completed(receipt, 200, 10, "complete")
            async with asyncio.timeout(20):
                while journal.state != "central-unavailable":
                    await asyncio.sleep(0.02)
            begun = time.monotonic()
            with pytest.raises(JournalUnavailable):
                await journal.released(receipt, frozenset({patient("9990000026")}))
            assert time.monotonic() - begun < 0.5
        finally:
            own_place.server.go_on()
        await until_taken(journal)
        assert journal.state == "ok"


async def test_with_neither_disk_nor_database_everything_is_refused_at_once(
    own_place: CentralPlace, tmp_path: Path
) -> None:
    """And goes on by itself when both are back. (F08)"""
    disk = FaultyDisk()
    async with confirmed(own_place, tmp_path, disk=disk) as journal:
        await until_taken(journal)
        own_place.server.kill()
        disk.sync_errors = [errno.EIO] * 1_000_000
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(JournalUnavailable):
                await journal.intent(read_of("9990000018"), NOBODY, PERMIT, line("r-1"), b"{}")
        assert time.monotonic() - begun < 5
        assert journal.state != "ok"
        disk.sync_errors = []
        own_place.server.begin()
        await until_taken(journal)
        assert journal.state == "ok"


async def test_the_end_of_the_gateway_waits_for_nobody(own_place: CentralPlace, tmp_path: Path) -> None:
    """It stops in good order while the database is away."""
    async with confirmed(own_place, tmp_path) as journal:
        await until_taken(journal)
        own_place.server.kill()
        with pytest.raises(JournalUnavailable):
            await journal.record(LOGIN)
        await journal.record(AuditEvent(EventType.GATEWAY_STOPPED, 2.0))
