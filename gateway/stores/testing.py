"""The contract of every store of shifts, sessions, codes and upstream sessions, as tests.

A subclass gives `open()` (a store on the same place as before, as another process would open it) and is collected by
pytest; nothing here imports it. Times are seconds since any epoch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from policies.model import Device, DeviceClass, Ownership, Posture, Principal
from sso.device import Certificate, Enrolment, PublicKey
from sso.errors import DeviceRefused
from sso.session import Session, token_hash
from sso.shift import Shift

from .base import Store

T0 = 1_800_000_000.0
MAIN, PAS = "records.example.nhs.uk", "pas.records.example.nhs.uk"
NURSE = Principal("https://login.example.nhs.uk", "n.okoye", "N Okoye", "R8001", frozenset({"nurse"}), assurance=2)


def shift(name: str = "shift-1", principal: Principal = NURSE, **changes: Any) -> Shift:
    """A twelve-hour shift that begins at T0."""
    fields = {"started": T0, "ends": T0 + 43200, "auth_time": T0, "checked": T0, "provider_session": "sid-1"}
    return Shift(name, principal, **{**fields, **changes})


def session(name: str = "session-1", shift_id: str = "shift-1", **changes: Any) -> Session:
    """A session on a phone of the ward, five minutes of idle time."""
    device = Device(
        "device-1", "Ward 7 PC 3", DeviceClass.PHONE, Ownership.SHARED, zone="ward", posture=Posture.ON_SITE
    )
    return Session(**{"id": name, "shift_id": shift_id, "created": T0, "last_seen": T0, "idle": 300.0,
                      "device": device, **changes})  # fmt: skip


def enrolled(device_id: str = "device-1", **changes: Any) -> Enrolment:
    """A ward's PC with a key."""
    known: dict[str, Any] = {"name": "Ward 7 PC 3", "ward": "Ward 7", "ownership": Ownership.SHARED, "managed": True,
                             "created": T0, "key": PublicKey("x", "y")}  # fmt: skip
    return Enrolment(device_id, **{**known, **changes})


class StoreContract:
    """What every Store keeps."""

    store: Store

    async def open(self) -> Store:
        """Another store on the same place."""
        raise NotImplementedError

    async def test_what_was_seated_is_there_for_whoever_opens_the_store_next(self) -> None:
        """A shift, its session and the cookie survive a restart, field by field."""
        kept_shift, kept = shift(amr=("pwd", "otp"), provider_away=True), session(hosts=(PAS,))
        await self.store.seat(kept_shift, kept, MAIN, token_hash("token"))
        other = await self.open()
        assert await other.by_token(token_hash("token")) == (kept, kept_shift, MAIN)
        assert await other.shift("shift-1") == kept_shift
        assert await other.session("session-1") == kept
        assert await other.of_shift("shift-1") == [kept]

    async def test_a_cookie_that_nobody_was_given_finds_nothing(self) -> None:
        """Neither an unknown hash nor the token itself is a key."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        assert await self.store.by_token(token_hash("other")) is None
        assert await self.store.by_token("token") is None

    async def test_a_live_shift_is_found_by_person_and_role_only(self) -> None:
        """Another issuer's same subject, another role, an ended and an over shift are not joined."""
        await self.store.put_shift(shift())
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 1) == shift()
        assert await self.store.live_of("https://other.example", NURSE.subject, NURSE.role, T0 + 1) is None
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, "R8000", T0 + 1) is None
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 43200) is None
        await self.store.put_shift(shift(ended=T0 + 5))
        assert await self.store.live_of(NURSE.issuer, NURSE.subject, NURSE.role, T0 + 6) is None

    async def test_parts_of_a_key_do_not_run_into_each_other(self) -> None:
        """Subject `a` in role `bc` is not subject `ab` in role `c` (HTTP-130)."""
        await self.store.put_shift(shift(principal=replace(NURSE, subject="a", role="bc")))
        assert await self.store.live_of(NURSE.issuer, "ab", "c", T0) is None
        await self.store.put_upstream(("a:b", "c"), b"jar", "session-1")
        assert await self.store.get_upstream(("a", "b:c")) is None

    async def test_shifts_are_found_by_the_provider_s_session_and_by_person(self) -> None:
        """For back-channel log-out; ended ones are left out."""
        await self.store.put_shift(shift())
        await self.store.put_shift(shift("shift-2", provider_session="sid-2"))
        await self.store.put_shift(shift("shift-3", provider_session="sid-1", ended=T0 + 1))
        assert [s.id for s in await self.store.by_provider_session(NURSE.issuer, "sid-1")] == ["shift-1"]
        assert {s.id for s in await self.store.by_subject(NURSE.issuer, NURSE.subject)} == {"shift-1", "shift-2"}
        assert await self.store.by_provider_session("https://other.example", "sid-1") == []

    async def test_a_shift_is_found_by_every_session_of_the_provider_that_seated_somebody_in_it(self) -> None:
        """Also after its session here has ended; not by another issuer's, and not when the shift has ended."""
        await self.store.seat(shift(), session(provider_session="sid-a"), MAIN, token_hash("token"))
        await self.store.put_session(session(provider_session="sid-a", ended=T0 + 5))
        other = await self.open()
        assert [s.id for s in await other.by_provider_session(NURSE.issuer, "sid-a")] == ["shift-1"]
        assert [s.provider_session for s in await other.of_shift("shift-1")] == ["sid-a"]
        assert await other.by_provider_session("https://other.example", "sid-a") == []
        await other.put_shift(shift(ended=T0 + 6))
        assert await other.by_provider_session(NURSE.issuer, "sid-a") == []

    async def test_what_has_ended_stays_ended(self) -> None:
        """A write by somebody who has not heard of the end does not take it back."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        other = await self.open()
        await other.put_session(session(ended=T0 + 5, end_reason="signed-off"))
        await other.put_shift(shift(ended=T0 + 5, end_reason="signed-off"))
        await self.store.touch([session(last_seen=T0 + 9)])
        await self.store.put_session(session(hosts=(PAS,)))
        await self.store.put_shift(shift(provider_away=True))
        kept, kept_shift = await self.store.session("session-1"), await self.store.shift("shift-1")
        assert kept is not None
        assert kept_shift is not None
        assert (kept.ended, kept.end_reason) == (T0 + 5, "signed-off")
        assert (kept_shift.ended, kept_shift.end_reason) == (T0 + 5, "signed-off")

    async def test_what_was_last_seen_is_written(self) -> None:
        """Idle time goes on from there after a restart."""
        await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        await self.store.touch([session(last_seen=T0 + 120)])
        kept = await (await self.open()).session("session-1")
        assert kept is not None
        assert kept.last_seen == T0 + 120

    async def test_a_code_is_good_once_until_its_time_and_for_its_kind(self) -> None:
        """The second taker, a late one, and one of another kind get nothing."""
        await self.store.put_code("enter", "code", b"value", T0 + 30)
        other = await self.open()
        assert await other.take_code("ticket", "code", T0) is None
        assert await other.read_code("enter", "code", T0) == b"value"
        assert await other.take_code("enter", "code", T0 + 29) == b"value"
        assert await self.store.take_code("enter", "code", T0 + 29) is None
        await self.store.put_code("enter", "late", b"value", T0 + 30)
        assert await self.store.read_code("enter", "late", T0 + 30) is None
        assert await self.store.take_code("enter", "late", T0 + 30) is None

    async def test_a_token_id_is_new_once(self) -> None:
        """A log-out token's id is remembered until the token could not be used any more."""
        assert await self.store.first_time("logout-token", "jti", T0 + 60, T0)
        assert not await (await self.open()).first_time("logout-token", "jti", T0 + 60, T0 + 59)
        assert await self.store.first_time("logout-token", "jti", T0 + 120, T0 + 60)

    async def test_an_upstream_session_belongs_to_its_whole_key(self) -> None:
        """Kept, replaced and deleted by (session, system)."""
        await self.store.put_upstream(("session-1", "pas"), b"jar", "session-1")
        await self.store.put_upstream(("session-1", "pas"), b"jar 2", "session-1")
        assert await (await self.open()).get_upstream(("session-1", "pas")) == b"jar 2"
        assert await self.store.get_upstream(("session-2", "pas")) is None
        await self.store.delete_upstream(("session-1", "pas"))
        assert await self.store.get_upstream(("session-1", "pas")) is None

    async def test_the_version_moves_when_somebody_else_has_written_and_not_else(self) -> None:
        """What a cache relies on."""
        other = await self.open()
        before = await self.store.version()
        await other.by_token(token_hash("token"))
        assert await self.store.version() == before
        await other.put_shift(shift())
        assert await self.store.version() != before

    async def test_a_sweep_forgets_what_is_over_and_nothing_else(self) -> None:
        """Codes at their end; sessions, cookies and upstream sessions a day after theirs."""
        await self.store.seat(shift(), session(), MAIN, token_hash("old"))
        await self.store.seat(shift(), session("session-2", last_seen=T0 + 86400), MAIN, token_hash("new"))
        for owner in ("session-1", "session-2"):
            await self.store.put_upstream((owner, "pas"), b"jar", owner)
        await self.store.put_code("enter", "code", b"value", T0 + 90000)
        await self.store.sweep(T0 + 300 + 86400 - 1)
        assert await self.store.session("session-1") is not None
        await self.store.sweep(T0 + 300 + 86400)
        assert await self.store.session("session-1") is None
        assert await self.store.by_token(token_hash("old")) is None
        assert await self.store.get_upstream(("session-1", "pas")) is None
        assert await self.store.by_token(token_hash("new")) is not None
        assert await self.store.get_upstream(("session-2", "pas")) == b"jar"
        assert await self.store.read_code("enter", "code", T0 + 80000) == b"value"

    # Devices

    async def test_an_enrolled_device_is_there_for_whoever_opens_the_store_next(self) -> None:
        """Field by field, by key and by certificate, newest first."""
        pc = enrolled(last_proved=T0 + 5)
        kiosk = enrolled("device-2", key=None, certificate=Certificate("CN=CA", "CN=kiosk"), created=T0 + 1)
        phone = enrolled("device-3", owner=(NURSE.issuer, NURSE.subject), pending=True, ownership=Ownership.PERSONAL,
                         created=T0 + 2)  # fmt: skip
        for device in (pc, kiosk, phone):
            await self.store.put_device(device)
        other = await self.open()
        assert await other.devices() == [phone, kiosk, pc]
        assert await other.device("device-1") == pc
        assert await other.device("device-9") is None
        assert await other.devices_of(NURSE.issuer, NURSE.subject) == [phone]
        assert await other.devices_of("https://other.example", NURSE.subject) == []
        await other.revoke_device("device-3", T0 + 3)
        assert await other.devices_of(NURSE.issuer, NURSE.subject) == []

    async def test_a_certificate_finds_its_device_by_both_names(self) -> None:
        """The one in use before one that was revoked, and that before nothing."""
        certificate = Certificate("CN=CA", "CN=kiosk")
        await self.store.put_device(enrolled("old", key=None, certificate=certificate, revoked=T0 + 1))
        found = await self.store.device_by_certificate(certificate)
        assert found is not None
        assert found.id == "old"
        await self.store.put_device(enrolled("new", key=None, certificate=certificate))
        found = await self.store.device_by_certificate(certificate)
        assert found is not None
        assert found.id == "new"
        assert await self.store.device_by_certificate(Certificate("CN=CACN", "=kiosk")) is None
        assert await self.store.device_by_certificate(Certificate("CN=Other", "CN=kiosk")) is None

    async def test_a_revoked_device_ends_what_is_seated_on_it_and_nothing_else(self) -> None:
        """Its live sessions, in whatever shift, and the version moves for everybody else."""
        await self.store.put_device(enrolled())
        await self.store.put_device(enrolled("device-2"))
        elsewhere = Device("device-2", "Ward 7 PC 4")
        await self.store.seat(shift(), session(), MAIN, token_hash("one"))
        await self.store.seat(shift("shift-2"), session("session-2", "shift-2"), MAIN, token_hash("two"))
        await self.store.seat(shift(), session("session-3", device=elsewhere), MAIN, token_hash("three"))
        await self.store.put_session(session("session-2", "shift-2", ended=T0 + 1, end_reason="signed-off"))
        before = await self.store.version()
        other = await self.open()
        assert [s.id for s in await other.revoke_device("device-1", T0 + 9)] == ["session-1"]
        assert await other.revoke_device("device-1", T0 + 10) == []
        assert await other.revoke_device("device-9", T0 + 10) == []
        assert await self.store.version() != before
        ends = [(s.ended, s.end_reason) for name in "123" if (s := await self.store.session(f"session-{name}"))]
        assert ends == [(T0 + 9, "device-revoked"), (T0 + 1, "signed-off"), (None, "")]

    async def test_what_was_revoked_stays_revoked(self) -> None:
        """A write by somebody who has not heard of it does not take it back."""
        await self.store.put_device(enrolled())
        await (await self.open()).revoke_device("device-1", T0 + 9)
        await self.store.put_device(enrolled(last_proved=T0 + 10))
        found = await self.store.device("device-1")
        assert found is not None
        assert (found.revoked, found.last_proved) == (T0 + 9, None)

    async def test_nobody_is_seated_on_a_revoked_device(self) -> None:
        """Also when it was revoked after it had proved itself: nothing of the seat is written."""
        await self.store.put_device(enrolled(revoked=T0))
        refused = ""
        try:
            await self.store.seat(shift(), session(), MAIN, token_hash("token"))
        except DeviceRefused as error:
            refused = error.reason
        assert refused == "device-revoked"
        assert await self.store.by_token(token_hash("token")) is None
        assert await self.store.session("session-1") is None
