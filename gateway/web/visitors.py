"""Whoever asks the main host: the seat of their browser, where they are, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from policies.model import Device, Principal
from sso.device import Enrolment, ProofFor

from ..context import Surroundings
from ..devices import Devices, Here
from ..edge import cookies
from ..locks import Locks
from ..sessions import Seat, Sessions

_HEARD = "lanyard.heard"  # in the scope of a request for which the others were listened to


class Visitors:
    def __init__(
        self, sessions: Sessions, locks: Locks, surroundings: Surroundings, devices: Devices, public_host: str
    ) -> None:
        self._sessions = sessions
        self._locks = locks
        self._surroundings = surroundings
        self._devices = devices
        self._public_host = public_host

    async def seat(self, request: Request) -> Seat | None:
        """This browser's session, where it may act. Raises StoreUnavailable."""
        token = await self._heard(request)
        return await self._sessions.seated(token, self._public_host)

    async def held(self, request: Request) -> Seat | None:
        """This browser's session, where it is locked. Raises StoreUnavailable."""
        token = await self._heard(request)
        return await self._locks.held(token, self._public_host)

    async def _heard(self, request: Request) -> bytes | None:
        """Its cookie. Whoever brings one may have been sent here by another gateway, which has locked or unlocked them just now: were
        that not known, the two would send them to and fro. Once for each request."""
        token = session_token(request)
        if token is not None and _HEARD not in request.scope:
            await self._sessions.hear()
            request.scope[_HEARD] = True
        return token

    def source(self, request: Request) -> str:
        """The client's address."""
        return self._surroundings.source(request.scope["client"][0], tuple(request.scope["headers"]))

    def unproved(self, request: Request) -> Device:
        """What the address and the browser's own word tell of the device."""
        return self._surroundings.device(self.source(request), tuple(request.scope["headers"]))

    async def here(
        self, request: Request, sent: Mapping[str, Any], proof_for: ProofFor = ProofFor.SIGN_ON
    ) -> Here | None:
        """The enrolled device that this comes from, as `Devices.here`. Raises DeviceRefused, StoreUnavailable."""
        return await self._devices.here(request.scope["client"][0], tuple(request.scope["headers"]), sent, proof_for)

    async def at(self, request: Request, sent: Mapping[str, Any], seat: Seat, proof_for: ProofFor) -> str:
        """The id of the enrolled device that this seat is on, proved just now, as `Devices.at`; "" where it is on none."""
        headers = tuple(request.scope["headers"])
        return await self._devices.at(request.scope["client"][0], headers, sent, seat.session.device, proof_for)

    async def shown(self, request: Request) -> Enrolment | None:
        """The device by its certificate alone, as `Devices.shown`."""
        return await self._devices.shown(request.scope["client"][0], tuple(request.scope["headers"]))

    async def needs_script(self, seat: Seat) -> bool:
        return await self._devices.needs_script(seat.session.device)

    async def device(self, request: Request, proved: str, principal: Principal) -> tuple[Device, float]:
        """What a session of this clinician is seated on, and its idle time in seconds.

        `proved`: the id of a device that has proved its key; a certificate is looked at in any case. Raises DeviceRefused
        for a device that was revoked, StoreUnavailable.
        """
        headers, source = tuple(request.scope["headers"]), self.source(request)
        found = self._surroundings.device(source, headers)
        device = await self._devices.still(request.scope["client"][0], headers, proved, found, principal)
        return device, self._surroundings.idle(source, device.ownership)


def session_token(request: Request) -> bytes | None:
    return cookies.cookie(tuple(request.scope["headers"]), cookies.SESSION)
