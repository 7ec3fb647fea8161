"""Emergency sign-on at the main host: the page, by PIN and by passkey, and the question to sign on once the provider is back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from policies.model import Device, Ownership, Principal
from sso import passkey
from sso.device import ProofFor
from sso.errors import DeviceRefused
from sso.passkey import PasskeyRefused
from sso.seal import Seal, SealError

from ..audit.journal import Journal
from ..edge.origins import Bounce
from ..emergency import Begun, Emergency, Meant, Place, Refused
from ..presence import Presence
from ..stores.base import CodeStore
from .bodies import form_of, json_of
from .paths import own_path
from .render import Renderer, clock, sentence
from .seating import seated_cookies
from .switching import Switching
from .visitors import Visitors

_LIFE = 90.0  # seconds for a question
_PURPOSE = "emergency-passkey"
_SAID = {
    Refused.WRONG: "That does not fit: check the name or number and the PIN. A device of your own lets nobody in but you.",
    Refused.LIMITED: "Too many tries within an hour, in this name or at this device. Try another device, or ask a colleague.",
    Refused.NOT_NEEDED: "The sign-on service answers: sign on there. Without your card, use the number of a colleague who vouches for you.",
    Refused.LONG_AGO: "You last signed on too long ago. A senior colleague can vouch for you: use their number in place of your name.",
}
_BY_PASSKEY = {**_SAID, Refused.WRONG: "That passkey is not known here, or this is somebody else's device."}


class EmergencyPages:
    def __init__(
        self,
        public_url: str,
        public_host: str,
        emergency: Emergency,
        presence: Presence,
        visitors: Visitors,
        switching: Switching,
        seal: Seal,
        store: CodeStore,
        journal: Journal,
        renderer: Renderer,
        now: Callable[[], float],
        *,
        badges: bool,
    ) -> None:
        self._badges = badges
        self._public_url = public_url
        self._public_host = public_host
        self._emergency = emergency
        self._presence = presence
        self._visitors = visitors
        self._switching = switching
        self._seal = seal
        self._store = store
        self._journal = journal
        self._renderer = renderer
        self._now = now

    async def page(self, request: Request) -> Response:
        back = own_path(request.query_params.get("next", "/"))
        return await self._elsewhere(request, back) or await self._page(back)

    async def _elsewhere(self, request: Request, back: str) -> Response | None:
        """Where there is no emergency sign-on, and for whoever is signed on."""
        if await self._visitors.seat(request) is not None:
            return self._renderer.redirect(Bounce(back))
        return None if self._emergency.enabled else self._renderer.redirect(Bounce("/sign-on"))

    async def _page(self, back: str, *, said: str = "") -> Response:
        away = await self._presence.look()
        return self._renderer.page(
            "emergency.html", 403 if said else 200, back=back, away=away, badges=self._badges, said=said
        )

    async def by_pin(self, request: Request) -> Response:
        """POST: on a device that proves itself, by certificate or by the page's script."""
        form = await form_of(request)
        back = own_path(form.get("next", "/"))
        if (elsewhere := await self._elsewhere(request, back)) is not None:
            return elsewhere
        try:
            place = await self._place(request, form)
            came = await self._emergency.by_pin(form.get("who", ""), form.get("pin", ""), place)
        except DeviceRefused as refused:
            return await self._page(back, said=self._not_here(request, refused))
        if isinstance(came, Begun):
            return self._renderer.redirect(Bounce(back, seated_cookies(came.seat, came.token)))
        return await self._page(back, said=_SAID[came])

    async def _place(self, request: Request, sent: Mapping[str, Any]) -> Place:
        """Raises DeviceRefused where no enrolled device proves itself."""
        here = await self._visitors.here(request, sent, ProofFor.EMERGENCY)
        if here is None:
            raise DeviceRefused("device-unknown", "this device could not show that it is one that is enrolled here")
        enrolled = here.enrolment.id

        async def device(principal: Principal) -> tuple[Device, float]:
            return await self._visitors.device(request, enrolled, principal)

        follows = bool(self._switching.marked(tuple(request.scope["headers"])))
        return Place(
            enrolled, here.enrolment.ownership, self._public_host, self._visitors.source(request), device, follows
        )

    def _not_here(self, request: Request, refused: DeviceRefused) -> str:
        self._journal.reject(self._visitors.source(request), refused.reason)
        return f"{sentence(refused)} Use one of the hospital’s own devices. Reason: {refused.reason}."

    # By passkey

    async def ask_passkey(self, request: Request) -> Response:
        """POST: what the browser is to prove. Nothing is kept for it until it is proved."""
        question = json.dumps([self._now(), secrets.token_urlsafe(16)]).encode()
        challenge = self._seal.seal(question, purpose=_PURPOSE).encode()
        return _json(json.loads(passkey.asked_proof(self._where(shared=False), challenge)))

    async def by_passkey(self, request: Request) -> Response:
        """POST: what it proved, with the device's own proof beside it."""
        if not self._emergency.enabled:
            return self._refused("there is no emergency sign-on here")
        answer = await json_of(request)
        back = own_path(str(answer.get("next", "/")))
        if await self._visitors.seat(request) is not None:
            return _json({"next": back})
        try:
            place = await self._place(request, answer)
            came = await self._proved(answer, place)
        except DeviceRefused as refused:
            return self._refused(self._not_here(request, refused).rstrip("."))
        except PasskeyRefused as error:
            return self._refused(str(error))
        if isinstance(came, Refused):
            return self._refused(_BY_PASSKEY[came].rstrip("."))
        response = _json({"next": back})
        response.raw_headers += seated_cookies(came.seat, came.token)
        return response

    async def _proved(self, answer: dict[str, Any], place: Place) -> Begun | Refused:
        """Raises PasskeyRefused, DeviceRefused."""
        challenge, handle = passkey.says(answer)
        nonce, until = self._opened(challenge)
        found = await self._emergency.owner(handle, str(answer.get("who", "")), place)
        if isinstance(found, Refused):
            return found
        meant, known = found
        used = await self._used(answer, challenge, meant, known, place)
        if used is None:
            return Refused.WRONG
        if not await self._store.first_time(_PURPOSE, nonce, until, self._now()):
            raise PasskeyRefused("that was answered already: try again")
        return await self._emergency.by_passkey(meant, used, place)

    async def _used(
        self, answer: dict[str, Any], challenge: bytes, meant: Meant, known: list[passkey.Passkey], place: Place
    ) -> passkey.Passkey | None:
        shared = place.ownership is Ownership.SHARED
        try:
            return passkey.proved(self._where(shared=shared), answer, challenge, known)
        except PasskeyRefused:
            await self._emergency.wrong_passkey(meant, place)
            return None

    def _opened(self, challenge: bytes) -> tuple[str, float]:
        """Its nonce, and until when it may be answered. Raises PasskeyRefused."""
        try:
            asked, nonce = json.loads(self._seal.unseal(challenge.decode("ascii"), purpose=_PURPOSE))
        except (SealError, UnicodeDecodeError):
            raise PasskeyRefused("the browser's answer is not what was asked for") from None
        if not 0 <= self._now() - asked <= _LIFE:
            raise PasskeyRefused("that took too long: try again")
        return str(nonce), float(asked) + _LIFE

    def _where(self, *, shared: bool) -> passkey.Place:
        return passkey.Place(urlsplit(self._public_url).hostname or "", self._public_url, shared)

    def _refused(self, says: str) -> Response:
        return self._renderer.problem(403, "emergency", sentence(says))

    # When the provider is back

    async def back(self, request: Request) -> Response:
        """Whoever is signed on in an emergency is asked to sign on as usual, and may go on until the shift's end."""
        onward = own_path(request.query_params.get("next", "/"))
        seat = await self._visitors.seat(request)
        if seat is None or not seat.shift.emergency:
            return self._renderer.redirect(Bounce(onward))
        return self._renderer.page(
            "emergency_back.html", name=seat.shift.principal.name, back=onward, ends=clock(seat.shift.ends)
        )


def _json(value: Any) -> Response:
    return JSONResponse(value, headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})
