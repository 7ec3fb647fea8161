"""What an authorisation or token endpoint answered into tokens, or into the error that fits the reaction.

RFC 6749 sections 4.1.2.1, 5.1 and 5.2; OpenID Connect Core section 3.1.2.6. An `error_description` is text from
outside: it is neither shown nor logged.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from .errors import InteractionNeeded, ProviderAway, ProviderUnfit, SignOnRefused

_INTERACTION = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
_LATER = frozenset({"server_error", "temporarily_unavailable"})
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_LONGEST_ACCESS = 24 * 3600.0
_MAX_TEXT = 16_000  # characters of an access or refresh token


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)  # "" where none came
    lifetime: float  # of the access token, in seconds


def answered_error(code: str) -> Exception:
    """The provider's `error` parameter; its description is text from outside and goes nowhere."""
    if code in _INTERACTION:
        return InteractionNeeded("interaction", "the provider wants to see the clinician first")
    if code in _LATER:
        return ProviderAway(f"the identity provider answered `{code}`", reason="provider-error")
    if code == "access_denied":
        return SignOnRefused("denied", "the identity provider refused the sign-on, or it was cancelled")
    return SignOnRefused("provider-error", f"the identity provider answered {_named(code)}")


def refused_grant(code: object, reason: str) -> Exception:
    if code in _LATER:
        return ProviderAway(f"the identity provider answered `{code}`", reason="provider-error")
    if code in _INTERACTION:
        return InteractionNeeded("interaction", "the provider wants to see the clinician again")
    if code in ("invalid_client", "unauthorized_client"):
        return ProviderUnfit(f"the provider does not take our client authentication: {_named(code)}")
    what = "code" if reason == "token" else "refresh token"
    return SignOnRefused(reason, f"the identity provider refused the {what}: {_named(code)}")


def _named(code: object) -> str:
    return f"`{code}`" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else "another error"


def read_tokens(fields: dict[str, object], reason: str) -> TokenAnswer:
    """The parts that are used. Raises SignOnRefused; InteractionNeeded when a refresh brings no ID token."""
    kind = fields.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise SignOnRefused("token", "the token answer is not of type `Bearer`")
    texts: dict[str, str] = {}
    for name in ("id_token", "access_token", "refresh_token"):
        value = fields.get(name, "")
        if not isinstance(value, str) or (name != "id_token" and (len(value) > _MAX_TEXT or not value.isascii())):
            raise SignOnRefused("token", f"the token answer's `{name}` is no usable text")
        texts[name] = value
    if not texts["access_token"].isprintable() or not texts["access_token"]:
        raise SignOnRefused("token", "the token answer has no usable `access_token`")
    if not texts["id_token"]:
        if reason == "refresh":
            raise InteractionNeeded("interaction", "the provider gives no ID token for a refresh token")
        raise SignOnRefused("token", "the token answer has no `id_token`: is `openid` among `sso.scopes`?")
    return TokenAnswer(texts["id_token"], texts["access_token"], texts["refresh_token"], _lifetime(fields))


def _lifetime(fields: dict[str, object]) -> float:
    """`expires_in` clamped to 0 … a day; 0 where it is no number."""
    value = fields.get("expires_in")
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return 0.0
    return float(min(max(value, 0), _LONGEST_ACCESS))
