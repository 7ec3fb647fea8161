"""What the gateway may ask of an identity provider, and the values that go to and fro.

`PendingSignOn` is kept (sealed) between leaving for the provider and coming back; `Callback` is what came back;
`SignedOn` is what it was worth. OpenIdProvider (oidc.py) is the implementation.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl

from policies.model import Principal

from .errors import SignOnRefused
from .tokens import LogoutNotice, VerifiedClaims

PENDING_LIFE = 600.0  # seconds a sign-on may take at the provider
Preset = Literal["generic", "keycloak", "entra", "imprivata", "cis2"]
ClientAuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
ClientAlgorithm = Literal["RS256", "RS512", "ES256", "PS256"]
# Answers True when the key was seen before, and remembers it until the time given. Raises StoreUnavailable.
Seen = Callable[[str, float], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Where a preset's claims are found instead; a dot goes one object deeper (`realm_access.roles`)."""

    id: str | None = None
    name: str | None = None
    roles: str | None = None
    organisation: str | None = None
    assurance: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The `[sso]` table with its secrets read. Field by field what docs/configuration.md says."""

    issuer: str  # compared exactly, a port and a trailing slash included
    client_id: str
    client_secret: bytes | None = field(default=None, repr=False)
    client_key_pem: bytes | None = field(default=None, repr=False)
    client_auth: ClientAuthMethod | None = None  # None: by what was given and what the provider offers
    client_alg: ClientAlgorithm | None = None  # None: by the key's type, RS512 for cis2
    id_token_alg: str | None = None  # None: one family out of what the provider offers, RS256 first
    scopes: tuple[str, ...] | None = None  # None: the preset's
    acr_values: tuple[str, ...] = ()
    step_up_acr_values: tuple[str, ...] = ()
    ca_file: str | None = None
    endpoint_hosts: tuple[str, ...] = ()
    preset: Preset = "generic"
    claims: ClaimNames = ClaimNames()
    roles: Mapping[str, str] = field(default_factory=dict)  # the provider's role → ours, laid over the preset's
    minimum_assurance: int = 1
    insecure_issuer: bool = False


def not_under_way() -> SignOnRefused:
    """An answer to no sign-on that is known: what is told to whoever comes back with it."""
    return SignOnRefused(
        "state",
        "this sign-on was used already, or took too long",
        remedy="Start again from the sign-on page.",
    )


@dataclass(frozen=True, slots=True)
class PendingSignOn:
    """A sign-on under way: made for one browser, good once, for ten minutes.

    Whoever keeps it takes it out *before* `finish` is called, so that a second callback finds nothing.
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)  # PKCE
    browser: str = field(repr=False)  # hash of the cookie that binds it to this browser
    redirect_uri: str
    return_path: str
    created: float
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None  # seconds
    subject: str = field(default="", repr=False)  # set: only this subject may come back (re-check, step-up)
    # The clinician is to be asked again (`prompt=login`): a proof from before this sign-on is refused.
    fresh: bool = False
    device: str = ""  # the enrolled device that proved itself as this sign-on began
    source: str = ""  # and the address that it did so from: elsewhere the proof counts for nothing
    step_up: str = field(default="", repr=False)  # what the session in front asked for it for; "" for a sign-on

    @classmethod
    def new(
        cls,
        *,
        browser: str,
        redirect_uri: str,
        return_path: str,
        now: float,
        acr_values: tuple[str, ...] = (),
        max_age: int | None = None,
        subject: str = "",
        fresh: bool = False,
        device: str = "",
        source: str = "",
        step_up: str = "",
    ) -> PendingSignOn:
        """With fresh secrets: 256 bits each for state and nonce, a 64-character verifier (RFC 7636, section 4.1)."""
        state, nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        asked = (acr_values, max_age, subject, fresh, device, source, step_up)
        return cls(state, nonce, verifier, browser, redirect_uri, return_path, now, *asked)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PendingSignOn:
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "acr_values": tuple(fields["acr_values"])})

    def check(self, state: str, browser: str, now: float) -> None:
        """Raises SignOnRefused when the callback is not this browser's, not this sign-on's, or too late."""
        if not hmac.compare_digest(self.state.encode(), state.encode()):
            raise not_under_way()
        if not browser or not hmac.compare_digest(self.browser.encode(), browser.encode()):
            raise SignOnRefused(
                "state-binding",
                "the sign-on was begun in another browser",
                remedy="Start again from the sign-on page, in the browser you want to use.",
            )
        if not 0 <= now - self.created <= PENDING_LIFE:
            raise SignOnRefused(
                "state-expired", "the sign-on took longer than ten minutes", remedy="Start again from the sign-on page."
            )


_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_LIMITS = {"state": 128, "code": 4096, "iss": 512, "error": 64}
_FOREIGN = ("access_token", "id_token", "token_type", "expires_in", "refresh_token", "response", "request")


@dataclass(frozen=True, slots=True)
class Callback:
    """The query of a request to the redirect URI, each parameter at most once (RFC 6749, section 3.1)."""

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    iss: str = ""
    error: str = ""

    @classmethod
    def read(cls, query: bytes) -> Callback:
        """From the raw query, so that `state` can be looked up. Raises SignOnRefused.

        Parameters that providers add (`session_state`, `scope`) are passed over; `error_description` is never used.
        """
        try:
            pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=32, errors="strict")
        except ValueError:  # too many fields, bytes beyond ASCII, escapes that are no UTF-8
            raise SignOnRefused("state", "the answer's parameters cannot be read") from None
        found = dict(pairs)
        if len(found) != len(pairs):
            raise SignOnRefused("duplicate-parameter", "the answer carries a parameter twice")
        if any(name in found for name in _FOREIGN):
            raise SignOnRefused("unexpected-parameter", "the answer carries what the code flow never returns")
        for name, limit in _LIMITS.items():
            value = found.get(name)
            if value is not None and (len(value) > limit or not _PRINTABLE.fullmatch(value)):
                raise SignOnRefused("state", f"the answer's `{name}` is malformed")
        if not found.get("state"):
            raise SignOnRefused("state", "the answer carries no state", remedy="Start again from the sign-on page.")
        if "code" in found and "error" in found:
            raise SignOnRefused("unexpected-parameter", "the answer carries a code and an error")
        return cls(found["state"], found.get("code", ""), found.get("iss", ""), found.get("error", ""))


@dataclass(frozen=True, slots=True)
class SignedOn:
    """What a sign-on or a re-check proved. The tokens are for the provider only: they are kept sealed, never shown."""

    claims: VerifiedClaims
    principal: Principal
    id_token: str = field(repr=False)  # hint for RP-initiated log-out
    refresh_token: str = field(repr=False)  # "" where the provider gives none
    expires: float  # when the provider's access token ends, clamped to a day; a hint for the re-check only
    auth_time: float  # when the clinician last proved themselves, as far as the provider says
    acr: str
    amr: tuple[str, ...]
    provider_session: str  # the provider's `sid`, "" where it says none
    local_id: str  # the name by which local systems may know the clinician; authorises nothing


class IdentityProvider(Protocol):
    """Where clinicians sign on. Every method that asks the provider may raise ProviderAway (or ProviderUnfit)."""

    async def begin(self, pending: PendingSignOn, *, prompt: str | None = None, login_hint: str | None = None) -> str:
        """The URL to send the browser to. `prompt`: another one than `pending.fresh` asks for."""
        ...

    async def finish(self, callback: Callback, pending: PendingSignOn, *, browser: str) -> SignedOn:
        """Raises SignOnRefused; InteractionNeeded where `prompt=none` did not suffice."""
        ...

    async def refresh(self, refresh_token: str, known: Principal) -> SignedOn:
        """The claims as they are now. Raises SignOnRefused (`refresh`, `role`, …): end the shift; InteractionNeeded:
        ask again with `prompt=none`."""
        ...

    async def end_session_url(self, id_token: str, return_to: str, state: str) -> str | None:
        """Where to send the browser so that the provider's session ends too; None where it has no such place."""
        ...

    async def verify_logout_token(self, token: str, seen: Seen) -> LogoutNotice:
        """Whose sessions end. Raises SignOnRefused."""
        ...

    def jwks(self) -> dict[str, Any]:
        """Our own public client key, for `/.well-known/jwks.json`; no keys where a secret is used."""
        ...

    async def look(self) -> None:
        """Ask for metadata now, whatever is at hand. Raises ProviderAway, ProviderUnfit."""
        ...

    async def check(self) -> None:
        """Ask for metadata and keys, to say early what is wrong. Raises ProviderAway, ProviderUnfit."""
        ...
