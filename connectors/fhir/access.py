"""How the gateway itself is known to a FHIR server: a bearer token, Basic, or OAuth client credentials.

Client credentials by secret (RFC 6749, section 4.4) or by a signed assertion (RFC 7523; SMART Backend Services): one request at a time,
the token kept until shortly before it ends.
"""

from __future__ import annotations

import asyncio
import base64
import secrets as random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from .. import secrets
from ..base import ConnectorTools
from ..errors import SystemUnavailable

_EARLY = 30.0  # seconds before its end at which a token is not handed out any more
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Access(Protocol):
    async def authorization(self) -> bytes | None:
        """The Authorization header's value. Raises SystemUnavailable."""
        ...

    async def rejected(self) -> None:
        """The server said 401: what was handed out is not good any more."""
        ...


class Fixed:
    """The same value each time, or none."""

    def __init__(self, value: bytes | None) -> None:
        self._value = value

    async def authorization(self) -> bytes | None:
        return self._value

    async def rejected(self) -> None:
        """A fixed value has no successor: the operator replaces it."""


class ClientCredentials:
    """TokenSource by client credentials."""

    def __init__(self, options: Mapping[str, Any], client: httpx2.AsyncClient, now: Callable[[], float]) -> None:
        self._url: str = options["token_url"]
        self._client_id: str = options["client_id"]
        self._scope: str = options.get("scope", "")
        self._secret = secrets.read(options["client_secret"]).decode() if "client_secret" in options else None
        self._key = _key(secrets.read(options["client_key"])) if "client_key" in options else None
        self._kid: str = options.get("client_kid", "")
        self._alg: str = options.get("client_alg", "RS384" if isinstance(self._key, RSAKey) else "ES384")
        self._client = client
        self._now = now
        self._token = ""
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def authorization(self) -> bytes | None:
        if self._now() >= self._until:
            async with self._turn:
                if self._now() >= self._until:
                    await self._fetch()
        return b"Bearer " + self._token.encode("ascii")

    async def rejected(self) -> None:
        self._until = 0.0

    async def _fetch(self) -> None:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        auth = None
        if self._key is not None:
            form |= {"client_assertion_type": _ASSERTION, "client_assertion": self._assertion()}
        else:
            auth = (self._client_id, self._secret or "")
        try:
            answer = await self._client.post(self._url, data=form, auth=auth or httpx2.USE_CLIENT_DEFAULT)
            found = answer.json()
            token, life = found["access_token"], float(found.get("expires_in", 60))
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            raise SystemUnavailable("the system's authorisation server gave no token") from None
        if answer.status_code != 200 or not isinstance(token, str) or not token.isascii():
            raise SystemUnavailable("the system's authorisation server gave no token")
        self._token, self._until = token, self._now() + life - _EARLY

    def _assertion(self) -> str:
        assert self._key is not None
        now = int(self._now())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._url,
            "jti": random.token_urlsafe(24),
            "iat": now,
            "exp": now + 240,
        }
        header = {"alg": self._alg, "typ": "JWT"} | ({"kid": self._kid} if self._kid else {})
        return jwt.encode(header, claims, self._key, algorithms=[self._alg])


def _key(pem: bytes) -> RSAKey | ECKey:
    try:
        return RSAKey.import_key(pem)
    except (ValueError, JoseError):
        return ECKey.import_key(pem)


def access_for(options: Mapping[str, Any], tools: ConnectorTools) -> Access:
    """By `options.auth`. Raises ValueError where a secret cannot be read."""
    match options.get("auth", "none"):
        case "bearer":
            return Fixed(b"Bearer " + secrets.read(options["token"]))
        case "basic":
            pair = options["username"].encode() + b":" + secrets.read(options["password"])
            return Fixed(b"Basic " + base64.b64encode(pair))
        case "client_credentials":
            return ClientCredentials(options, tools.client(), tools.now)
        case _:
            return Fixed(None)
