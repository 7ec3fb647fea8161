"""From the main host into a system's: whoever is signed on here, in a browser that still is the device of its session.

A system's host sends the browser here for each of its cookies, every five minutes: as a page, or in a hidden frame of the guard script.
A copied cookie is worth no more than that, since it cannot prove an enrolled device.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from sso.device import ProofFor
from sso.errors import DeviceRefused

from ..edge.origins import Asked, Bounce, Doors, asked
from ..sessions import Seat
from .bodies import form_of
from .paths import own_path
from .refusals import Refusals
from .render import Renderer
from .signon import SignOn
from .visitors import Visitors

_LONGEST_TICKET = 64


class Entering:
    def __init__(
        self,
        visitors: Visitors,
        doors: Doors,
        sign_on: SignOn,
        refusals: Refusals,
        renderer: Renderer,
        origins: tuple[str, ...],
    ) -> None:
        """`origins`: of the systems, whose pages may frame this one."""
        self._visitors = visitors
        self._doors = doors
        self._sign_on = sign_on
        self._refusals = refusals
        self._renderer = renderer
        self._origins = origins

    async def enter(self, request: Request) -> Response:
        """GET with a ticket; POST with the ticket and the device's proof."""
        sent = await form_of(request) if request.method == "POST" else {}
        ticket = sent.get("ticket", "") or request.query_params.get("ticket", "")
        here = own_path(f"/enter?ticket={ticket}")
        headers = tuple(request.scope["headers"])
        framed = asked(request.method, headers) is Asked.FRAME
        seat = await self._visitors.seat(request)
        if seat is None:
            if framed:
                return self._refusals.signed_out(request.method, headers, framed=True)
            return self._renderer.redirect(Bounce(f"/sign-on?next={here}"))
        # What asks the provider cannot be done in a frame: it is done at the next page.
        if request.method == "GET" and not framed and (leave := await self._sign_on.due(request, seat, here)):
            return leave
        if seat.session.device.id and (instead := await self._unproved(request, seat, sent, ticket)) is not None:
            return instead
        bounce = await self._doors.to_system(ticket, seat) if len(ticket) < _LONGEST_TICKET else None
        return self._renderer.redirect(bounce or Bounce("/"))

    async def _unproved(self, request: Request, seat: Seat, sent: Mapping[str, str], ticket: str) -> Response | None:
        """None once this browser has shown that it is the device that the session was seated on."""
        if request.method == "GET" and await self._visitors.needs_script(seat):
            name = seat.session.device.name
            return self._renderer.page("entering.html", device=name, ticket=ticket, framed_by=self._origins)
        try:
            await self._visitors.at(request, sent, seat, ProofFor.RENEW)
        except DeviceRefused as refused:
            return await self._sign_on.not_this_device(request, refused, own_path(f"/enter?ticket={ticket}"))
        return None
