"""Builders, a toy identity provider that can be told to go wrong, and the contract of every IdentityProvider.

For tests, ours and other people's; nothing here imports pytest. The toy speaks real HTTP on a free port of this
machine, so that faults of the wire (a hang, a flood, a redirect) are real ones. For ordinary sign-ons test against a
provider that somebody else wrote.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from policies.model import Principal

from .device import Proof
from .errors import SignOnRefused
from .provider import Callback, IdentityProvider, PendingSignOn, ProviderSettings
from .session import token_hash
from .tokens import LOGOUT_EVENT

CLIENT_ID = "gateway"
CLIENT_SECRET = b"a+b/c=d %& secret"  # every character that form-encoding must keep
REDIRECT_URI = "https://records.example.nhs.uk/sign-on/callback"
BROWSER = token_hash("the binding cookie of one browser")


@cache
def rsa_key(name: str = "toy-1") -> RSAKey:
    """An RSA key called `name`; the same one for the same name."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@cache
def ec_key(name: str = "toy-ec") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig"})


def private_pem(kind: str) -> bytes:
    """A fresh client key in PEM; `kind` is `RSA` or `EC`."""
    key: RSAKey | ECKey = RSAKey.generate_key(2048) if kind == "RSA" else ECKey.generate_key("P-256")
    return key.as_pem(private=True)


def pending(now: float | None = None, **changes: Any) -> PendingSignOn:
    """A sign-on begun just now in BROWSER."""
    begun = time.time() if now is None else now
    fresh = PendingSignOn.new(browser=BROWSER, redirect_uri=REDIRECT_URI, return_path="/", now=begun)
    return replace(fresh, **changes)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: dict[str, Any], payload: bytes, key: RSAKey | ECKey) -> str:
    """A compact JWS with exactly this header, whatever it says; signed with its `alg` where that is a signature."""
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    input_ = f"{encoded(json.dumps(header).encode())}.{encoded(payload)}"
    return f"{input_}.{encoded(registry.get_alg(header['alg']).sign(input_.encode(), key))}"


class BrowserKey:
    """A device's key as a browser keeps it, and the proofs that it makes."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, str]:
        """The public half as the script sends it."""
        point = self._key.public_key().public_numbers()
        x, y = (encoded(number.to_bytes(32)) for number in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def proof(self, origin: str, proof_for: str, device: str, challenge: str, *, der: bool = False) -> Proof:
        """`der`: the signature as most libraries write it, and WebCrypto does not."""
        message = "\n".join(("lanyard-device-proof-1", origin, proof_for, device, challenge)).encode()
        signature = self._key.sign(message, ec.ECDSA(SHA256()))
        if not der:
            signature = b"".join(number.to_bytes(32) for number in decode_dss_signature(signature))
        return Proof(device, challenge, encoded(signature))


@dataclass
class Reply:
    """A raw HTTP answer. `hang`: the head never comes. `size`: so many bytes of padding after the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    hang: bool = False
    size: int = 0

    @classmethod
    def json(cls, value: object, status: int = 200) -> Reply:
        return cls(status, json.dumps(value).encode())


@dataclass(frozen=True)
class Asked:
    """One request that the toy received."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]


Change = Callable[[dict[str, Any]], object]


class ToyProvider:
    """An OpenID provider in a few lines: one client, one clinician, everything open to change.

    `claims`, `userinfo` and `metadata` are laid over what it would say (None removes the name); `header` over the ID
    token's header; `make_token` replaces the signing; `replies[path]` replaces a whole answer.
    """

    def __init__(self) -> None:
        self.key: RSAKey | ECKey = rsa_key()
        self.algorithm = "RS256"
        self.published: list[dict[str, Any]] = [self.key.as_dict(private=False)]
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.make_token: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
        self.replies: dict[str, Reply] = {}
        self.asked: list[Asked] = []
        self.issuer = ""
        self.now: Callable[[], float] = time.time  # what its tokens are dated by
        self._codes: dict[str, dict[str, str]] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ToyProvider:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def settings(self, **changes: Any) -> ProviderSettings:
        """Settings under which this provider's answers are accepted."""
        return replace(
            ProviderSettings(issuer=self.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET), **changes
        )

    def count(self, path: str) -> int:
        return sum(one.path == path for one in self.asked)

    async def authorise(self, url: str) -> bytes:
        """What a browser would bring back from the authorisation URL: the callback's query."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return urlencode({"code": code, "state": asked["state"], "iss": self.issuer}).encode()

    def id_token(self, nonce: str | None, access_token: str = "", **changes: Any) -> str:
        now = int(self.now())
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": "n.okoye", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "auth_time": now,
            "nonce": nonce, "acr": "urn:acr:pwd", "amr": ["pwd"], "sid": "s-1", "name": "N Okoye", "roles": ["nurse"],
            "at_hash": encoded(hashlib.sha256(access_token.encode()).digest()[:16]) if access_token else None,
        }  # fmt: skip
        return self.sign({**claims, **self.claims, **changes})

    def logout_token(self, **changes: Any) -> str:
        now = int(self.now())
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": "n.okoye", "aud": CLIENT_ID, "iat": now, "exp": now + 120, "sid": "s-1",
            "jti": secrets.token_urlsafe(8), "events": {LOGOUT_EVENT: {}},
        }  # fmt: skip
        header = changes.pop("header", {"typ": "logout+jwt"})
        return self.sign({**claims, **changes}, header)

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        kept = {name: value for name, value in claims.items() if value is not None}
        full = {"alg": self.algorithm, "kid": self.key.kid, **(header or {}), **self.header}
        full = {name: value for name, value in full.items() if value is not None}
        if self.make_token is not None:
            return self.make_token(full, kept)
        return signed(full, json.dumps(kept).encode(), self.key)

    # The wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that has heard enough
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = urlsplit(head[0].split(" ")[1]).path
        self.asked.append(Asked(path, headers, dict(parse_qsl(body.decode(), keep_blank_values=True))))
        reply = self.replies.get(path) or self._answer(path, self.asked[-1])
        if reply.hang:
            await asyncio.Event().wait()
        lines = [f"{name}: {value}" for name, value in reply.headers.items()]
        lines += [f"content-length: {len(reply.body) + reply.size}", "connection: close", "", ""]
        writer.write("\r\n".join([f"HTTP/1.1 {reply.status} X", *lines]).encode())
        writer.write(reply.body)
        for _ in range(reply.size // 65536):
            writer.write(b" " * 65536)
            await writer.drain()
        await writer.drain()

    def _answer(self, path: str, asked: Asked) -> Reply:
        match path:
            case "/.well-known/openid-configuration":
                return Reply.json(_over(self._metadata(), self.metadata))
            case "/jwks":
                return Reply.json({"keys": self.published})
            case "/token":
                return self._grant(asked)
            case "/userinfo":
                return Reply.json(_over({"sub": self.claims.get("sub", "n.okoye")}, self.userinfo))
            case _:
                return Reply(404)

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "id_token_signing_alg_values_supported": ["RS256", "RS512"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic", "client_secret_post", "private_key_jwt"
            ],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip

    def _grant(self, asked: Asked) -> Reply:
        nonce = None
        if asked.form["grant_type"] == "authorization_code":
            begun = self._codes.pop(asked.form["code"], None)
            proof = encoded(hashlib.sha256(asked.form["code_verifier"].encode()).digest())
            if begun is None or proof != begun["code_challenge"] or asked.form["redirect_uri"] != begun["redirect_uri"]:
                return Reply.json({"error": "invalid_grant", "error_description": "<b>no</b>"}, 400)
            nonce = begun["nonce"]
        access_token = secrets.token_urlsafe(16)
        answer = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": secrets.token_urlsafe(16),
            "id_token": self.id_token(nonce, access_token),
        }
        return Reply.json(_over(answer, self.answer))


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


class SeenTokens:
    """A `Seen` that remembers in memory."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    async def __call__(self, key: str, until: float) -> bool:
        known = key in self._keys
        self._keys.add(key)
        return known


class IdentityProviderContract:
    """What every IdentityProvider keeps. A subclass gives `provider` and `authorise` and is collected by pytest.

    `authorise(url)` signs a clinician on whose role is known, as a browser would, and returns the callback's query.
    """

    provider: IdentityProvider
    authorise: Callable[[str], Any]
    redirect_uri = REDIRECT_URI

    async def _answered(self, begun: PendingSignOn) -> Callback:
        return Callback.read(await self.authorise(await self.provider.begin(begun)))

    def _begun(self, **changes: Any) -> PendingSignOn:
        return pending(redirect_uri=self.redirect_uri, **changes)

    async def test_a_sign_on_names_the_clinician(self) -> None:
        """The sign-on of a clinician gives a principal with issuer, subject, role and a level."""
        begun = self._begun()
        found = await self.provider.finish(await self._answered(begun), begun, browser=BROWSER)
        principal: Principal = found.principal
        assert principal.issuer == found.claims.issuer
        assert principal.subject == found.claims.subject
        assert principal.roles
        assert principal.role
        assert 1 <= principal.assurance <= 3

    async def test_the_answer_is_good_in_the_browser_that_asked_only(self) -> None:
        """Another browser, without its binding cookie or with its own, gets nothing for the answer."""
        begun = self._begun()
        answered = await self._answered(begun)
        for browser in ("", token_hash("another cookie")):
            await _refused("state-binding", self.provider.finish(answered, begun, browser=browser))

    async def test_the_answer_is_good_for_its_own_sign_on_only(self) -> None:
        """An answer offered to another sign-on of the same browser is refused."""
        answered = await self._answered(self._begun())
        await _refused("state", self.provider.finish(answered, self._begun(), browser=BROWSER))

    async def test_a_code_is_good_once(self) -> None:
        """The second use of a code is refused, whatever the provider's first answer was."""
        begun = self._begun()
        answered = await self._answered(begun)
        await self.provider.finish(answered, begun, browser=BROWSER)
        await _refused("token", self.provider.finish(answered, begun, browser=BROWSER))

    async def test_a_code_needs_its_verifier(self) -> None:
        """A stolen code is worth nothing without the PKCE verifier."""
        begun = self._begun()
        answered = await self._answered(begun)
        await _refused("token", self.provider.finish(answered, replace(begun, verifier="x" * 64), browser=BROWSER))

    async def test_an_id_token_needs_its_nonce(self) -> None:
        """An ID token of another sign-on is refused."""
        begun = self._begun()
        answered = await self._answered(begun)
        await _refused("nonce", self.provider.finish(answered, replace(begun, nonce="other"), browser=BROWSER))

    async def test_a_forged_logout_token_ends_nothing(self) -> None:
        """What is not signed by the provider is no log-out notice."""
        await _refused("signature", self.provider.verify_logout_token("e30.e30.AA", SeenTokens()))


async def _refused(reason: str, call: Any) -> None:
    found = "nothing"
    try:
        await call
    except SignOnRefused as error:
        found = error.reason
    assert found == reason, f"refused for `{found}`, not for `{reason}`"
