"""The review list of emergency sign-ons, out of the journal, and a leaver who is forgotten."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.config import load
from gateway.installation import opened_store
from gateway.stores.testing import NURSE
from sso.last_sign_on import LastSignOn

from .installation import ISSUER, Installation, Terminal


def started(shift: str, subject: str = "n.okoye", **more: Any) -> dict[str, Any]:
    return {"shift": shift, "subject": subject, "name": subject.upper(), "role": "R8001", "why": "provider-away",
            "method": "pin", "device_name": "Ward 7 PC 3", "zone": "ward", "assurance": "offline", **more}  # fmt: skip


def journalled(place: Installation, *events: tuple[EventType, dict[str, Any]]) -> None:
    async def write() -> None:
        journal = Journal.open(place.data, place.key, now=time.time, reserve=8 << 20, segment=1 << 20)
        for kind, fields in events:
            await journal.record(AuditEvent(kind, time.time(), fields))
        await journal.close()

    place.data.mkdir(exist_ok=True)
    asyncio.run(write())


def test_each_emergency_sign_on_is_listed_until_somebody_has_looked(place: Installation, lanyard: Terminal) -> None:
    """With who, why, by whose word, where, and how much was looked at; then only under `--all`, with who looked."""
    vouched = {"why": "vouched", "vouched_by": "sr.bell", "vouched_by_name": "Sr Bell"}
    journalled(
        place,
        (EventType.EMERGENCY_STARTED, started("aaaa1111bbbb2222")),
        (EventType.EMERGENCY_STARTED, started("cccc3333dddd4444", "locum", **vouched)),
        (EventType.ACCESS_INTENT, {"shift": "aaaa1111bbbb2222", "subject": "n.okoye"}),
        (EventType.ACCESS_INTENT, {"shift": "another", "subject": "n.okoye"}),
    )
    rows = [json.loads(line) for line in lanyard("emergency", "list", "--json").out.splitlines()]
    assert [(r["subject"], r["why"], r["vouched_by_name"], r["device"], r["looks"]) for r in rows] == [
        ("locum", "vouched", "Sr Bell", "Ward 7 PC 3", 0),
        ("n.okoye", "provider-away", "", "Ward 7 PC 3", 1),
    ]
    assert "2 to be looked at" in lanyard("emergency", "list").out
    lanyard("emergency", "reviewed", "cccc3333", "--note", "rang the ward: it was he")
    rows = [json.loads(line) for line in lanyard("emergency", "list", "--json").out.splitlines()]
    assert [r["subject"] for r in rows] == ["n.okoye"]
    rows = [json.loads(line) for line in lanyard("emergency", "list", "--all", "--json").out.splitlines()]
    assert [(r["subject"], r["note"]) for r in rows] == [("locum", "rang the ward: it was he"), ("n.okoye", "")]
    found = [
        json.loads(line)
        for line in lanyard("audit", "search", "--type", "emergency.reviewed", "--json").out.splitlines()
    ]
    assert [(e["shift"], e["subject"], bool(e["by"])) for e in found] == [("cccc3333dddd4444", "locum", True)]


def test_a_look_is_said_once_and_of_one(place: Installation, lanyard: Terminal) -> None:
    """A number that means none, or several, or one that was looked at, is refused with what to do."""
    journalled(
        place,
        (EventType.EMERGENCY_STARTED, started("aaaa1111")),
        (EventType.EMERGENCY_STARTED, started("aaaa2222")),
    )
    for number, says in (("ffff", "no emergency sign-on"), ("aaaa", "several"), ("a", "no emergency sign-on")):
        refused = lanyard("emergency", "reviewed", number, "--note", "x")
        assert says in refused.err
    lanyard("emergency", "reviewed", "aaaa1", "--note", "well")
    assert "looked at already" in lanyard("emergency", "reviewed", "aaaa1", "--note", "again").err


def test_nothing_is_said_to_be_nothing_and_the_look_itself_is_written_down(
    place: Installation, lanyard: Terminal
) -> None:
    """As every look into the journal."""
    journalled(place, (EventType.CONFIG_LOADED, {}))
    assert "nobody has signed on in an emergency" in lanyard("emergency", "list").out
    read = [json.loads(line) for line in lanyard("audit", "search", "--type", "audit.read", "--json").out.splitlines()]
    assert {"emergency": "unreviewed"} in [e["question"] for e in read]


def test_a_leaver_is_forgotten(place: Installation, lanyard: Terminal) -> None:
    """Beside a running gateway, written down; whoever is not there is said."""

    async def remember() -> None:
        async with opened_store(load(place.path, {})) as store:
            principal = LastSignOn(NURSE, time.time()).principal
            await store.put_last_sign_on(LastSignOn(principal, time.time()), time.time() + 3600)

    asyncio.run(remember())
    assert "is forgotten" in lanyard("emergency", "forget", NURSE.subject, "--issuer", NURSE.issuer).out
    assert "nothing is kept" in lanyard("emergency", "forget", NURSE.subject).out
    found = [
        json.loads(line)
        for line in lanyard("audit", "search", "--type", "emergency.forgotten", "--json").out.splitlines()
    ]
    assert [(e["issuer"], e["subject"]) for e in found] == [(NURSE.issuer, NURSE.subject)]
    assert NURSE.issuer == ISSUER
