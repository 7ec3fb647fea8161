"""Pages that make a device known: a one-time link, a clinician's own, and the challenge that a device answers."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from policies.model import Ownership
from sso.device import Enrolment, ProofFor
from sso.errors import DeviceRefused

from ..audit.journal import Journal
from ..devices import Actor, Devices
from ..edge.origins import Bounce
from ..sessions import Seat
from .bodies import form_of, json_of
from .render import Renderer, sentence
from .signoff import SignOff
from .visitors import Visitors

_NOT_KEPT = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class DevicePages:
    def __init__(
        self,
        devices: Devices,
        visitors: Visitors,
        sign_off: SignOff,
        journal: Journal,
        renderer: Renderer,
    ) -> None:
        self._devices = devices
        self._visitors = visitors
        self._sign_off = sign_off
        self._journal = journal
        self._renderer = renderer

    async def challenge(self, request: Request) -> Response:
        """POST: something for a device to sign. The same answer for every id, so that nobody learns which are enrolled."""
        asked = await json_of(request)
        try:
            proof_for = ProofFor(str(asked.get("purpose")))
            challenge = self._devices.challenge(str(asked.get("device")), proof_for)
        except ValueError:
            return self._renderer.problem(400, "bad-request", "There is no such purpose")
        except DeviceRefused as refused:
            return self._problem(request, refused)
        return JSONResponse({"challenge": challenge}, headers=_NOT_KEPT)

    # By a one-time link

    async def invited(self, request: Request) -> Response:
        """What the link is for, and a button. Looking uses nothing up: mail filters look too."""
        token = request.query_params.get("invitation", "")
        try:
            invitation = await self._devices.invited(token)
        except DeviceRefused as refused:
            return self._page(request, refused)
        return self._renderer.page("device.html", invitation=invitation, token=token)

    async def enrol(self, request: Request) -> Response:
        """POST: the public half of the key that this browser has made."""
        sent = await json_of(request)
        try:
            made, ended = await self._devices.enrol(
                str(sent.get("invitation", "")),
                sent.get("key"),
                self._visitors.unproved(request),
                self._visitors.source(request),
            )
        except DeviceRefused as refused:
            return self._problem(request, refused)
        for seat in ended:
            self._sign_off.end_upstreams(seat, False)
        return _made(made)

    # A clinician's own

    async def enrol_own(self, request: Request) -> Response:
        """POST, signed on: the same, for the clinician's own device."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        if seat.shift.emergency:
            return self._renderer.problem(403, "offline", "Sign on at the sign-on service first, then make it yours")
        sent, source = await json_of(request), self._visitors.source(request)
        found = self._visitors.unproved(request)
        try:
            made = await self._devices.enrol_own(seat.shift.principal, found, sent.get("key"), source)
        except DeviceRefused as refused:
            return self._problem(request, refused)
        return _made(made)

    async def remove(self, request: Request) -> Response:
        """POST, signed on: a device of one's own is lost or sold. Its sessions end with it."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.problem(401, "no-session", "You are not signed on")
        wanted = (await form_of(request)).get("device")
        for enrolment in await self._devices.own(seat.shift.principal):
            if enrolment.id == wanted:
                for ended in await self._devices.revoke(enrolment.id, Actor.seated(seat, "clinician")) or ():
                    self._sign_off.end_upstreams(ended, False)
        return self._renderer.redirect(Bounce("/shift"))

    async def of_shift(self, seat: Seat) -> dict[str, Any]:
        """What the page `My shift` says about devices."""
        own = [
            {"id": e.id, "name": e.name, "pending": e.pending, "here": e.id == seat.session.device.id}
            for e in await self._devices.own(seat.shift.principal)
        ]
        return {"this": seat.session.device if seat.session.device.id else None, "own": own}

    def _problem(self, request: Request, refused: DeviceRefused) -> Response:
        self._journal.reject(self._visitors.source(request), refused.reason)
        return self._renderer.problem(403, refused.reason, sentence(refused))

    def _page(self, request: Request, refused: DeviceRefused) -> Response:
        self._journal.reject(self._visitors.source(request), refused.reason)
        return self._renderer.page(
            "message.html",
            403,
            title="This device was not enrolled",
            lead=sentence(refused),
            helps=["Ask whoever sent you the link for a new one. It takes ten seconds."],
            facts=[("Reason", refused.reason)],
            kind="failure",
            link=("/sign-on", "Sign on without enrolling"),
            top=False,
        )


def _made(enrolment: Enrolment) -> Response:
    shared = enrolment.ownership is Ownership.SHARED
    made = {"device": enrolment.id, "name": enrolment.name, "pending": enrolment.pending, "shared": shared}
    return JSONResponse(made, 201, headers=_NOT_KEPT)
