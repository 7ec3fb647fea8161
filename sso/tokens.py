"""A token out of the provider's hand into claims that may be believed: the only place where VerifiedClaims are made.

OpenID Connect Core 1.0 section 3.1.3.7 and Back-Channel Logout 1.0 section 2.6, checked by ourselves over joserfc's
signatures. One algorithm family for an issuer; exact issuer; exact types; times are finite numbers within bounds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from . import compact
from .compact import Compact, MalformedToken
from .errors import SignOnRefused

LEEWAY = 60.0  # seconds by which clocks may differ
_LONGEST = 24 * 3600.0  # a token that claims to live longer is nonsense, not generous
_OLDEST = 900.0  # seconds since `iat`: tokens come fresh from the provider (some date them five minutes back)
_LOGOUT_WITHOUT_EXP = 120.0
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_SUBJECT = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")  # 255 ASCII characters (Core, section 2)
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
# UserInfo adds to an ID token and never replaces what the protocol rests on.
_PROTOCOL = frozenset(
    {"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "acr", "amr", "auth_time", "at_hash", "c_hash", "sid"}
)


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Claims of one clinician, from a token whose signature, issuer, audience and times hold."""

    issuer: str
    subject: str
    acr: str
    amr: tuple[str, ...]
    auth_time: float | None
    issued: float
    sid: str
    values: Mapping[str, object] = field(repr=False)  # everything, UserInfo merged in


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """The provider says that a session ended: all of `sid`, or all of the subject's where it names no session."""

    iss: str
    sub: str
    sid: str
    jti: str
    until: float = 0.0  # when the notice could no longer be used again, in seconds since the epoch


class Keys(Protocol):
    """The issuer's keys (keys.py)."""

    async def candidates(self, kid: str | None, algorithm: str) -> list[RSAKey | ECKey]: ...


class _Lenient(jws.JWSRegistry):
    """Unknown header parameters are passed over (RFC 7515, section 4); those that matter were refused before."""

    max_header_length = compact.MAX_TOKEN
    max_payload_length = compact.MAX_TOKEN
    max_signature_length = 2048


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """For one issuer and one client. `algorithms` is one family: RS*, PS* or ES*, never `none` or HS*."""

    issuer: str
    client_id: str
    algorithms: tuple[str, ...]
    keys: Keys

    async def id_token(
        self,
        token: str,
        *,
        now: float,
        nonce: str | None,
        access_token: str,
        max_age: int | None = None,
        proved_after: float | None = None,
    ) -> VerifiedClaims:
        """Claims of an ID token. `nonce=None` after a refresh only. `proved_after`: when `prompt=login` was asked.

        Raises SignOnRefused, ProviderAway.
        """
        claims = await self._signed(token, types=(None, "jwt"))
        _fields(claims, self.issuer, self.client_id)
        issued, expires = _required_time(claims, "iat"), _required_time(claims, "exp")
        _within(claims, issued, expires, now)
        if nonce is not None:
            _same_nonce(claims, nonce)
        _access_token_hash(claims, token, access_token)
        return VerifiedClaims(
            issuer=self.issuer,
            subject=_subject(claims),
            acr=_text(claims, "acr"),
            amr=_texts(claims, "amr"),
            auth_time=_proved(claims, now, max_age, proved_after),
            issued=issued,
            sid=_text(claims, "sid"),
            values=MappingProxyType(claims),
        )

    async def logout_token(self, token: str, *, now: float) -> LogoutNotice:
        """A back-channel log-out token. Its `jti` is not remembered here. Raises SignOnRefused, ProviderAway."""
        claims = await self._signed(token, types=(None, "logout+jwt"))
        _fields(claims, self.issuer, self.client_id)
        issued = _required_time(claims, "iat")
        bounded = "exp" in claims
        expires = _required_time(claims, "exp") if bounded else issued + _LOGOUT_WITHOUT_EXP
        _within(claims, issued, expires, now)
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise _refused("the log-out token names no log-out event")
        if "nonce" in claims:
            raise _refused("the log-out token has a nonce, so it may be an ID token")
        jti, sid = _text(claims, "jti"), _text(claims, "sid")
        sub = _subject(claims) if "sub" in claims else ""
        if not jti:
            raise _refused("the log-out token has no `jti`")
        if not (sid or sub):
            raise _refused("the log-out token names neither a session nor a subject")
        return LogoutNotice(self.issuer, sub, sid, jti, until=expires + LEEWAY)

    async def _signed(self, token: str, types: tuple[str | None, ...]) -> dict[str, object]:
        """The payload, read only after the signature holds."""
        try:
            parts = compact.read(token)
        except MalformedToken as error:
            raise SignOnRefused("signature", str(error)) from None
        if parts.typ not in types:
            raise SignOnRefused("signature", "the token is of another type than it is used for")
        if parts.algorithm not in self.algorithms:
            raise SignOnRefused(
                "signature",
                f"the token is signed with another algorithm than the provider's `{self.algorithms[0]}` family",
                remedy="Set the algorithm of this client's ID tokens at the provider, or `id_token_alg` here.",
            )
        keys = await self.keys.candidates(parts.kid, parts.algorithm)
        if not any(_holds(parts, key) for key in keys):
            raise SignOnRefused("signature", "the token is not signed by the provider with a key that it publishes")
        try:
            return compact.strict_object(parts.payload)
        except MalformedToken as error:
            raise _refused(f"the token's payload cannot be used: {error}") from None


def with_userinfo(claims: VerifiedClaims, userinfo: Mapping[str, object]) -> VerifiedClaims:
    """UserInfo merged in: the same `sub`, exactly (Core, section 5.3.2); what the ID token says stands.

    Raises SignOnRefused.
    """
    if userinfo.get("sub") != claims.subject:
        raise _refused("the UserInfo answer is about somebody else")
    added = {name: value for name, value in userinfo.items() if name not in _PROTOCOL}
    return VerifiedClaims(
        issuer=claims.issuer,
        subject=claims.subject,
        acr=claims.acr,
        amr=claims.amr,
        auth_time=claims.auth_time,
        issued=claims.issued,
        sid=claims.sid,
        values=MappingProxyType({**added, **claims.values}),
    )


def _holds(parts: Compact, key: RSAKey | ECKey) -> bool:
    registry = _Lenient(algorithms=[parts.algorithm], strict_check_header=False)
    try:
        return jws.validate_compact(jws.extract_compact(parts.text.encode(), None, registry), key, registry=registry)
    except (JoseError, ValueError):
        return False


def _refused(message: str) -> SignOnRefused:
    return SignOnRefused("claims", message)


def _fields(claims: dict[str, object], issuer: str, client_id: str) -> None:
    """Issuer and audience, exactly: a port that could be left out is not left out (CIS2 has one)."""
    if claims.get("iss") != issuer:
        raise _refused("the token comes from another issuer than the one configured")
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(one, str) for one in several) or client_id not in several:
        raise _refused("the token is meant for another client than the `client_id` configured")
    if "azp" in claims and claims["azp"] != client_id:
        raise _refused("the token was asked for by another client (`azp`)")
    if len(several) > 1 and "azp" not in claims:
        raise _refused("the token has several audiences and does not say who asked for it (`azp`)")


def _within(claims: dict[str, object], issued: float, expires: float, now: float) -> None:
    not_before = _time(claims, "nbf")
    if expires <= now - LEEWAY:
        raise _refused("the token has expired: look whether this machine's clock is right")
    if expires > now + _LONGEST + LEEWAY:
        raise _refused("the token claims to live longer than a day")
    if issued > now + LEEWAY or (not_before is not None and not_before > now + LEEWAY):
        raise _refused("the token is from the future: look whether this machine's clock is right")
    if issued < now - _OLDEST - LEEWAY:
        raise _refused("the token was made too long ago: look whether this machine's clock is right")


def _time(claims: dict[str, object], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2): a finite number, and `true` is none."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"the token's `{name}` is no number")
    if not 0 < value < 1e11 or not math.isfinite(value):
        raise _refused(f"the token's `{name}` is no time")
    return float(value)


def _required_time(claims: dict[str, object], name: str) -> float:
    value = _time(claims, name)
    if value is None:
        raise _refused(f"the token has no `{name}`")
    return value


def _proved(claims: dict[str, object], now: float, max_age: int | None, proved_after: float | None) -> float | None:
    """`auth_time`; there and fresh when `max_age` was asked (Core, section 3.1.2.1).

    `prompt=login` obliges nobody to say it: where it is said, it is held to it.
    """
    at = _time(claims, "auth_time")
    if at is not None and at > now + LEEWAY:
        raise _refused("the token's `auth_time` is in the future")
    if max_age is not None and (at is None or at < now - max_age - LEEWAY):
        raise SignOnRefused(
            "assurance", "the provider did not ask the clinician to prove themselves again", remedy="Sign on again."
        )
    if proved_after is not None and at is not None and at < proved_after - LEEWAY:
        raise SignOnRefused(
            "proof-old",
            "the identity provider was to ask who is there, and answered for somebody who proved it earlier",
            remedy="Sign off at the identity provider, or close the browser, and sign on again.",
        )
    return at


def _subject(claims: dict[str, object]) -> str:
    sub = claims.get("sub")
    if not isinstance(sub, str) or not _SUBJECT.fullmatch(sub):
        raise _refused("the token's `sub` is not 1 to 255 printable ASCII characters")
    return sub


def _text(claims: dict[str, object], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > 255:
        raise _refused(f"the token's `{name}` is no short text")
    return value


def _texts(claims: dict[str, object], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or len(value) > 32 or not all(isinstance(v, str) and len(v) <= 255 for v in value):
        raise _refused(f"the token's `{name}` is no list of short texts")
    return tuple(value)


def _same_nonce(claims: dict[str, object], nonce: str) -> None:
    found = claims.get("nonce")
    if not isinstance(found, str) or not hmac.compare_digest(found.encode(), nonce.encode()):
        raise SignOnRefused("nonce", "the ID token belongs to another sign-on")


def _access_token_hash(claims: dict[str, object], token: str, access_token: str) -> None:
    """`at_hash` where it is given (Core, section 3.1.3.6): left half of the hash that the algorithm names."""
    if "at_hash" not in claims:
        return
    # The algorithm is one of our list, all of whose names end in 256, 384 or 512: there is always a hash.
    digest = _HASHES[compact.read(token).algorithm[-3:]](access_token.encode()).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    found = claims["at_hash"]
    if not isinstance(found, str) or not access_token or not hmac.compare_digest(found.encode(), expected):
        raise _refused("the ID token belongs to another access token (`at_hash`)")
