"""What writers have made durable arrives in the central journal: once, in order, and whatever happens to the database."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.audit.segment import Record, read, segments, writers

from ..audit.accesses import KEY, NOBODY, PERMIT, SMALL, events, line, patient, read_of
from .places import CentralPlace, wait_until


def opened(data_dir: Path, name: str = "gateway", **given: object) -> Journal:
    return Journal.open(data_dir, KEY, now=time.time, name=name, **SMALL, **given)  # type: ignore[arg-type]  # as Journal.open takes


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
