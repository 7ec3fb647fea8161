"""Passkeys at the main host: made on “My shift”, used to unlock, and to prove oneself again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.errors import BadRequest, BodyTooLarge
from policies.model import Ownership
from sso import passkey
from sso.device import ProofFor
from sso.errors import DeviceRefused
from sso.passkey import Passkey, PasskeyRefused, Place

from ..edge.origins import Bounce
from ..locks import Locks
from ..sessions import Seat
from ..stores.base import CodeStore
from .bodies import json_of
from .paths import own_path
from .render import Renderer, sentence
from .step_up import StepUpPages
from .visitors import Visitors

_LIFE = 90.0  # seconds for a question


class Passkeys:
    def __init__(
        self,
        public_url: str,
        visitors: Visitors,
        locks: Locks,
        step_up: StepUpPages,
        store: CodeStore,
        renderer: Renderer,
        now: Callable[[], float],
    ) -> None:
        self._public_url = public_url
        self._visitors = visitors
        self._locks = locks
        self._step_up = step_up
        self._store = store
        self._renderer = renderer
        self._now = now

    async def page(self, request: Request) -> Response:
        """Where one is made."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._renderer.redirect(Bounce("/sign-on?next=/shift/passkey"))
        fresh = self._locks.proved_lately(seat)
        return self._renderer.page("passkey.html", name=seat.shift.principal.name, fresh=fresh)

    async def ask_new(self, request: Request) -> Response:
        """POST: what the browser is to make."""
        seat = await self._visitors.seat(request)
        if seat is None or not self._locks.proved_lately(seat):
            return self._refused("sign on again first")
        p, known = seat.shift.principal, await self._locks.passkeys(seat)
        challenge = await self._challenge("passkey-new", seat)
        return self._json(passkey.asked_new(self._place(seat), p.issuer, p.subject, p.name, challenge, known))

    async def keep_new(self, request: Request) -> Response:
        """POST: what it made."""
        seat = await self._visitors.seat(request)
        if seat is None or not self._locks.proved_lately(seat):
            return self._refused("sign on again first")
        try:
            answer, challenge = await self._answer(request, "passkey-new", seat)
            await self._locks.keep_passkey(seat, passkey.made(self._place(seat), answer, challenge))
        except PasskeyRefused as error:
            return self._refused(str(error))
        return self._json(json.dumps({"next": "/shift"}))

    async def ask_proof(self, request: Request) -> Response:
        """POST, locked: what the browser is to prove."""
        seat = await self._visitors.held(request)
        if seat is None:
            return self._refused("this session is not locked")
        return self._json(passkey.asked_proof(self._place(seat), await self._challenge("passkey-proof", seat)))

    async def unlock(self, request: Request) -> Response:
        """POST, locked: what it proved."""
        seat = await self._visitors.held(request)
        if seat is None:
            return self._refused("this session is not locked")
        turn = seat.session.turn
        try:
            answer, used, here = await self._used(request, "passkey-proof", seat)
            if not await self._locks.unlock_by_passkey(seat, used, turn=turn, here=here):
                raise PasskeyRefused("this session was locked anew, or is over")
        except PasskeyRefused as error:
            await self._locks.refused(seat, "passkey-refused")
            return self._refused(str(error))
        except DeviceRefused as refused:
            await self._locks.refused(seat, refused.reason)
            return self._refused(f"{refused}, so it unlocks nothing: sign on again instead")
        return self._json(json.dumps({"next": own_path(str(answer.get("next", "/")))}))

    async def ask_step_up(self, request: Request) -> Response:
        """POST: what the browser is to prove in a session that is not locked."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._refused("you are not signed on")
        return self._json(passkey.asked_proof(self._place(seat), await self._challenge("passkey-step-up", seat)))

    async def step_up(self, request: Request) -> Response:
        """POST: what it proved. `next` is the ticket of the step-up that it is for."""
        seat = await self._visitors.seat(request)
        if seat is None:
            return self._refused("you are not signed on")
        try:
            answer, used, _ = await self._used(request, "passkey-step-up", seat)
            ticket = str(answer.get("next", ""))
            if (wanted := await self._step_up.by_passkey(seat, ticket)) is None:
                raise PasskeyRefused("that was too long ago: open the page that you wanted again")
        except PasskeyRefused as error:
            await self._locks.refused(seat, "passkey-refused")
            return self._refused(str(error))
        except DeviceRefused as refused:
            await self._locks.refused(seat, refused.reason)
            return self._refused(f"{refused}: sign on again instead")
        await self._locks.prove_by_passkey(seat, used, wanted.journalled)
        onward = await self._step_up.onward(seat, ticket, wanted)
        response = self._json(json.dumps({"next": onward.location}))
        response.raw_headers += onward.headers
        return response

    async def _used(self, request: Request, kind: str, seat: Seat) -> tuple[dict[str, Any], Passkey, str]:
        """The browser's answer, which of the clinician's passkeys gave it, and on which enrolled device. Raises PasskeyRefused,
        DeviceRefused."""
        answer, challenge = await self._answer(request, kind, seat)
        here = await self._visitors.at(request, answer, seat, ProofFor.UNLOCK)
        return answer, passkey.proved(self._place(seat), answer, challenge, await self._locks.passkeys(seat)), here

    async def _challenge(self, kind: str, seat: Seat) -> bytes:
        """A new one; the one before is worth nothing any more."""
        challenge = secrets.token_bytes(32)
        await self._store.put_code(kind, seat.session.id, challenge, self._now() + _LIFE)
        return challenge

    async def _answer(self, request: Request, kind: str, seat: Seat) -> tuple[dict[str, Any], bytes]:
        """The browser's answer, and the challenge that it is to, once. Raises PasskeyRefused."""
        answer: dict[str, Any] | None = None
        try:
            answer = await json_of(request)
        except BodyTooLarge:
            raise PasskeyRefused("the answer is too long") from None
        except BadRequest:
            pass  # the question is used up all the same
        challenge = await self._store.take_code(kind, seat.session.id, self._now())
        if challenge is None or answer is None:
            raise PasskeyRefused("that took too long, or was answered already: try again")
        return answer, challenge

    def _place(self, seat: Seat) -> Place:
        host = urlsplit(self._public_url).hostname or ""
        return Place(host, self._public_url, seat.session.device.ownership is Ownership.SHARED)

    def _json(self, text: str) -> Response:
        return JSONResponse(
            json.loads(text), headers={"cache-control": "no-store", "x-content-type-options": "nosniff"}
        )

    def _refused(self, says: str) -> Response:
        return self._renderer.problem(403, "passkey", sentence(says))
