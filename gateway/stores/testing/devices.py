"""Enrolled devices, and who is seated on them."""

from __future__ import annotations

from dataclasses import replace

from policies.model import Device, DeviceClass, Ownership
from sso.device import Certificate
from sso.errors import DeviceRefused
from sso.session import token_hash

from ..base import key_hash
from .samples import MAIN, NURSE, T0, Opened, enrolled, session, shift


class DeviceContract(Opened):
    """What a DeviceStore keeps."""

    async def test_an_enrolled_device_is_there_for_whoever_opens_the_store_next(self) -> None:
        """Field by field, by key and by certificate, newest first."""
        pc = enrolled(last_proved=T0 + 5)
        kiosk = enrolled("device-2", key=None, certificate=Certificate("CN=CA", "CN=kiosk"), created=T0 + 1,
                         replaces="device-0", device_class=DeviceClass.TABLET)  # fmt: skip
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
        """Its live sessions, in whatever shift, and everybody else hears of them."""
        await self.store.put_device(enrolled())
        await self.store.put_device(enrolled("device-2"))
        elsewhere = Device("device-2", "Ward 7 PC 4")
        await self.store.seat(shift(), session(), MAIN, token_hash("one"))
        await self.store.seat(shift("shift-2"), session("session-2", "shift-2"), MAIN, token_hash("two"))
        await self.store.seat(shift(), session("session-3", device=elsewhere), MAIN, token_hash("three"))
        await self.store.put_session(session("session-2", "shift-2", ended=T0 + 1, end_reason="signed-off"))
        before = (await self.store.heard(None)).place
        other = await self.open()
        assert [s.id for s in await other.revoke_device("device-1", T0 + 9)] == ["session-1"]
        assert await other.revoke_device("device-1", T0 + 10) == []
        assert await other.revoke_device("device-9", T0 + 10) == []
        assert (await self.store.heard(before)).keys == frozenset({key_hash("session-1")})
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

    async def test_what_is_known_of_a_device_is_changed_whole(self) -> None:
        """What somebody else has written in the meantime is in it; one that was revoked, and one that nobody knows, stay as they are."""
        await self.store.put_device(enrolled())
        other = await self.open()
        await other.amend_device("device-1", lambda e: replace(e, last_proved=T0 + 5))
        amended = await self.store.amend_device("device-1", lambda e: replace(e, name="Ward 9 PC 1", ward="Ward 9"))
        assert amended == enrolled(name="Ward 9 PC 1", ward="Ward 9", last_proved=T0 + 5)
        assert await other.device("device-1") == amended
        await other.revoke_device("device-1", T0 + 9)
        for device in ("device-1", "device-9"):
            assert await self.store.amend_device(device, lambda e: replace(e, revoked=None)) is None
        assert [(e.id, e.revoked) for e in await other.devices()] == [("device-1", T0 + 9)]

    async def test_those_who_sit_at_a_device_are_found(self) -> None:
        """The newest first; neither who has ended, nor who sits elsewhere."""
        elsewhere = Device("device-2", "Ward 7 PC 4")
        await self.store.seat(shift(), session(), MAIN, token_hash("one"))
        await self.store.seat(
            shift("shift-2"), session("session-2", "shift-2", created=T0 + 5), MAIN, token_hash("two")
        )
        await self.store.seat(shift(), session("session-3", device=elsewhere), MAIN, token_hash("three"))
        await self.store.seat(shift(), session("session-4"), MAIN, token_hash("four"))
        await self.store.put_session(session("session-4", ended=T0 + 1, end_reason="signed-off"))
        found = await (await self.open()).sessions_on("device-1")
        assert [s.id for s in found] == ["session-2", "session-1"]
        assert await self.store.sessions_on("device-9") == []

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
