"""Order entry, as newer systems do it: no log-on page at all. It believes a signed assertion of the gateway's, and checks it.

The public keys are read at the gateway's own address and again when one is not known yet. What comes without an assertion, or with one
that is not for this system, late or signed by somebody else, is told 401.
"""

from __future__ import annotations

from typing import Any

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .patient_pages import PatientPages
from .people import Patient

AUDIENCE = "orders"
HEADER = "X-Lanyard-Assertion"


class Orders(PatientPages):
    template, path = "orders.html", "/orders"

    def __init__(self, people: list[Patient], issuer: str, keys: tuple[str, str]) -> None:
        """`issuer`: who may say who is there; `keys`: where the public keys are, and the Host to ask for them by."""
        super().__init__(people)
        self._issuer = issuer
        self._keys = keys
        self._known: dict[str, Any] = {"keys": []}

    async def who(self, request: Request) -> str | None:
        token = request.headers.get(HEADER, "")
        for again in (False, True) if token else ():
            if again:
                address, host = self._keys
                async with httpx2.AsyncClient(trust_env=False) as client:
                    self._known = (await client.get(address, headers={"host": host})).json()
            try:
                claims = jwt.decode(token, KeySet.import_key_set(self._known), algorithms=["ES256"]).claims  # type: ignore[arg-type]  # any JWK set
                rules = jwt.JWTClaimsRegistry(
                    iss={"essential": True, "value": self._issuer},
                    aud={"essential": True, "value": AUDIENCE},
                    exp={"essential": True},
                    sub={"essential": True},
                )
                rules.validate(claims)
            except (JoseError, ValueError):
                continue
            return str(claims["name"])
        return None

    def nobody(self) -> Response:
        return PlainTextResponse("Nobody says who you are\n", 401)
