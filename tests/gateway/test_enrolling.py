"""`lanyard device`: what it prints, what it changes, what it writes down, and what was opened on a device."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from gateway.audit.event import AuditEvent, EventType
from gateway.audit.journal import Journal
from gateway.devices import INVITATION
from gateway.stores.sqlite import SqliteStore
from gateway.stores.testing import NURSE, enrolled
from policies.model import Ownership
from sso.device import Invitation
from sso.seal import Seal

from .installation import Installation, Terminal

T = TypeVar("T")
PC = enrolled("5f0c2a91b3d4" + "0" * 20)
PHONE = enrolled(
    "a1b2c3d4e5f6" + "0" * 20,
    name="Phone of N Okoye",
    ward="",
    ownership=Ownership.PERSONAL,
    owner=(NURSE.issuer, NURSE.subject),
    pending=True,
)
NAMED = ("--name", "Ward 7 PC 3", "--ward", "Ward 7", "--ownership", "shared", "--managed")


def with_store(place: Installation, work: Callable[[SqliteStore], Awaitable[T]]) -> T:
    async def run() -> T:
        place.data.mkdir(exist_ok=True)
        store = SqliteStore(place.data / "sessions.db", Seal.of((place.folder / "seal.key").read_bytes()))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def known(store: SqliteStore) -> None:
    for enrolment in (PC, PHONE):
        await store.put_device(enrolment)


def events(lanyard: Terminal, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lanyard("audit", "search", "--json", "--type", kind).out.splitlines()]


def test_a_link_is_printed_for_a_device_to_be(place: Installation, lanyard: Terminal) -> None:
    """One line to open, one that says where and how long; what it makes is kept for a quarter of an hour."""
    said = lanyard("device", "enrol", *NAMED)
    assert said.code == 0
    link, how = said.out.splitlines()
    found = re.fullmatch(r"http://records\.localhost:8080/device/enrol\?invitation=([A-Za-z0-9_-]{43})", link)
    assert found
    assert "15 minutes" in how
    assert "Ward 7 PC 3" in how
    token = found[1]
    kept = with_store(place, lambda store: store.read_code(INVITATION, token, time.time() + 890))
    assert kept is not None
    invitation = Invitation.from_json(kept)
    assert (invitation.name, invitation.ward, invitation.ownership) == ("Ward 7 PC 3", "Ward 7", Ownership.SHARED)
    assert invitation.managed
    assert invitation.by
    assert with_store(place, lambda store: store.read_code(INVITATION, token, time.time() + 901)) is None


def test_a_certificate_enrols_at_once_and_once(lanyard: Terminal) -> None:
    """Journalled with who did it; a second device by the same certificate is refused, with the first one's name."""
    certificate = ("--certificate-issuer", "CN=Trust CA", "--certificate-subject", "CN=kiosk-12")
    assert lanyard("device", "enrol", *NAMED, *certificate).code == 0
    again = lanyard("device", "enrol", *NAMED, *certificate)
    assert again.code == 2
    assert "enrolled already, as `Ward 7 PC 3`" in again.err
    made = events(lanyard, "device.enrolled")
    assert [(one["device_name"], one["proof"], bool(one["by"])) for one in made] == [
        ("Ward 7 PC 3", "certificate", True)
    ]
    listed = json.loads(lanyard("device", "list", "--json").out)
    assert listed["certificate"] == ["CN=Trust CA", "CN=kiosk-12"]


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "no name": (("--name", " ", "--ownership", "shared"), "needs a name"),
    "a name that is none": (("--name", "PC\n3", "--ownership", "shared"), "printable"),
    "half a certificate": ((*NAMED, "--certificate-issuer", "CN=CA"), "issuer and subject"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_enrolled_is_said(lanyard: Terminal, case: str) -> None:
    """With what is wrong, and without a link."""
    given, says = BAD[case]
    said = lanyard("device", "enrol", *given)
    assert (said.code, said.out) == (2, "")
    assert says in said.err


def test_devices_are_listed_for_people_and_for_programs(place: Installation, lanyard: Terminal) -> None:
    """Name, ward, whose, state; nothing of a key."""
    assert lanyard("device", "list").out == "no device is enrolled\n"
    with_store(place, known)
    said = lanyard("device", "list").out
    for words in ("5f0c2a91b3d4", "Ward 7 PC 3", "in use", "Phone of N", "pending", "never"):
        assert words in said
    listed = [json.loads(line) for line in lanyard("device", "list", "--json").out.splitlines()]
    assert {one["id"]: one["state"] for one in listed} == {PC.id: "in use", PHONE.id: "pending"}
    assert {"key", "x", "y"}.isdisjoint(listed[0])


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (("--find", "okoye"), ["Phone of N Okoye"]),
        (("--state", "in use"), ["Ward 7 PC 3"]),
        (("--ward", "Ward 7", "--find", "PC"), ["Ward 7 PC 3"]),
        (("--ward", "Ward 9"), []),
    ],
)
def test_devices_are_found_as_on_the_pages(
    place: Installation, lanyard: Terminal, asked: tuple[str, ...], names: list[str]
) -> None:
    """By part of a name, ward and state."""
    with_store(place, known)
    listed = [json.loads(line) for line in lanyard("device", "list", "--json", *asked).out.splitlines()]
    assert [one["name"] for one in listed] == names
    assert ("no device is like that" in lanyard("device", "list", *asked).out) is (names == [])


def test_a_pending_device_is_approved(place: Installation, lanyard: Terminal) -> None:
    """Once, journalled with who did it."""
    with_store(place, known)
    assert "approved" in lanyard("device", "approve", "a1b2").out
    assert "already" in lanyard("device", "approve", "a1b2").out
    approved = events(lanyard, "device.approved")
    assert [(one["device_id"], bool(one["by"])) for one in approved] == [(PHONE.id, True)]
    kept = with_store(place, lambda store: store.device(PHONE.id))
    assert kept is not None
    assert not kept.pending


@pytest.mark.parametrize("command", ["approve", "revoke"])
@pytest.mark.parametrize("given", ["ffff", "5f0", "", "5f0c2a91b3d5"])
def test_a_device_is_named_by_the_beginning_of_its_id(
    place: Installation, lanyard: Terminal, command: str, given: str
) -> None:
    """At least four characters, which no other device's id begins with."""
    with_store(place, known)
    said = lanyard("device", command, given)
    assert said.code == 2
    assert "lanyard device list" in said.err
    assert {one.revoked for one in with_store(place, lambda store: store.devices())} == {None}


def test_a_revoked_device_is_out_of_use_and_says_what_was_opened_on_it(place: Installation, lanyard: Terminal) -> None:
    """Journalled before it is looked up; the accesses of its sessions, and no other's."""
    with_store(place, known)
    place.journal()  # three accesses in `session-1`, two of them permitted

    async def seat() -> None:
        journal = Journal.open(place.data, place.key, now=time.time, reserve=1 << 20, segment=256 << 10)
        for session, device in (("session-1", PC.id), ("session-2", PHONE.id)):
            fields = {"session": session, "device_id": device}
            await journal.record(AuditEvent(EventType.SESSION_SEATED, time.time() - 60, fields))
        await journal.close()

    asyncio.run(seat())
    said = lanyard("device", "revoke", PC.id[:12])
    assert said.code == 0
    assert "out of use; sessions ended: 0" in said.out
    assert "opened on it, newest first:" in said.out
    assert said.out.count("access.intent") == 2
    assert [one["device_id"] for one in events(lanyard, "device.revoked")] == [PC.id]
    assert {"device": PC.id} in [one["question"] for one in events(lanyard, "audit.read")]
    again = lanyard("device", "revoke", PC.id[:12]).out
    assert "already" in again
    assert "nothing was opened on it" in lanyard("device", "revoke", PHONE.id[:12]).out
    assert len(events(lanyard, "device.revoked")) == 2
