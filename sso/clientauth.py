"""A token request's form into one that proves which client sends it, by exactly one method.

RFC 6749 section 2.3.1 and OpenID Connect Core section 9. Which method is decided from the settings and the metadata,
never by trying.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote_plus

from .assertion import ClientKey
from .discovery import Metadata
from .errors import ProviderUnfit
from .provider import ProviderSettings

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BASIC, POST, KEY = "client_secret_basic", "client_secret_post", "private_key_jwt"


class ClientProof:
    """Proves who we are. Raises ValueError when secret and key do not fit the settings."""

    def __init__(self, settings: ProviderSettings, now: Callable[[], float]) -> None:
        if (settings.client_secret is None) == (settings.client_key_pem is None):
            raise ValueError("give exactly one of `sso.client_secret` and `sso.client_key`")
        if settings.client_auth is not None and (settings.client_auth == KEY) != (settings.client_key_pem is not None):
            raise ValueError(
                "`sso.client_auth` does not fit: `private_key_jwt` goes with `client_key`, the others do not"
            )
        self._settings = settings
        self._now = now
        self.key: ClientKey | None = None
        if settings.client_key_pem is not None:
            algorithm = settings.client_alg or ("RS512" if settings.preset == "cis2" else None)
            self.key = ClientKey(settings.client_key_pem, algorithm)

    def method(self, metadata: Metadata) -> str:
        """As configured, whatever the metadata says; else by what was given and is offered. Raises ProviderUnfit."""
        if self._settings.client_auth is not None:
            return self._settings.client_auth
        offered = metadata.auth_methods or (BASIC,)  # Discovery, section 3: the default
        by_secret = POST if BASIC not in offered and POST in offered else BASIC
        name = KEY if self.key else by_secret
        if metadata.auth_methods is not None and name not in metadata.auth_methods:
            raise ProviderUnfit(f"the provider does not offer `{name}`: set `sso.client_auth` to what it takes")
        return name

    def prove(self, metadata: Metadata, form: str) -> tuple[dict[str, str], str]:
        """Headers and form for one request to the token endpoint. Raises ProviderUnfit."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        client_id, secret = quote_plus(self._settings.client_id), quote_plus(self._settings.client_secret or b"")
        match self.method(metadata), self.key:
            case "private_key_jwt", ClientKey() as key:
                # The audience is the endpoint exactly as the metadata spells it.
                assertion = key.assertion(self._settings.client_id, metadata.token_endpoint, self._now())
                kind = quote_plus(_ASSERTION_TYPE)
                return (
                    headers,
                    f"{form}&client_id={client_id}&client_assertion_type={kind}&client_assertion={assertion}",
                )
            case "client_secret_post", _:
                return headers, f"{form}&client_id={client_id}&client_secret={secret}"
            case _:
                # Id and secret are form-encoded first, which many libraries (authlib too) leave out.
                pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
                return {**headers, "authorization": f"Basic {pair}"}, form
