"""What enforcing would have refused, out of the journal."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal

from .installation import Installation, Terminal


def look(subject: str, reason: str = "", zone: str = "", device: str = "phone", **more: Any) -> dict[str, Any]:
    observed = {"observed": {"reason": reason, "rules": ["r"]}} if reason else {}
    return {"device": device, "subject": subject, "system": "pas", "zone": zone, **observed, **more}


def journalled(place: Installation, *looks: tuple[float, dict[str, Any]]) -> None:
    """Looks, each so many days ago."""

    async def write() -> None:
        key = (place.folder / "journal.key").read_bytes()
        journal = Journal.open(place.data, key, now=time.time, reserve=8 << 20, segment=1 << 20)
        for days, fields in looks:
            await journal.record(AuditEvent(EventType.ACCESS_INTENT, time.time() - days * 86_400, fields))
        await journal.close()

    place.data.mkdir(exist_ok=True)
    asyncio.run(write())


def test_what_enforcing_would_refuse_is_counted_by_reason_and_place(place: Installation, lanyard: Terminal) -> None:
    """How many looks, of how many clinicians, the most frequent first; looks that are permitted either way are not in it."""
    journalled(
        place,
        (0.1, look("a", "off-site-device")),
        (0.2, look("b", "off-site-device")),
        (0.3, look("b", "off-site-device")),
        (6.0, look("a", "no-export", zone="ward", device="Ward 7 PC 3")),
        (8.0, look("c", "off-site-device")),
        (0.1, look("c", zone="ward")),
    )
    rows = [json.loads(line) for line in lanyard("device", "report", "--json").out.splitlines()]
    assert [(r["reason"], r["zone"], r["device"], r["looks"], r["clinicians"]) for r in rows] == [
        ("off-site-device", "", "phone", 3, 2),
        ("no-export", "ward", "Ward 7 PC 3", 1, 1),
    ]
    said = lanyard("device", "report", "--days", "30").out
    assert "would have refused 5 looks" in said
    assert "Ward 7 PC 3" in said


def test_nothing_is_said_to_be_nothing_and_the_look_itself_is_written_down(
    place: Installation, lanyard: Terminal
) -> None:
    """Before anything is shown, as every look into the journal."""
    journalled(place, (0.1, look("a", zone="ward")))
    said = lanyard("device", "report")
    assert (said.code, "refused nothing" in said.out) == (0, True)
    asked = [json.loads(line) for line in lanyard("audit", "search", "--json", "--type", "audit.read").out.splitlines()]
    assert {"days": 7, "observed": True} in [one["question"] for one in asked]
