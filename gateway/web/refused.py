"""A request that the policies refused, as an answer: told, and where a proof would turn the verdict, with the way to give it.

A look is made again by itself after the proof, since it changes nothing. What changes something is kept where it is a form, shown after the
proof, and sent by hand or not at all.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from connectors.messages import InboundRequest
from policies.decision import StepUp

from ..edge.csrf import SAFE
from ..edge.origins import Doors
from ..kept import KeptWrite
from ..pipeline import Refusal
from ..sessions import Seat
from ..step_up import StepUps, Wanted
from ..systems import System
from .kept import Kept
from .refusals import Onward, Refusals
from .render import wants_page


class Refused:
    def __init__(self, public_url: str, steps: StepUps, doors: Doors, kept: Kept, refusals: Refusals) -> None:
        self._public_url = public_url
        self._steps = steps
        self._doors = doors
        self._kept = kept
        self._refusals = refusals

    async def told(
        self, refusal: Refusal, inbound: InboundRequest, seat: Seat, system: System, write: KeptWrite | None
    ) -> Response:
        """`write`: what was kept and is sent now. It went nowhere, so that it may be sent later as well as now."""
        if write is not None:
            await self._kept.put_back(seat, write)
        deny, headers = refusal.decision, inbound.headers
        if deny.step_up is None or not wants_page(inbound.method, headers):
            return self._refusals.denied(deny, inbound.method, headers, inbound.id, system)
        looks = inbound.method in SAFE and not refusal.access.resource.changing
        if not looks and write is None:
            write = await self._kept.refused(system, inbound, seat, deny.reason.code)
        if looks:
            target = inbound.prefix.encode() + inbound.target
        else:
            target = f"/.lanyard/kept?id={write.id}".encode() if write else _page_before(inbound)
        bounce = await self._doors.to_main(inbound.host, target, headers)
        back = bounce.location.removeprefix(self._public_url)
        says = self._refusals.says(deny, system)
        wanted = Wanted(seat.session.id, deny.step_up, back, says, _about(refusal, inbound))
        ticket = await self._steps.ask(wanted)
        became = "" if looks else "kept" if write else "lost"
        onward = Onward(f"{self._public_url}/step-up?ticket={ticket}", stronger(deny.step_up, seat), became)
        page = self._refusals.denied(deny, inbound.method, headers, inbound.id, system, onward)
        page.raw_headers += bounce.headers
        return page


def stronger(least: StepUp, seat: Seat) -> int:
    """The assurance of the sign-on that it takes, where this clinician's was weaker and nothing else does; else 0."""
    known = seat.shift.principal.assurance
    return least.assurance if least.assurance > known and not least.local else 0


def _about(refusal: Refusal, inbound: InboundRequest) -> dict[str, str]:
    resource = refusal.access.resource
    return {
        "action": refusal.access.action.value,
        "kind": resource.kind,
        "refused": refusal.decision.reason.code,
        "request": inbound.id,
        "system": resource.system,
    }


def _page_before(inbound: InboundRequest) -> bytes:
    """The page of the same origin that this came from; else the first one."""
    parts = urlsplit((inbound.header(b"referer") or b"").decode("latin-1"))
    if (parts.scheme, parts.netloc) != (inbound.scheme, inbound.host) or not parts.path.startswith("/"):
        return b"/"
    return (f"{parts.path}?{parts.query}" if parts.query else parts.path).encode("latin-1")
