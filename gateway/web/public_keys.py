"""The public halves of the keys that we sign with: our client key, for the provider, and those of our word, for systems."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sso.provider import IdentityProvider
from sso.word import Word


class PublicKeys:
    def __init__(self, provider: IdentityProvider, word: Word) -> None:
        self._provider = provider
        self._word = word

    async def jwks(self, request: Request) -> Response:
        """A JWK Set (RFC 7517 section 5), read anew at least once a day by whoever checks our word."""
        keys = [*self._provider.jwks()["keys"], *self._word.public()]
        return JSONResponse({"keys": keys}, headers={"cache-control": "public, max-age=300"})
