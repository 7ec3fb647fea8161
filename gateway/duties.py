"""What pages of ours that are not for everybody show or change, as the policies are asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from policies.model import AccessRequest, Action, Disclosure, Resource

from .sessions import Seat

OURS = "lanyard"  # the system that policies and journal name for pages of ours


class Asking(Protocol):
    """What the policies are asked before a page is shown."""

    def asked(self, seat: Seat, now: float, *, freshly: bool = False) -> AccessRequest: ...


@dataclass(frozen=True, slots=True)
class Duty:
    action: Action
    kind: str
    route: str
    changing: bool = False
    disclosure: Disclosure = Disclosure.NONE

    def asked(self, seat: Seat, now: float, *, freshly: bool = False) -> AccessRequest:
        """`freshly`: as if they had just proved who they are."""
        resource = Resource(OURS, self.kind, self.route, changing=self.changing, disclosure=self.disclosure)
        return AccessRequest(seat.principal(now), self.action, resource, seat.context(now, freshly=freshly))

    def at(self, route: str) -> Duty:
        return replace(self, route=route)


SEE_DEVICES = Duty(Action.MANAGE_DEVICES, "device", "devices")
CHANGE_DEVICES = Duty(Action.MANAGE_DEVICES, "device", "devices", changing=True)
VOUCH = Duty(Action.VOUCH, "sign-on", "vouch")
READ_ACTIVITY = Duty(Action.READ_DEVICE_ACTIVITY, "journal", "device-activity", disclosure=Disclosure.LISTED)
