"""From the main host into a system's: whoever is signed on here, in a browser that still is the device of its session.

A system's host sends the browser here for each of its cookies, every five minutes: as a page, or in a hidden frame of the guard script.
A copied cookie is worth no more than that, since it cannot prove an enrolled device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sso.device import ProofFor
from sso.errors import DeviceRefused

from ..edge.origins import Asked, Bounce, Doors, asked
from ..sessions import Seat
from .bodies import json_of
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
        """From a system's host, with a ticket."""
        ticket = request.query_params.get("ticket", "")
        here = own_path(f"/enter?ticket={ticket}")
        headers = tuple(request.scope["headers"])
        framed = asked(request.method, headers) is Asked.FRAME
        seat = await self._visitors.seat(request)
        if seat is None:
            if framed:
                return self._refusals.signed_out(request.method, headers, framed=True)
            return self._renderer.redirect(Bounce(f"/sign-on?next={here}"))
        # What asks the provider cannot be done in a frame: it is done at the next page.
        if not framed and (leave := await self._sign_on.due(request, seat, here)):
            return leave
        if await self._visitors.needs_script(seat):
            name = seat.session.device.name
            return self._renderer.page("entering.html", device=name, ticket=ticket, framed_by=self._origins)
        return await self._onward(request, seat, ticket, {})

    async def proved(self, request: Request) -> Response:
        """POST, by that page's script: the ticket and the device's proof. JSON, so that the page leaves the history."""
        sent = await json_of(request)
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        answer = await self._onward(request, seat, str(sent.get("ticket", "")), sent)
        return JSONResponse({"to": answer.headers.get("location", "/")}, headers={"cache-control": "no-store"})

    async def _onward(self, request: Request, seat: Seat, ticket: str, sent: Mapping[str, Any]) -> Response:
        """To the system once this browser has shown that it is the device that the session was seated on."""
        try:
            await self._visitors.at(request, sent, seat, ProofFor.RENEW)
        except DeviceRefused as refused:
            return await self._sign_on.not_this_device(request, refused, own_path(f"/enter?ticket={ticket}"))
        bounce = await self._doors.to_system(ticket, seat) if len(ticket) < _LONGEST_TICKET else None
        return self._renderer.redirect(bounce or Bounce("/"))
