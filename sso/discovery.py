"""An issuer's metadata document into the few settings that are used, or the reason why they may not be.

OpenID Connect Discovery 1.0 section 4.3 and RFC 8414 section 3.3: the issuer is compared exactly. Endpoints are https
(this machine and `insecure_issuer` excepted) and on the issuer's host or one of `endpoint_hosts`, so that a document
that was tampered with cannot send our secrets elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from . import wire
from .errors import ProviderAway, ProviderUnfit
from .flight import Flight
from .keys import ALGORITHMS, FRESH, PAUSE
from .provider import ProviderSettings
from .wire import is_loopback

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of a provider's metadata."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    algorithms: tuple[str, ...]  # of ID tokens: one family
    auth_methods: tuple[str, ...] | None  # None: the document does not say
    says_issuer: bool  # RFC 9207: every callback carries `iss`


class Discovery:
    """The metadata, read once an hour; what is at hand serves while the provider is away."""

    def __init__(
        self, settings: ProviderSettings, client: httpx2.AsyncClient, now: Callable[[], float], *, userinfo: bool
    ) -> None:
        self._settings = settings
        self._client = client
        self._now = now
        self._userinfo = userinfo
        self._metadata: Metadata | None = None
        self._read = self._tried = float("-inf")
        self._flight: Flight[Metadata] = Flight(self._fetch)

    async def current(self) -> Metadata:
        """Raises ProviderAway when none was ever read, ProviderUnfit when it may not be used."""
        now = self._now()
        if self._metadata is not None and (now - self._read < FRESH or now - self._tried < PAUSE):
            return self._metadata
        try:
            return await self._flight.join()
        except ProviderAway:
            if self._metadata is None:
                raise
            return self._metadata

    async def asked_now(self) -> None:
        """Whether it can be read at this moment. Raises ProviderAway, ProviderUnfit."""
        await self._flight.join()

    async def _fetch(self) -> Metadata:
        self._tried = self._now()
        answer = await wire.ask(self._client, "GET", url_of(self._settings.issuer), "metadata")
        if answer.status != 200:
            raise ProviderAway(
                f"the identity provider answered `{answer.status}` when asked for its metadata: check `sso.issuer`",
                reason="provider-answer",
            )
        document = answer.json("metadata")
        self._metadata = None  # metadata that became unfit may not go on being used
        self._metadata = read(document, self._settings, userinfo=self._userinfo)
        self._read = self._now()
        return self._metadata


def url_of(issuer: str) -> str:
    return issuer.rstrip("/") + WELL_KNOWN


def read(document: dict[str, object], settings: ProviderSettings, *, userinfo: bool) -> Metadata:
    """Raises ProviderUnfit naming the field and what to do. `userinfo`: whether that endpoint will be asked."""
    if document.get("issuer") != settings.issuer:
        raise ProviderUnfit(
            "the provider's metadata is for another issuer than `sso.issuer`: copy the issuer from it, exactly"
        )
    challenges = document.get("code_challenge_methods_supported")
    if challenges is not None and "S256" not in _texts(document, "code_challenge_methods_supported"):
        raise ProviderUnfit("the provider does not take PKCE with S256: switch it on there")
    optional = {
        "userinfo_endpoint": userinfo and "userinfo_endpoint" in document,
        "end_session_endpoint": "end_session_endpoint" in document,
    }
    found = {name: _endpoint(document, name, settings) for name, wanted in optional.items() if wanted}
    return Metadata(
        authorization_endpoint=_endpoint(document, "authorization_endpoint", settings),
        token_endpoint=_endpoint(document, "token_endpoint", settings),
        jwks_uri=_endpoint(document, "jwks_uri", settings),
        userinfo_endpoint=found.get("userinfo_endpoint"),
        end_session_endpoint=found.get("end_session_endpoint"),
        algorithms=_family(document, settings),
        auth_methods=(
            _texts(document, "token_endpoint_auth_methods_supported")
            if "token_endpoint_auth_methods_supported" in document
            else None
        ),
        says_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: dict[str, object], name: str, settings: ProviderSettings) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.isascii() or any(c in value for c in ' \\"<>\t\r\n'):
        raise ProviderUnfit(f"the provider's metadata has no usable `{name}`")
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ProviderUnfit(f"the provider's metadata has no usable `{name}`") from None
    if parts.username is not None or parts.fragment or not host:
        raise ProviderUnfit(f"the provider's metadata has no usable `{name}`")
    plain = parts.scheme == "http" and settings.issuer.startswith("http://")
    if parts.scheme != "https" and not (plain and (is_loopback(value) or settings.insecure_issuer)):
        raise ProviderUnfit(f"the provider's `{name}` is not https")
    known = {(urlsplit(settings.issuer).hostname or ""), *(h.lower() for h in settings.endpoint_hosts)}
    if host not in known and parts.netloc.lower() not in known:
        raise ProviderUnfit(
            f"the provider's `{name}` is on the host `{host}`: if that is right, add it to `sso.endpoint_hosts`"
        )
    return value


def _family(document: dict[str, object], settings: ProviderSettings) -> tuple[str, ...]:
    """The algorithms of the first family that the provider offers: RS (its default by the standard), PS, ES."""
    offered = _texts(document, "id_token_signing_alg_values_supported")
    if settings.id_token_alg is not None:
        offered = tuple(name for name in offered if name == settings.id_token_alg)
    for family in ("RS", "PS", "ES"):
        usable = tuple(name for name in ALGORITHMS if name.startswith(family) and name in offered)
        if usable:
            return usable
    raise ProviderUnfit(
        "the provider signs ID tokens with none of the algorithms that we take: set it to `RS256`, `PS256` or `ES256`"
    )


def _texts(document: dict[str, object], name: str) -> tuple[str, ...]:
    value = document.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ProviderUnfit(f"the provider's metadata has no usable `{name}`")
    return tuple(value)
