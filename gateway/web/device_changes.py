"""Forms by which the security team changes what devices are known: a link for a new one, another name, an approval, an end.

Each is a page with a form, and the same address by POST. Each is decided by the policies as a change, which asks for a fresh proof.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from policies.model import Ownership
from sso.device import Enrolment, Invitation, names
from sso.errors import DeviceRefused
from sso.session import new_token

from ..devices import Devices, State, link
from ..duties import CHANGE_DEVICES
from ..edge import cookies
from ..edge.origins import Bounce
from ..stores.base import Store
from .bodies import form_of
from .device_desk import DeviceDesk
from .launchpad import Launchpad
from .qr import qr_code
from .render import Renderer, sentence
from .security import Admitted, Security
from .signoff import SignOff

REASONS = {
    "lost": "It was lost",
    "stolen": "It was stolen",
    "retired": "It is no longer in use",
    "left": "Its owner has left",
    "other": "Something else",
}
_LONGEST_NOTE = 200
_TICKET_LIFE = 86_400.0  # seconds that a form which was sent is remembered


class DeviceChanges:
    def __init__(
        self,
        public_url: str,
        security: Security,
        desk: DeviceDesk,
        launchpad: Launchpad,
        devices: Devices,
        store: Store,
        sign_off: SignOff,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._public_url = public_url
        self._security = security
        self._desk = desk
        self._launchpad = launchpad
        self._devices = devices
        self._store = store
        self._sign_off = sign_off
        self._renderer = renderer
        self._now = now

    # A link for a new device

    async def enrol(self, request: Request) -> Response:
        return await self._security.page(request, CHANGE_DEVICES.at("device-enrol"), self._enrol)

    async def _enrol(self, request: Request, admitted: Admitted) -> Response:
        if request.method != "POST":
            return await self._enrol_form(admitted, {"ownership": "shared", "managed": "yes"})
        form = await form_of(request)
        if form.get("ownership") not in ("shared", "issued"):
            return await self._enrol_form(admitted, form, "Say who uses it.")
        try:
            invitation = Invitation.named(
                form.get("name", ""), form.get("ward", ""), Ownership(form["ownership"]),
                managed=form.get("managed") == "yes", by=admitted.actor.by,
            )  # fmt: skip
        except DeviceRefused as refused:
            return await self._enrol_form(admitted, form, sentence(refused))
        return await self._link(admitted, invitation, form, "/security/devices/enrol")

    async def _enrol_form(self, admitted: Admitted, form: dict[str, str], wrong: str = "") -> Response:
        wards = sorted({e.ward for e in await self._store.devices() if e.ward}, key=str.casefold)
        return self._page("security_enrol.html", admitted, form=form, wrong=wrong, wards=wards, ticket=new_token())

    async def _link(self, admitted: Admitted, invitation: Invitation, form: dict[str, str], again: str) -> Response:
        """The link, shown once: a form that is sent twice makes one."""
        now, ticket = self._now(), form.get("ticket", "")
        if not 0 < len(ticket) < 64 or not await self._store.first_time("device-form", ticket, now + _TICKET_LIFE, now):
            return self._message(
                "This form was sent already",
                "Its link was shown once, and is not shown again.",
                (again, "Make another link"),
            )
        address = link(self._public_url, await self._devices.invite(invitation))
        return self._page(
            "security_link.html", admitted, invitation=invitation, address=address, picture=qr_code(address)
        )

    # A link for a device whose key was lost

    async def renew(self, request: Request) -> Response:
        return await self._of_device(request, "device-renew", self._renew)

    async def _renew(self, request: Request, admitted: Admitted, e: Enrolment) -> Response:
        if not e.by_link:
            return self._message(
                "This device has no link",
                "A clinician’s own device is enrolled again by its owner, on “My shift”. One that is known by a client certificate is "
                "known again as soon as it shows one with the same names.",
                (f"/security/devices/{e.id}", "Back to the device"),
            )
        if request.method != "POST":
            return self._page("security_renew.html", admitted, device=self._desk.row(e), ticket=new_token())
        invitation = Invitation(e.name, e.ward, e.ownership, e.managed, admitted.actor.by, replaces=e.id)
        return await self._link(admitted, invitation, await form_of(request), f"/security/devices/{e.id}/renew")

    # Another name or ward

    async def name(self, request: Request) -> Response:
        return await self._of_device(request, "device-name", self._name)

    async def _name(self, request: Request, admitted: Admitted, e: Enrolment) -> Response:
        if e.revoked is not None:
            return self._back(e)
        form = {"name": e.name, "ward": e.ward} if request.method != "POST" else await form_of(request)
        wrong = ""
        if request.method == "POST":
            try:
                await self._devices.rename(e.id, *names(form.get("name", ""), form.get("ward", "")), admitted.actor)
                return self._back(e, "named")
            except DeviceRefused as refused:
                wrong = sentence(refused)
        return self._page("security_name.html", admitted, device=self._desk.row(e), form=form, wrong=wrong)

    # Approval

    async def approve(self, request: Request) -> Response:
        return await self._of_device(request, "device-approve", self._approve)

    async def _approve(self, request: Request, admitted: Admitted, e: Enrolment) -> Response:
        if State.of(e) is not State.PENDING:
            return self._back(e)
        if request.method != "POST":
            return self._page("security_approve.html", admitted, device=self._desk.row(e))
        await self._devices.approve(e.id, admitted.actor)
        return self._back(e, "approved")

    # The end

    async def revoke(self, request: Request) -> Response:
        return await self._of_device(request, "device-revoke", self._revoke)

    async def _revoke(self, request: Request, admitted: Admitted, e: Enrolment) -> Response:
        if e.revoked is not None:
            return self._back(e)
        if request.method != "POST":
            return await self._revoke_form(admitted, e, {})
        form = await form_of(request)
        note = form.get("note", "").strip()
        if form.get("reason") not in REASONS:
            return await self._revoke_form(admitted, e, form, "Say why it goes out of use.")
        if len(note) > _LONGEST_NOTE or not note.isprintable():
            return await self._revoke_form(
                admitted, e, form, f"A note is at most {_LONGEST_NOTE} printable characters."
            )
        ended = await self._devices.revoke(e.id, admitted.actor, reason=form["reason"], note=note) or []
        for seat in ended:
            self._sign_off.end_upstreams(seat, False)
        if admitted.seat.session.id in {seat.session.id for seat in ended}:
            return self._gone(e)
        return self._back(e, "revoked")

    async def _revoke_form(self, admitted: Admitted, e: Enrolment, form: dict[str, str], wrong: str = "") -> Response:
        return self._page(
            "security_revoke.html", admitted, device=self._desk.row(e), form=form, wrong=wrong, reasons=REASONS,
            sessions=len(await self._devices.seats_on(e.id)), longest=_LONGEST_NOTE,
            here=e.id == admitted.seat.session.device.id,
        )  # fmt: skip

    def _gone(self, e: Enrolment) -> Response:
        """It was the device that they sit at."""
        response = self._message(
            f"{e.name} is out of use",
            "You sat at it, so you are signed off here too.",
            ("/sign-on", "Go to the sign-on page"),
        )
        response.raw_headers.append(cookies.expired(cookies.SESSION))
        return response

    # For all of these

    async def _of_device(self, request: Request, route: str, show: Any) -> Response:
        async def found(request: Request, admitted: Admitted) -> Response:
            enrolment = await self._desk.asked_for(request)
            if enrolment is None:
                return self._desk.unknown(request)
            response: Response = await show(request, admitted, enrolment)
            return response

        return await self._security.page(request, CHANGE_DEVICES.at(route), found)

    def _back(self, e: Enrolment, done: str = "") -> Response:
        return self._renderer.redirect(Bounce(f"/security/devices/{e.id}" + (f"?done={done}" if done else "")))

    def _page(self, template: str, admitted: Admitted, *, wrong: str = "", **words: Any) -> Response:
        status = 422 if wrong else 200
        return self._renderer.page(template, status, wrong=wrong, **words, **self._launchpad.who(admitted.seat))

    def _message(self, title: str, lead: str, onward: tuple[str, str]) -> Response:
        return self._renderer.page(
            "message.html", title=title, lead=lead, helps=[], facts=[], kind="", link=onward, top=False
        )
