"""What pages of ours that are not for everybody show or change, as the policies are asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.model import AccessRequest, Action, Context, Disclosure, Resource

from .sessions import Seat

OURS = "lanyard"  # the system that policies and journal name for pages of ours


@dataclass(frozen=True, slots=True)
class Duty:
    action: Action
    kind: str
    route: str
    changing: bool = False
    disclosure: Disclosure = Disclosure.NONE

    def asked(self, seat: Seat, now: float) -> AccessRequest:
        resource = Resource(OURS, self.kind, self.route, changing=self.changing, disclosure=self.disclosure)
        context = Context(
            device=seat.session.device,
            proof_method=seat.session.proof,
            proof_fresh=seat.proof_fresh(now),
            provider_away=seat.shift.provider_away,
            offline=bool(seat.shift.emergency),
        )
        return AccessRequest(seat.principal(now), self.action, resource, context)

    def at(self, route: str) -> Duty:
        return replace(self, route=route)


SEE_DEVICES = Duty(Action.MANAGE_DEVICES, "device", "devices")
CHANGE_DEVICES = Duty(Action.MANAGE_DEVICES, "device", "devices", changing=True)
READ_ACTIVITY = Duty(Action.READ_DEVICE_ACTIVITY, "journal", "device-activity", disclosure=Disclosure.LISTED)
