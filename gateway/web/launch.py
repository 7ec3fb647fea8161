"""Opening what the gateway does not see into: the click is decided and written down, and then it is opened.

Where a patient is asked for, the number stays on the page to be copied and checked against: what is opened may show somebody else.
"""

from __future__ import annotations

import json
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from connectors.base import Launch
from connectors.routes import NHS_NUMBER, is_nhs_number
from policies.model import PatientRef

from ..edge.origins import Bounce
from ..launches import Launched, Opening
from ..sessions import Seat
from ..stores.base import CodeStore
from .bodies import form_of
from .launchpad import STATES, Launchpad
from .refusals import Refusals
from .render import Renderer
from .security import Admitted, Security

_FILE, _FILE_LIFE = "launch-file", 120.0  # seconds


class LaunchPages:
    def __init__(
        self,
        launches: dict[str, Launched],
        security: Security,
        launchpad: Launchpad,
        codes: CodeStore,
        refusals: Refusals,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._launches = launches
        self._security = security
        self._launchpad = launchpad
        self._codes = codes
        self._refusals = refusals
        self._renderer = renderer
        self._now = now

    async def page(self, request: Request) -> Response:
        """Where a patient is asked for, and where whoever came by an address of ours can open it."""

        async def show(request: Request, seat: Seat) -> Response:
            one = self._launches.get(request.path_params["system"])
            return self._nothing(request) if one is None else self._form(one, seat)

        return await self._launchpad.seated(request, show)

    async def open(self, request: Request) -> Response:
        """POST: decided and written down, then opened. A number that cannot be one is asked for again."""
        one = self._launches.get(request.path_params["system"])
        if one is None:
            return self._nothing(request)
        number = re.sub(r"[\s-]", "", (await form_of(request)).get("nhs_number", ""))
        if number and not is_nhs_number(number):

            async def again(request: Request, seat: Seat) -> Response:
                return self._form(one, seat, wrong=True)

            return await self._launchpad.seated(request, again)
        patients = frozenset({PatientRef(NHS_NUMBER, number)} if number else ())

        async def show(request: Request, admitted: Admitted) -> Response:
            launch = one.connector.launch(admitted.seat.shift.principal, number)
            if not number:
                return self._renderer.redirect(Bounce(launch.address)) if launch.address else _given(launch)
            return await self._opened(one, admitted.seat, launch, number)

        return await self._security.page(request, Opening(one.name, patients), show)

    async def file(self, request: Request) -> Response:
        """GET: a file that was written down a moment before, once, for the same session."""

        async def show(request: Request, seat: Seat) -> Response:
            ticket = request.query_params.get("ticket", "")
            kept = await self._codes.take_code(_FILE, ticket, self._now()) if 0 < len(ticket) < 64 else None
            value = json.loads(kept) if kept else {}
            if value.get("session") != seat.session.id:
                return self._nothing(request)
            return _given(Launch("", b64decode(value["file"]), value["file_name"], value["media_type"]))

        return await self._launchpad.seated(request, show)

    def _form(self, one: Launched, seat: Seat, *, wrong: bool = False) -> Response:
        return self._renderer.page(
            "open.html",
            status=400 if wrong else 200,
            system=one.name,
            title=one.title,
            state=one.state.value,
            state_says=STATES[one.state],
            helpdesk=one.table.helpdesk,
            finds_patients=one.connector.finds_patients(),
            wrong=wrong,
            **self._launchpad.who(seat),
        )

    async def _opened(self, one: Launched, seat: Seat, launch: Launch, number: str) -> Response:
        address = launch.address
        if launch.file:
            ticket = secrets.token_urlsafe(24)
            value = {
                "session": seat.session.id,
                "file": b64encode(launch.file).decode("ascii"),
                "file_name": launch.file_name,
                "media_type": launch.media_type,
            }
            await self._codes.put_code(_FILE, ticket, json.dumps(value).encode(), self._now() + _FILE_LIFE)
            address = f"/open/{one.name}/file?ticket={ticket}"
        return self._renderer.page(
            "opened.html",
            title=one.title,
            state=one.state.value,
            address=address,
            at_patient=launch.at_patient,
            number=f"{number[:3]} {number[3:6]} {number[6:]}",
            digits=number,
            helpdesk=one.table.helpdesk,
            **self._launchpad.who(seat),
        )

    def _nothing(self, request: Request) -> Response:
        return self._refusals.not_found(request.method, tuple(request.scope["headers"]))


def _given(launch: Launch) -> Response:
    """A file to be opened by its program, never shown as a page of ours."""
    headers = {
        "content-disposition": f'attachment; filename="{launch.file_name}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }
    return Response(launch.file, headers=headers, media_type=launch.media_type)
