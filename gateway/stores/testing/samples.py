"""What the contract keeps: a nurse, a shift, a session, a device. Times are seconds since any epoch."""

from __future__ import annotations

from typing import Any

from policies.model import Device, DeviceClass, Ownership, Posture, Principal
from sso.device import Enrolment, PublicKey
from sso.last_sign_on import LastSignOn
from sso.session import Session
from sso.shift import Shift

from ..base import Store

T0 = 1_800_000_000.0
MAIN, PAS = "records.example.nhs.uk", "pas.records.example.nhs.uk"
NURSE = Principal("https://login.example.nhs.uk", "n.okoye", "N Okoye", "R8001", frozenset({"nurse"}), assurance=2)


NOKOYE = LastSignOn(NURSE, T0, "NOkoye")


def shift(name: str = "shift-1", principal: Principal = NURSE, **changes: Any) -> Shift:
    """A twelve-hour shift that begins at T0."""
    fields = {"started": T0, "ends": T0 + 43200, "auth_time": T0, "checked": T0, "provider_session": "sid-1"}
    return Shift(name, principal, **{**fields, **changes})


def session(name: str = "session-1", shift_id: str = "shift-1", **changes: Any) -> Session:
    """A session on a phone of the ward, five minutes of idle time."""
    device = Device(
        "device-1", "Ward 7 PC 3", DeviceClass.PHONE, Ownership.SHARED, zone="ward", posture=Posture.ON_SITE
    )
    return Session(**{"id": name, "shift_id": shift_id, "created": T0, "last_seen": T0, "idle": 300.0, "stays": 60.0,
                      "device": device, **changes})  # fmt: skip


def enrolled(device_id: str = "device-1", **changes: Any) -> Enrolment:
    """A ward's PC with a key."""
    known: dict[str, Any] = {"name": "Ward 7 PC 3", "ward": "Ward 7", "ownership": Ownership.SHARED, "managed": True,
                             "created": T0, "key": PublicKey("x", "y")}  # fmt: skip
    return Enrolment(device_id, **{**known, **changes})


class Opened:
    """A store, and others on the same place as it."""

    store: Store

    async def open(self) -> Store:
        """Another store on the same place, as another process would open it."""
        raise NotImplementedError

    async def come_to(self, now: float) -> None:
        """Bring the place to that time: what is over by then is forgotten there."""
        await self.store.sweep(now)
