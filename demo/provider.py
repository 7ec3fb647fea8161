"""The demo's OpenID provider: pick a person, no password. Everything else is as a real one has it.

Code flow with PKCE S256, `iss` in the answer, UserInfo, refresh tokens, `prompt`, `acr_values`, RP-initiated and back-channel
log-out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import httpx2
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .look import page
from .people import USERS, User

LEVELS = ("aal1", "aal2", "aal3")
_COOKIE = "demo_op"


@dataclass
class Grant:
    user: User
    sid: str
    acr: str
    auth_time: int
    nonce: str = ""
    challenge: str = ""
    redirect_uri: str = ""


@dataclass
class Provider:
    """One client, everything in memory."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    post_logout: str
    backchannel: str
    key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(2048, {"kid": "demo", "use": "sig", "alg": "RS256"}, private=True)
    )
    codes: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    browsers: dict[str, Grant] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/jwks", self.jwks),
                Route("/authorize", self.authorize),
                Route("/pick", self.pick, methods=["POST"]),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.userinfo),
                Route("/end-session", self.end_session),
            ]
        )

    async def metadata(self, request: Request) -> Response:
        i = self.issuer
        return JSONResponse(
            {
                "issuer": i,
                "authorization_endpoint": f"{i}/authorize",
                "token_endpoint": f"{i}/token",
                "userinfo_endpoint": f"{i}/userinfo",
                "jwks_uri": f"{i}/jwks",
                "end_session_endpoint": f"{i}/end-session",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile"],
                "acr_values_supported": list(LEVELS),
                "authorization_response_iss_parameter_supported": True,
                "backchannel_logout_supported": True,
                "backchannel_logout_session_supported": True,
            }
        )

    async def jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    # The browser's side

    async def authorize(self, request: Request) -> Response:
        asked = request.query_params
        if asked.get("client_id") != self.client_id or asked.get("redirect_uri") != self.redirect_uri:
            return HTMLResponse("unknown client or redirect address", 400)
        pkce = asked.get("code_challenge") and asked.get("code_challenge_method") == "S256"
        if asked.get("response_type") != "code" or not pkce:
            return self._back(asked, error="invalid_request")
        known = self.browsers.get(request.cookies.get(_COOKIE, ""))
        wanted = asked.get("acr_values", "").split()
        enough = known is not None and (not wanted or known.acr in wanted)
        if known is not None and enough and asked.get("prompt") != "login":
            return self._answer(asked, known)
        if asked.get("prompt") == "none":
            return self._back(asked, error="login_required")
        level = next((level for level in LEVELS if level in wanted), "aal2")
        return HTMLResponse(
            page("pick.html", users=USERS, query=str(request.url.query), level=level),
            headers={
                "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'"
            },
        )

    async def pick(self, request: Request) -> Response:
        form = await request.form()
        asked = {name: values[0] for name, values in parse_qs(str(form.get("query", ""))).items()}
        user = next((u for u in USERS if u.login == form.get("login")), None)
        if user is None or asked.get("redirect_uri") != self.redirect_uri or not asked.get("code_challenge"):
            return HTMLResponse("unknown person, redirect address or challenge", 400)
        level = str(form.get("level", "aal2"))
        signed_on = Grant(user, secrets.token_hex(8), level if level in LEVELS else "aal2", int(time.time()))
        browser = secrets.token_urlsafe(16)
        self.browsers[browser] = signed_on
        response = self._answer(asked, signed_on)
        response.set_cookie(_COOKIE, browser, httponly=True, samesite="lax")
        return response

    def _answer(self, asked: Mapping[str, str], known: Grant) -> Response:
        code = secrets.token_urlsafe(24)
        self.codes[code] = Grant(
            known.user,
            known.sid,
            known.acr,
            known.auth_time,
            asked.get("nonce", ""),
            asked["code_challenge"],
            self.redirect_uri,
        )
        return self._back(asked, code=code)

    def _back(self, asked: Mapping[str, str], **answer: str) -> Response:
        parameters = {**answer, "state": asked.get("state", ""), "iss": self.issuer}
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(parameters)}", 303)

    async def end_session(self, request: Request) -> Response:
        known = self.browsers.pop(request.cookies.get(_COOKIE, ""), None)
        if known is not None:
            await self._tell_client(known)
        to = request.query_params.get("post_logout_redirect_uri")
        where = (
            f"{to}?{urlencode({'state': request.query_params.get('state', '')})}"
            if to == self.post_logout
            else self.post_logout
        )
        response = RedirectResponse(where, 303)
        response.delete_cookie(_COOKIE)
        return response

    async def _tell_client(self, known: Grant) -> None:
        """Back-channel log-out; a client that does not answer is not waited for."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": known.user.login,
            "sid": known.sid,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(12),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        token = jwt.encode({"alg": "RS256", "kid": "demo", "typ": "logout+jwt"}, claims, self.key)
        try:
            async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
                host = self.post_logout.split("/")[2]
                await client.post(self.backchannel, data={"logout_token": token}, headers={"host": host})
        except httpx2.HTTPError:
            return

    # The client's side

    async def token(self, request: Request) -> Response:
        if not self._is_client(request.headers.get("authorization", "")):
            return JSONResponse({"error": "invalid_client"}, 401)
        form = await request.form()
        if form.get("grant_type") == "refresh_token":
            grant = self.refresh.pop(str(form.get("refresh_token")), None)
            return self._tokens(grant, "") if grant else JSONResponse({"error": "invalid_grant"}, 400)
        grant = self.codes.pop(str(form.get("code")), None)
        verifier = str(form.get("code_verifier", ""))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if grant is None or form.get("redirect_uri") != grant.redirect_uri or challenge != grant.challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return self._tokens(grant, grant.nonce)

    def _is_client(self, header: str) -> bool:
        kind, _, value = header.partition(" ")
        try:
            name, _, secret = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return False
        given = f"{unquote(name)}:{unquote(secret)}"
        return kind.lower() == "basic" and hmac.compare_digest(given, f"{self.client_id}:{self.client_secret}")

    def _tokens(self, grant: Grant, nonce: str) -> Response:
        now = int(time.time())
        claims: dict[str, Any] = self._claims(grant) | {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "auth_time": grant.auth_time,
            "acr": grant.acr,
            "amr": ["demo"],
            "sid": grant.sid,
        }
        claims |= {"nonce": nonce} if nonce else {}
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.tokens[access] = grant
        self.refresh[refresh] = grant
        id_token = jwt.encode({"alg": "RS256", "kid": "demo", "typ": "JWT"}, claims, self.key)
        return JSONResponse(
            {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": 300,
                "id_token": id_token,
                "refresh_token": refresh,
            },
            headers={"cache-control": "no-store"},
        )

    async def userinfo(self, request: Request) -> Response:
        grant = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        return JSONResponse(self._claims(grant)) if grant else JSONResponse({"error": "invalid_token"}, 401)

    def _claims(self, grant: Grant) -> dict[str, Any]:
        user = grant.user
        return {"sub": user.login, "name": user.name, "groups": [user.group], "organisation": "RDEMO"}
