"""Sign-on by the OpenID Connect code flow: the relying party. The only file that imports authlib.

authlib writes the authorisation request, the token request and the PKCE challenge; what goes over the wire (wire.py),
what is believed (tokens.py) and what it means (claims.py) is ours. Its framework integrations are not used. PKCE with
S256 always; one client authentication method, never a second try with another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from policies.model import Principal

from . import logout, wire
from .answers import TokenAnswer, answered_error, read_tokens, refused_grant
from .claims import ClaimReader
from .clientauth import ClientProof
from .compact import MalformedToken, strict_object
from .discovery import Discovery, Metadata
from .errors import ProviderAway, SignOnRefused
from .keys import IssuerKeys
from .provider import Callback, PendingSignOn, ProviderSettings, Seen, SignedOn
from .tokens import LogoutNotice, TokenVerifier, VerifiedClaims, with_userinfo

# Below INFO authlib writes code verifiers into the log.
logging.getLogger("authlib").setLevel(logging.INFO)

# authlib is untyped: its three functions get their types here.
_authorisation_url: Callable[..., str] = prepare_grant_uri
_token_form: Callable[..., str] = prepare_token_request
_challenge: Callable[[str], str] = create_s256_code_challenge


class OpenIdProvider:
    """IdentityProvider over OpenID Connect. `client` is handed in (wire.client_for makes one) and closed by its maker.

    Raises ValueError when the settings cannot work whatever the provider says: no or a wrong client key.
    """

    def __init__(
        self, settings: ProviderSettings, client: httpx2.AsyncClient, now: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._client = client
        self._now = now
        self._proof = ClientProof(settings, now)
        self._reader = ClaimReader(settings)
        self._keys = IssuerKeys(self._fetch_keys, now)
        self._discovery = Discovery(settings, client, now, userinfo=self._reader.asks_userinfo)

    # What the gateway asks

    async def begin(self, pending: PendingSignOn, *, prompt: str | None = None, login_hint: str | None = None) -> str:
        """The authorisation request: each parameter once, from configuration and from `pending`."""
        metadata = await self._discovery.current()
        return _authorisation_url(
            metadata.authorization_endpoint,
            client_id=self.settings.client_id,
            response_type="code",
            redirect_uri=pending.redirect_uri,
            scope=" ".join(dict.fromkeys(("openid", *self._reader.scopes))),
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=_challenge(pending.verifier),
            code_challenge_method="S256",
            acr_values=" ".join(pending.acr_values) or None,
            max_age=None if pending.max_age is None else str(pending.max_age),
            prompt=prompt or ("login" if pending.fresh else None),
            login_hint=login_hint,
        )

    async def finish(self, callback: Callback, pending: PendingSignOn, *, browser: str) -> SignedOn:
        """From the provider's answer to a signed-on clinician. Raises SignOnRefused, ProviderAway."""
        pending.check(callback.state, browser, self._now())
        metadata = await self._discovery.current()
        self._check_issuer(callback, metadata)
        if callback.error:
            raise answered_error(callback.error)
        if not callback.code:
            raise SignOnRefused("state", "the answer carries neither a code nor an error")
        answer = await self._tokens(
            metadata,
            "token",
            grant_type="authorization_code",
            code=callback.code,
            redirect_uri=pending.redirect_uri,
            code_verifier=pending.verifier,
        )
        claims = await self._verifier(metadata).id_token(
            answer.id_token,
            now=self._now(),
            nonce=pending.nonce,
            access_token=answer.access_token,
            max_age=pending.max_age,
            proved_after=pending.created if pending.fresh else None,
        )
        if pending.subject and claims.subject != pending.subject:
            raise SignOnRefused(
                "other-person",
                "somebody else is signed on at the identity provider",
                remedy="Sign off, and sign on as yourself.",
            )
        claims = await self._with_userinfo(metadata, claims, answer.access_token)
        return self._signed_on(claims, answer, self._reader.principal(claims, asked=pending.acr_values))

    async def refresh(self, refresh_token: str, known: Principal) -> SignedOn:
        """The claims as they are now (Core, section 12). Raises SignOnRefused, InteractionNeeded, ProviderAway."""
        metadata = await self._discovery.current()
        answer = await self._tokens(metadata, "refresh", grant_type="refresh_token", refresh_token=refresh_token)
        claims = await self._verifier(metadata).id_token(
            answer.id_token, now=self._now(), nonce=None, access_token=answer.access_token
        )
        if (claims.issuer, claims.subject) != (known.issuer, known.subject):
            raise SignOnRefused("other-person", "the refreshed token is about somebody else")
        claims = await self._with_userinfo(metadata, claims, answer.access_token)
        signed_on = self._signed_on(claims, answer, self._reader.principal(claims, known=known))
        # A provider that does not rotate says nothing: the token at hand stays good.
        return signed_on if answer.refresh_token else replace(signed_on, refresh_token=refresh_token)

    async def end_session_url(self, id_token: str, return_to: str, state: str) -> str | None:
        """Where to send the browser so that the provider's session ends too; None where it has no such place."""
        endpoint = (await self._discovery.current()).end_session_endpoint
        return endpoint and logout.sign_off_url(endpoint, self.settings.client_id, id_token, return_to, state)

    async def verify_logout_token(self, token: str, seen: Seen) -> LogoutNotice:
        """A back-channel log-out token, once. Raises SignOnRefused, ProviderAway."""
        return await logout.notice(self._verifier(await self._discovery.current()), token, seen, self._now())

    def jwks(self) -> dict[str, Any]:
        """Our own public client key."""
        return {"keys": [] if self._proof.key is None else [self._proof.key.public()]}

    async def look(self) -> None:
        """Ask for metadata now. Raises ProviderAway, ProviderUnfit."""
        await self._discovery.asked_now()

    async def check(self) -> None:
        """Ask for metadata and keys. Raises ProviderAway, ProviderUnfit."""
        metadata = await self._discovery.current()
        self._proof.method(metadata)
        await self._keys.candidates(None, metadata.algorithms[0])

    async def _fetch_keys(self) -> dict[str, object]:
        metadata = await self._discovery.current()
        answer = await wire.ask(self._client, "GET", metadata.jwks_uri, "key set")
        if answer.status != 200:
            raise ProviderAway(
                f"the identity provider answered `{answer.status}` when asked for its key set", reason="provider-answer"
            )
        return answer.json("key set")

    def _verifier(self, metadata: Metadata) -> TokenVerifier:
        return TokenVerifier(self.settings.issuer, self.settings.client_id, metadata.algorithms, self._keys)

    # The flow

    def _check_issuer(self, callback: Callback, metadata: Metadata) -> None:
        """RFC 9207 section 2.4, before anything else in the answer is looked at."""
        if callback.iss and callback.iss != self.settings.issuer:
            raise SignOnRefused("iss", "the answer comes from another identity provider than the one asked")
        if not callback.iss and metadata.says_issuer:
            raise SignOnRefused("iss", "the answer does not say which identity provider it comes from")

    async def _tokens(self, metadata: Metadata, reason: str, **grant: str) -> TokenAnswer:
        """One request to the token endpoint. `reason`: the code when the grant is refused."""
        headers, body = self._proof.prove(metadata, _token_form(**grant))
        answer = await wire.ask(
            self._client, "POST", metadata.token_endpoint, "tokens", headers=headers, content=body.encode()
        )
        fields = answer.json("token answer")
        if answer.status != 200 or "error" in fields:
            raise refused_grant(fields.get("error"), reason)
        return read_tokens(fields, reason)

    async def _with_userinfo(self, metadata: Metadata, claims: VerifiedClaims, access_token: str) -> VerifiedClaims:
        """The ID token's claims, and what it left out."""
        if metadata.userinfo_endpoint is None or not self._reader.lacks(claims):
            return claims
        answer = await wire.ask(
            self._client,
            "GET",
            metadata.userinfo_endpoint,
            "UserInfo",
            headers={"authorization": f"Bearer {access_token}"},
        )
        if answer.status != 200:
            raise SignOnRefused("token", f"the provider's UserInfo endpoint answered `{answer.status}`")
        if answer.media_type == "application/jwt":
            raise SignOnRefused("claims", "the provider signs its UserInfo: let it answer this client with plain JSON")
        try:
            found = strict_object(answer.body)
        except MalformedToken as error:
            raise SignOnRefused("claims", f"the UserInfo answer cannot be used: {error}") from None
        return with_userinfo(claims, found)

    def _signed_on(self, claims: VerifiedClaims, answer: TokenAnswer, principal: Principal) -> SignedOn:
        return SignedOn(
            claims=claims,
            principal=principal,
            id_token=logout.hint(answer.id_token),
            refresh_token=answer.refresh_token,
            expires=self._now() + answer.lifetime,
            auth_time=claims.auth_time if claims.auth_time is not None else claims.issued,
            acr=claims.acr,
            amr=claims.amr,
            provider_session=claims.sid,
            local_id=self._reader.local_id(claims),
        )
